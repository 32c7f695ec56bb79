//! [`Vit`](crate::Vit) as a graph.

use std::f32::consts::SQRT_2;

use super::graph::{Attribute, Graph};
use super::{INPUT, OUTPUT, OnnxError, Weights};
use crate::nn::{layer_norm, pos_embed};
use crate::vit::{DEPTH, MLP_RATIO, VitConfig, VitVariant};

/// Sizes of the network at one image size.
struct Sizes {
    dim: usize,
    heads: usize,
    /// Rows and columns of patches.
    grid: usize,
}

pub(super) fn graph(
    variant: VitVariant,
    small_input: bool,
    px: usize,
    weights: &Weights<'_>,
) -> Result<Graph, OnnxError> {
    let config = VitConfig {
        variant,
        small_input,
    };
    let patch_px = config.patch_px();
    let sizes = Sizes {
        dim: variant.dim,
        heads: variant.heads,
        grid: px / patch_px,
    };
    if sizes.grid == 0 {
        return Err(OnnxError::TooSmall { px, patch_px });
    }
    let mut graph = Graph::default();
    let mut x = tokens(&mut graph, &sizes, &config, weights)?;
    for index in 0..DEPTH {
        let name = format!("blocks.{index}");
        let y = graph.layer_norm(&x, &format!("{name}.norm1"), sizes.dim, weights)?;
        let y = attention(&mut graph, &y, &format!("{name}.attn"), &sizes, weights)?;
        x = graph.node("Add", format!("{name}.add1"), &[&x, &y], vec![]);
        let y = graph.layer_norm(&x, &format!("{name}.norm2"), sizes.dim, weights)?;
        let y = mlp(&mut graph, &y, &format!("{name}.mlp"), sizes.dim, weights)?;
        x = graph.node("Add", format!("{name}.add2"), &[&x, &y], vec![]);
    }
    // Normalisation acts on each token by itself, so that the class token's row is enough.
    let first = graph.int("class_row", 0);
    let axis = vec![("axis", Attribute::Int(1))];
    let row = graph.node("Gather", "class_token", &[&x, &first], axis);
    let normalised = graph.layer_norm(&row, "norm", sizes.dim, weights)?;
    graph.node("Identity", OUTPUT, &[&normalised], vec![]);
    Ok(graph)
}

/// Class token and projected patches with their positions, `[batch, grid^2 + 1, dim]`.
fn tokens(
    graph: &mut Graph,
    sizes: &Sizes,
    config: &VitConfig,
    weights: &Weights<'_>,
) -> Result<String, OnnxError> {
    let (dim, patch, native) = (sizes.dim, config.patch_px(), config.grid());
    let name = "patch_embed.proj";
    let kernel = weights.values(&format!("{name}.weight"), dim * 3 * patch * patch)?;
    let kernel = graph.floats(
        &format!("{name}.weight"),
        &[dim, 3, patch, patch],
        kernel.to_vec(),
    );
    let bias = weights.values(&format!("{name}.bias"), dim)?.to_vec();
    let bias = graph.floats(&format!("{name}.bias"), &[dim], bias);
    let side = Attribute::Ints(vec![patch as i64; 2]);
    let maps = graph.node(
        "Conv",
        name,
        &[INPUT, &kernel, &bias],
        vec![("kernel_shape", side.clone()), ("strides", side)],
    );
    // A zero keeps a dimension as it is.
    let shape = graph.ints("patches.shape", &[0, dim as i64, -1]);
    let rows = graph.node("Reshape", "patches.rows", &[&maps, &shape], vec![]);
    let patches = graph.node("Transpose", "patches", &[&rows], permutation(&[0, 2, 1]));

    let class = weights.values("cls_token", dim)?.to_vec();
    let class = graph.floats("cls_token", &[1, 1, dim], class);
    let batch = graph.node(
        "Shape",
        "batch",
        &[&patches],
        vec![("start", Attribute::Int(0)), ("end", Attribute::Int(1))],
    );
    let rest = graph.ints("class_tokens.rest", &[1, dim as i64]);
    let axis = |axis| vec![("axis", Attribute::Int(axis))];
    let shape = graph.node("Concat", "class_tokens.shape", &[&batch, &rest], axis(0));
    let classes = graph.node("Expand", "class_tokens", &[&class, &shape], vec![]);
    let tokens = graph.node("Concat", "tokens", &[&classes, &patches], axis(1));

    let table = weights.values("pos_embed", (native * native + 1) * dim)?;
    let table = pos_embed::resize_values(table, dim, [sizes.grid, sizes.grid]);
    let table = graph.floats("pos_embed", &[1, sizes.grid * sizes.grid + 1, dim], table);
    Ok(graph.node("Add", "positioned", &[&tokens, &table], vec![]))
}

