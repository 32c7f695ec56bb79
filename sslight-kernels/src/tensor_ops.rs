//! The operations on tensors.

use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;

use crate::backend::{Activation, Backend, Before, Normalization, Statistics};
use crate::stock::{TARGET_VIEWS, primitive, tensor};

/// Convolution without bias.
///
/// # Shapes
/// x `[b, c_in, h, w]`, weight `[c_out, c_in / groups, kh, kw]` to `[b, c_out, h', w']`.
///
/// # Panics
/// If the channels of `x` and `weight` do not fit.
pub fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    options: ConvOptions<2>,
) -> Tensor<B, 4> {
    let (image, kernel) = (x.dims(), weight.dims());
    assert!(
        kernel[1] * options.groups == image[1] && kernel[0].is_multiple_of(options.groups),
        "conv2d: weight {kernel:?} does not fit images {image:?} in {} groups",
        options.groups
    );
    tensor(B::conv2d_forward(primitive(x), primitive(weight), options))
}

/// Batch normalisation by the statistics of the batch, followed by `activation`:
/// `y = act(weight * (x - mean) / sqrt(var + eps) + bias)`.
///
/// Returns `y`, and outside the graph the mean and the biased variance of each channel.
///
/// # Shapes
/// x `[b, c, positions]`, weight and bias `[c]` to `[b, c, positions]`, `[c]`, `[c]`.
///
/// # Panics
/// If `weight` or `bias` does not have one value for each channel of `x`.
pub fn batch_norm_train<B: Backend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    eps: f64,
    activation: Activation,
) -> (Tensor<B, 3>, Tensor<B, 1>, Tensor<B, 1>) {
    let (dims, scales, shifts) = (x.dims(), weight.dims(), bias.dims());
    assert!(
        scales == [dims[1]] && shifts == [dims[1]],
        "batch_norm_train: weight {scales:?} and bias {shifts:?} do not fit x {dims:?}"
    );
    let output = B::batch_norm_train_forward(
        primitive(x),
        primitive(weight),
        primitive(bias),
        eps,
        activation,
    );
    (tensor(output.y), tensor(output.mean), tensor(output.var))
}

/// Convolution of what batch normalisation by the statistics of the batch, and an activation, make of `x`; with those
/// statistics.
///
/// As [`batch_norm_train`] and [`conv2d`], but the tape keeps `x` alone: the values between them are computed again on
/// the way back, and the kernels of the CPU engines never write most of them.
///
/// # Shapes
/// x `[b, c_in, h, w]`, norm `[c_in]`, weight `[c_out, c_in / groups, kh, kw]` to `[b, c_out, h', w']`.
///
/// # Panics
/// If the channels of `x`, `norm` and `weight` do not fit.
pub fn norm_conv2d_train<B: Backend>(
    x: Tensor<B, 4>,
    norm: Normalization<Tensor<B, 1>>,
    weight: Tensor<B, 4>,
    options: ConvOptions<2>,
) -> (Tensor<B, 4>, Statistics<Tensor<B, 1>>) {
    let (image, kernel) = (x.dims(), weight.dims());
    let scales = [norm.weight.dims(), norm.bias.dims()];
    assert!(
        kernel[1] * options.groups == image[1]
            && kernel[0].is_multiple_of(options.groups)
            && scales == [[image[1]]; 2],
        "norm_conv2d_train: weight {kernel:?} and scales {scales:?} do not fit images {image:?} in {} groups",
        options.groups
    );
    let norm = primitives(norm);
    let output = B::norm_conv2d_forward(primitive(x), norm, primitive(weight), options);
    let (mean, var) = (tensor(output.mean), tensor(output.var));
    (tensor(output.y), Statistics { mean, var })
}

/// `act(norm(x) + shortcut)`, batch normalisation by the statistics of the batch at the end of a residual block; with
/// those statistics.
///
/// # Shapes
/// x and shortcut `[b, c, positions]`, norm `[c]` to `[b, c, positions]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn batch_norm_add_train<B: Backend>(
    x: Tensor<B, 3>,
    norm: Normalization<Tensor<B, 1>>,
    shortcut: Tensor<B, 3>,
) -> (Tensor<B, 3>, Statistics<Tensor<B, 1>>) {
    let dims = x.dims();
    let scales = [norm.weight.dims(), norm.bias.dims()];
    assert!(
        shortcut.dims() == dims && scales == [[dims[1]]; 2],
        "batch_norm_add_train: a shortcut {:?} and scales {scales:?} do not fit x {dims:?}",
        shortcut.dims()
    );
    let output = B::batch_norm_add_forward(primitive(x), primitives(norm), primitive(shortcut));
    let (mean, var) = (tensor(output.mean), tensor(output.var));
    (tensor(output.y), Statistics { mean, var })
}

/// `act(norm(x) + shortcut)` by given statistics.
///
/// # Shapes
/// x and shortcut `[b, c, positions]`, the others `[c]`, to `[b, c, positions]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn batch_norm_add_running<B: Backend>(
    x: Tensor<B, 3>,
    norm: Normalization<Tensor<B, 1>>,
    statistics: Statistics<Tensor<B, 1>>,
    shortcut: Tensor<B, 3>,
) -> Tensor<B, 3> {
    let dims = x.dims();
    assert!(
        shortcut.dims() == dims && fits(&norm, Some(&statistics), dims[1]),
        "batch_norm_add_running: a shortcut {:?} or an operand does not fit x {dims:?}",
        shortcut.dims()
    );
    let statistics = statistics_primitives(statistics);
    let norm = primitives(norm);
    tensor(B::batch_norm_add_running(
        primitive(x),
        norm,
        statistics,
        primitive(shortcut),
    ))
}

/// `pool(act(norm(x)))`, batch normalisation by the statistics of the batch and the max pooling of a ResNet's stem (He et
/// al., 2016): 3x3 windows, two apart, with a border of one; with those statistics.
///
/// The tape keeps `x` alone, and the kernels of the CPU engines never write the map between.
///
/// # Shapes
/// x `[b, c, h, w]`, norm `[c]` to `[b, c, ceil(h / 2), ceil(w / 2)]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn norm_max_pool_train<B: Backend>(
    x: Tensor<B, 4>,
    norm: Normalization<Tensor<B, 1>>,
) -> (Tensor<B, 4>, Statistics<Tensor<B, 1>>) {
    let dims = x.dims();
    assert!(
        fits(&norm, None, dims[1]),
        "norm_max_pool_train: scale or shift does not fit x {dims:?}"
    );
    let output = B::norm_max_pool_forward(primitive(x), primitives(norm));
    let (mean, var) = (tensor(output.mean), tensor(output.var));
    (tensor(output.y), Statistics { mean, var })
}

/// [`norm_max_pool_train`] by given statistics.
///
/// # Panics
/// If the shapes do not fit.
pub fn norm_max_pool_running<B: Backend>(
    x: Tensor<B, 4>,
    norm: Normalization<Tensor<B, 1>>,
    statistics: Statistics<Tensor<B, 1>>,
) -> Tensor<B, 4> {
    let dims = x.dims();
    assert!(
        fits(&norm, Some(&statistics), dims[1]),
        "norm_max_pool_running: an operand does not fit x {dims:?}"
    );
    let statistics = statistics_primitives(statistics);
    tensor(B::norm_max_pool_running(
        primitive(x),
        primitives(norm),
        statistics,
    ))
}

/// Whether there is one value for each channel.
fn fits<B: Backend>(
    norm: &Normalization<Tensor<B, 1>>,
    statistics: Option<&Statistics<Tensor<B, 1>>>,
    channels: usize,
) -> bool {
    let of_norm = [&norm.weight, &norm.bias].into_iter();
    let given = statistics.map(|statistics| [&statistics.mean, &statistics.var]);
    of_norm
        .chain(given.into_iter().flatten())
        .all(|values| values.dims() == [channels])
}

fn statistics_primitives<B: Backend>(
    statistics: Statistics<Tensor<B, 1>>,
) -> Statistics<burn::tensor::ops::FloatTensor<B>> {
    Statistics {
        mean: primitive(statistics.mean),
        var: primitive(statistics.var),
    }
}

fn primitives<B: Backend>(
    norm: Normalization<Tensor<B, 1>>,
) -> Normalization<burn::tensor::ops::FloatTensor<B>> {
    Normalization {
        weight: primitive(norm.weight),
        bias: primitive(norm.bias),
        eps: norm.eps,
        activation: norm.activation,
    }
}

/// The square patches of images by rows and columns, a row `[channel, y, x]` each; pixels that fill no patch are left out.
///
/// # Shapes
/// images `[b, c, h, w]` to `[b (h / side) (w / side), c side side]`.
///
/// # Panics
/// If an image has no patch.
pub fn patches<B: Backend>(images: Tensor<B, 4>, side: usize) -> Tensor<B, 2> {
    let [_, _, height, width] = images.dims();
    assert!(
        side > 0 && height >= side && width >= side,
        "patches: images {:?} have no patch of {side} pixels",
        images.dims()
    );
    tensor(B::patches(primitive(images), side))
}

/// A linear layer, `before(x) weight^T + bias`. Its tape keeps `x`, not what `before` makes of it.
///
/// # Shapes
/// x `[rows, in]`, weight `[out, in]`, bias `[out]`, those of `before` `[in]`, to `[rows, out]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn linear<B: Backend>(
    x: Tensor<B, 2>,
    before: Before<Tensor<B, 1>>,
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 1>>,
) -> Tensor<B, 2> {
    let ([_, inputs], [outputs, weight_inputs]) = (x.dims(), weight.dims());
    let bias_dims = bias.as_ref().map_or([outputs], Tensor::dims);
    let norm_dims = match &before {
        Before::LayerNorm { weight, bias, .. } => [weight.dims(), bias.dims()],
        Before::Nothing | Before::Gelu => [[inputs]; 2],
    };
    assert!(
        inputs == weight_inputs && bias_dims == [outputs] && norm_dims == [[inputs]; 2],
        "linear: weight [{outputs}, {weight_inputs}], bias {bias_dims:?} and normalisation {norm_dims:?} do not fit \
         rows {:?}",
        x.dims()
    );
    tensor(B::linear_forward(
        primitive(x),
        before.map(primitive),
        primitive(weight),
        bias.map(primitive),
    ))
}