/// Self-attention of all heads, `softmax(q k^T / sqrt(head_dim)) v`, and its projection.
fn attention(
    graph: &mut Graph,
    x: &str,
    name: &str,
    sizes: &Sizes,
    weights: &Weights<'_>,
) -> Result<String, OnnxError> {
    let (dim, heads) = (sizes.dim, sizes.heads);
    let head_dim = dim / heads;
    let qkv = graph.linear(x, &format!("{name}.qkv"), [dim, 3 * dim], weights)?;
    let shape = graph.ints("qkv.shape", &[0, -1, 3, heads as i64, head_dim as i64]);
    let packed = graph.node("Reshape", format!("{name}.packed"), &[&qkv, &shape], vec![]);
    // [3, batch, heads, tokens, head_dim]
    let split = permutation(&[2, 0, 3, 1, 4]);
    let split = graph.node("Transpose", format!("{name}.split"), &[&packed], split);
    let [q, k, v] = [("q", 0), ("k", 1), ("v", 2)].map(|(part, index)| {
        let index = graph.int(&format!("qkv.{part}"), index);
        let axis = vec![("axis", Attribute::Int(0))];
        graph.node("Gather", format!("{name}.{part}"), &[&split, &index], axis)
    });
    let scale = (head_dim as f32).sqrt().recip();
    let scale = graph.floats("attention.scale", &[], vec![scale]);
    let q = graph.node("Mul", format!("{name}.q.scaled"), &[&q, &scale], vec![]);
    let k = permutation_of(graph, &k, &[0, 1, 3, 2]);
    let scores = graph.node("MatMul", format!("{name}.scores"), &[&q, &k], vec![]);
    let last = vec![("axis", Attribute::Int(-1))];
    let shares = graph.node("Softmax", format!("{name}.softmax"), &[&scores], last);
    let mixed = graph.node("MatMul", format!("{name}.mixed"), &[&shares, &v], vec![]);
    let mixed = permutation_of(graph, &mixed, &[0, 2, 1, 3]);
    let shape = graph.ints("attention.shape", &[0, -1, dim as i64]);
    let rows = graph.node("Reshape", format!("{name}.rows"), &[&mixed, &shape], vec![]);
    graph.linear(&rows, &format!("{name}.proj"), [dim, dim], weights)
}

/// Two linear layers with GELU between, `x (1 + erf(x / sqrt 2)) / 2`.
fn mlp(
    graph: &mut Graph,
    x: &str,
    name: &str,
    dim: usize,
    weights: &Weights<'_>,
) -> Result<String, OnnxError> {
    let wide = MLP_RATIO * dim;
    let x = graph.linear(x, &format!("{name}.fc1"), [dim, wide], weights)?;
    let root = graph.floats("gelu.root", &[], vec![SQRT_2]);
    let one = graph.floats("gelu.one", &[], vec![1.0]);
    let half = graph.floats("gelu.half", &[], vec![0.5]);
    let y = graph.node("Div", format!("{name}.gelu.div"), &[&x, &root], vec![]);
    let y = graph.node("Erf", format!("{name}.gelu.erf"), &[&y], vec![]);
    let y = graph.node("Add", format!("{name}.gelu.add"), &[&y, &one], vec![]);
    let y = graph.node("Mul", format!("{name}.gelu.mul"), &[&x, &y], vec![]);
    let y = graph.node("Mul", format!("{name}.gelu"), &[&y, &half], vec![]);
    graph.linear(&y, &format!("{name}.fc2"), [wide, dim], weights)
}

fn permutation(order: &[i64]) -> Vec<(&'static str, Attribute)> {
    vec![("perm", Attribute::Ints(order.to_vec()))]
}

fn permutation_of(graph: &mut Graph, x: &str, order: &[i64]) -> String {
    let name = format!("{x}.transposed");
    graph.node("Transpose", name, &[x], permutation(order))
}

impl Graph {
    fn layer_norm(
        &mut self,
        x: &str,
        name: &str,
        dim: usize,
        weights: &Weights<'_>,
    ) -> Result<String, OnnxError> {
        let mut part = |part: &str| {
            let name = format!("{name}.{part}");
            let values = weights.values(&name, dim)?.to_vec();
            Ok::<_, OnnxError>(self.floats(&name, &[dim], values))
        };
        let (scale, shift) = (part("weight")?, part("bias")?);
        let attributes = vec![
            ("axis", Attribute::Int(-1)),
            ("epsilon", Attribute::Float(layer_norm::EPSILON as f32)),
        ];
        Ok(self.node("LayerNormalization", name, &[x, &scale, &shift], attributes))
    }

    /// `x W^T + b`, with the weight transposed beforehand.
    fn linear(
        &mut self,
        x: &str,
        name: &str,
        [inputs, outputs]: [usize; 2],
        weights: &Weights<'_>,
    ) -> Result<String, OnnxError> {
        let weight = weights.values(&format!("{name}.weight"), inputs * outputs)?;
        let mut transposed = Vec::with_capacity(weight.len());
        for column in 0..inputs {
            transposed.extend(weight.iter().skip(column).step_by(inputs));
        }
        let weight = self.floats(&format!("{name}.weight"), &[inputs, outputs], transposed);
        let bias = weights.values(&format!("{name}.bias"), outputs)?.to_vec();
        let bias = self.floats(&format!("{name}.bias"), &[outputs], bias);
        let product = self.node("MatMul", format!("{name}.product"), &[x, &weight], vec![]);
        Ok(self.node("Add", name, &[&product, &bias], vec![]))
    }
}