/// Rows of given directions and lengths, `length_o direction_o / |direction_o|` (Salimans and Kingma, 2016, eq. 2).
///
/// # Shapes
/// direction `[outputs, inputs]`, length `[outputs, 1]`, to `[outputs, inputs]`.
///
/// # Panics
/// If there is not one length for each row, or a row is empty.
pub fn weight_norm<B: Backend>(direction: Tensor<B, 2>, length: Tensor<B, 2>) -> Tensor<B, 2> {
    let [outputs, inputs] = direction.dims();
    assert!(
        inputs > 0 && length.dims() == [outputs, 1],
        "weight_norm: lengths {:?} are not one for each row of [{outputs}, {inputs}]",
        length.dims()
    );
    tensor(B::weight_norm_forward(
        primitive(direction),
        primitive(length),
    ))
}

/// Self-attention, `softmax(q k^T / sqrt(head_dim)) v` of each head. Scores are made again on the way back.
///
/// # Shapes
/// qkv `[b, tokens, 3 dim]`, its rows packed `[3, heads, head_dim]`, to `[b, tokens, dim]`.
///
/// # Panics
/// If a row is not that of so many heads, or there is no token.
pub fn self_attention<B: Backend>(qkv: Tensor<B, 3>, heads: usize) -> Tensor<B, 3> {
    let [batch, tokens, width] = qkv.dims();
    assert!(
        heads > 0 && tokens > 0 && width > 0 && width.is_multiple_of(3 * heads),
        "self_attention: [{batch}, {tokens}, {width}] is not of {heads} heads"
    );
    let scale = 1.0 / ((width / (3 * heads)) as f64).sqrt();
    tensor(B::attention_forward(primitive(qkv), heads, scale))
}

/// [`Tensor::cat`], whose operands stay on the tape while it runs.
///
/// burn 0.21 lets go of them before it registers the result. A backward pass that ends on another thread just then
/// clears them, and what lies behind them gets no gradient, unless something else holds their tape.
///
/// # Panics
/// As [`Tensor::cat`]: without tensors, or if shapes differ in another dimension than `dim`.
pub fn cat<B: Backend, const D: usize>(tensors: Vec<Tensor<B, D>>, dim: usize) -> Tensor<B, D> {
    let held = tensors.clone();
    let joined = Tensor::cat(tensors, dim);
    drop(held);
    joined
}

/// The cross entropy of each view with the targets of the other views:
/// `losses = -sum_k q_k log softmax(logits / temperature)_k`, where `q` is for a row of the first view the target of
/// the second, for a row of the second that of the first, and for a row of a further view the sum of both.
///
/// The kernels of the CPU engines never copy the logits, but for their gradient.
///
/// # Shapes
/// Rows are view-major. logits `[views b, k]`, targets `[2 b, k]` to `[views b]`.
///
/// # Panics
/// If the rows do not fit two target views and at least two views of one batch, or if targets have a tape.
pub fn cross_view_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 2>,
    temperature: f64,
) -> Tensor<B, 1> {
    let [rows, outputs] = logits.dims();
    let [target_rows, target_outputs] = targets.dims();
    let batch = target_rows / TARGET_VIEWS;
    assert!(
        batch > 0
            && target_rows == TARGET_VIEWS * batch
            && rows.is_multiple_of(batch)
            && rows >= target_rows
            && outputs > 0
            && outputs == target_outputs,
        "cross_view_entropy: views [{rows}, {outputs}] do not fit targets [{target_rows}, {target_outputs}]"
    );
    let output = B::cross_view_forward(primitive(logits), primitive(targets), temperature);
    tensor(output.losses)
}

/// Batch normalisation by given statistics, followed by `activation`:
/// `y = act(weight * (x - mean) / sqrt(var + eps) + bias)`.
///
/// # Shapes
/// x `[b, c, positions]`, the others `[c]`, to `[b, c, positions]`.
///
/// # Panics
/// If an operand does not have one value for each channel of `x`.
pub fn batch_norm_running<B: Backend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    statistics: Statistics<Tensor<B, 1>>,
    eps: f64,
    activation: Activation,
) -> Tensor<B, 3> {
    let dims = x.dims();
    for operand in [&weight, &bias, &statistics.mean, &statistics.var] {
        let got = operand.dims();
        assert!(
            got == [dims[1]],
            "batch_norm_running: an operand of {got:?} does not fit x {dims:?}"
        );
    }
    tensor(B::batch_norm_running(
        primitive(x),
        primitive(weight),
        primitive(bias),
        primitive(statistics.mean),
        primitive(statistics.var),
        eps,
        activation,
    ))
}
