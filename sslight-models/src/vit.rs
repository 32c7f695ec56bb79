//! Vision transformers ViT-Ti and ViT-S (Dosovitskiy et al., 2021; Touvron et al., 2021), pre-norm, without
//! classifier; the feature vector is the class token's row after the final normalisation.
//!
//! Names are timm's: `cls_token`, `pos_embed`, `patch_embed.proj`,
//! `blocks.I.{norm1,attn.qkv,attn.proj,norm2,mlp.fc1,mlp.fc2}`, `norm`.
//!
//! | variant | patch | dim | heads | parameters |
//! |---|---|---|---|---|
//! | ViT-Ti/16 | 16 | 192 | 3 | 5,524,416 |
//! | ViT-Ti/32 | 32 | 192 | 3 | 5,938,560 |
//! | ViT-S/16 | 16 | 384 | 6 | 21,665,664 |
//!
//! All have 12 blocks and an MLP four times as wide as `dim`. An image of any size from one patch on is taken:
//! pixels that fill no patch are cut off, and the positional embeddings, which are made for 224 pixels, are
//! [resized](crate::nn::pos_embed::resize).

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use sslight_kernels::cat;

use crate::backend::Backend;
use crate::nn::drop_path::{BlockDropPath, Branch};
use crate::nn::{
    LayerNorm, Linear, ParamInit, PatchProjection, attention_weights, pos_embed, self_attention,
};
use crate::pass::Pass;

/// Number of blocks of every vision transformer here.
pub const DEPTH: usize = 12;
/// Width of the hidden layer of a block's MLP for each number of a token.
pub(crate) const MLP_RATIO: usize = 4;
/// The image size that the positional embeddings are made for.
const NATIVE_PX: usize = 224;
/// Patches along each side of the native grid with `small_input`.
const SMALL_GRID: usize = 8;
/// How much smaller a patch is with `small_input`.
const SMALL_PATCH_DIVISOR: usize = 4;
/// Standard deviation of the initial linear weights, class token and positional embeddings. The reference
/// truncates at +-2, which is 100 standard deviations and never happens.
const INIT_STD: f64 = 0.02;

/// A row of the table of variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VitVariant {
    /// Length of a token.
    pub dim: usize,
    /// Attention heads.
    pub heads: usize,
    /// Side of a patch in pixels.
    pub patch_px: usize,
}

impl VitVariant {
    /// ViT-Ti/16.
    pub const TINY16: Self = Self::row(192, 3, 16);
    /// ViT-Ti/32.
    pub const TINY32: Self = Self::row(192, 3, 32);
    /// ViT-S/16.
    pub const SMALL16: Self = Self::row(384, 6, 16);

    const fn row(dim: usize, heads: usize, patch_px: usize) -> Self {
        Self {
            dim,
            heads,
            patch_px,
        }
    }
}

/// What a [`Vit`] is made from.
#[derive(Debug, Clone)]
pub struct VitConfig {
    /// Sizes.
    pub variant: VitVariant,
    /// For images of 64 pixels and less: patches of 4 pixels instead of 16, 8 instead of 32, and positional
    /// embeddings for a grid of 8 by 8 patches, which is 32 and 64 pixels. `pos_embed` and
    /// `patch_embed.proj.weight` change their shapes.
    pub small_input: bool,
}

impl VitConfig {
    /// Side of a patch in pixels.
    pub fn patch_px(&self) -> usize {
        if self.small_input {
            self.variant.patch_px / SMALL_PATCH_DIVISOR
        } else {
            self.variant.patch_px
        }
    }

    /// Patches along each side of the image that the positional embeddings are made for.
    pub fn grid(&self) -> usize {
        if self.small_input {
            SMALL_GRID
        } else {
            NATIVE_PX / self.patch_px()
        }
    }

    /// A network with the reference's initialisation: linear weights, class token and positional embeddings
    /// N(0, .02), biases 0, layer normalisation 1 and 0, the patch projection as PyTorch's convolutions.
    pub fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> Vit<B> {
        let VitVariant { dim, heads, .. } = self.variant;
        let grid = self.grid();
        Vit {
            cls_token: init.normal([1, 1, dim], INIT_STD),
            pos_embed: init.normal([1, grid * grid + 1, dim], INIT_STD),
            patch_embed: PatchEmbed {
                proj: PatchProjection::uniform(init, 3, dim, self.patch_px()),
            },
            blocks: (0..DEPTH).map(|_| Block::new(init, dim, heads)).collect(),
            norm: LayerNorm::new(init, dim),
        }
    }
}

/// A vision transformer up to its class token.
///
/// Should be created with [`VitConfig`].
#[derive(Module, Debug)]
pub struct Vit<B: Backend> {
    cls_token: Param<Tensor<B, 3>>,
    pos_embed: Param<Tensor<B, 3>>,
    patch_embed: PatchEmbed<B>,
    blocks: Vec<Block<B>>,
    norm: LayerNorm<B>,
}

impl<B: Backend> Vit<B> {
    /// Length of a feature vector.
    pub fn features_dim(&self) -> usize {
        self.cls_token.dims()[2]
    }

    /// # Shapes
    /// `[b, 3, h, w]` to `[b, dim]`.
    pub fn forward(&self, images: Tensor<B, 4>, pass: Pass<'_>) -> Tensor<B, 2> {
        self.cls_of_last_blocks(images, 1, pass)
    }

    /// The class token's rows after each of the last `blocks` blocks and the final normalisation, the earliest
    /// block first: the features of linear evaluation, where the reference takes four.
    ///
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, blocks * dim]`.
    ///
    /// # Panics
    /// If the network has fewer blocks, or for none.
    pub fn cls_of_last_blocks(
        &self,
        images: Tensor<B, 4>,
        blocks: usize,
        pass: Pass<'_>,
    ) -> Tensor<B, 2> {
        let depth = self.blocks.len();
        assert!(
            (1..=depth).contains(&blocks),
            "Vit::cls_of_last_blocks: {blocks} of {depth} blocks"
        );
        let mut x = self.tokens(images);
        let mut rows = Vec::with_capacity(blocks);
        for (index, block) in self.blocks.iter().enumerate() {
            let drop_path = pass.drop_path.and_then(|path| path.of_block(index, depth));
            x = block.forward(x, drop_path);
            if index + blocks >= depth {
                // Normalisation acts on each token by itself, so that the class token's row is enough.
                let row = x.clone().narrow(1, 0, 1).squeeze_dim(1);
                rows.push(self.norm.forward(row));
            }
        }
        cat(rows, 1)
    }

    /// What each token of the last block looks at, in evaluation: row 0 is the class token's attention, whose first
    /// column is the class token itself and whose others are the patches, row by row.
    ///
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, heads, n + 1, n + 1]`; the last dimension sums to 1.
    pub fn attention_of_last_block(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        let (x, last) = self.before_last_block(images);
        attention_weights(last.attn.packed(x, &last.norm1), last.attn.heads)
    }

    /// The tokens that come to the last block, and the block.
    ///
    /// # Panics
    /// Without blocks, which no [`VitConfig`] makes.
    fn before_last_block(&self, images: Tensor<B, 4>) -> (Tensor<B, 3>, &Block<B>) {
        let mut x = self.tokens(images);
        for block in &self.blocks[..self.blocks.len() - 1] {
            x = block.forward(x, None);
        }
        (x, &self.blocks[self.blocks.len() - 1])
    }

    /// Class token and projected patches with their positions: `[b, 3, h, w]` to `[b, n + 1, dim]`.
    fn tokens(&self, images: Tensor<B, 4>) -> Tensor<B, 3> {
        let [batch, _, height, width] = images.dims();
        let grid = self.patch_embed.proj.grid(height, width);
        let patches = self.patch_embed.proj.forward(images);
        let class_token = self.cls_token.val().expand([batch, 1, self.features_dim()]);
        let tokens = cat(vec![class_token, patches], 1);
        tokens + pos_embed::resize(self.pos_embed.val(), grid)
    }
}

/// A level of names only: timm keeps the projection in a module `patch_embed`.
#[derive(Module, Debug)]
struct PatchEmbed<B: Backend> {
    proj: PatchProjection<B>,
}

/// Attention and MLP, each behind a normalisation and beside a shortcut.
#[derive(Module, Debug)]
struct Block<B: Backend> {
    norm1: LayerNorm<B>,
    attn: SelfAttention<B>,
    norm2: LayerNorm<B>,
    mlp: Mlp<B>,
}

impl<B: Backend> Block<B> {
    fn new(init: &mut ParamInit<B>, dim: usize, heads: usize) -> Self {
        Self {
            norm1: LayerNorm::new(init, dim),
            attn: SelfAttention::new(init, dim, heads),
            norm2: LayerNorm::new(init, dim),
            mlp: Mlp::new(init, dim),
        }
    }

    fn forward(&self, x: Tensor<B, 3>, drop_path: Option<BlockDropPath<'_>>) -> Tensor<B, 3> {
        let drop = |y, branch| match drop_path {
            Some(path) => path.apply(y, branch),
            None => y,
        };
        let y = self.attn.forward(x.clone(), &self.norm1);
        let x = x + drop(y, Branch::Attention);
        let y = self.mlp.forward(x.clone(), &self.norm2);
        x + drop(y, Branch::Mlp)
    }
}

/// Multi-head self-attention with biases.
#[derive(Module, Debug)]
struct SelfAttention<B: Backend> {
    /// Queries, keys and values in one layer; its rows are packed `[3, heads, head_dim]`.
    qkv: Linear<B>,
    proj: Linear<B>,
    heads: usize,
}

impl<B: Backend> SelfAttention<B> {
    fn new(init: &mut ParamInit<B>, dim: usize, heads: usize) -> Self {
        Self {
            qkv: Linear::normal(init, dim, 3 * dim, INIT_STD),
            proj: Linear::normal(init, dim, dim, INIT_STD),
            heads,
        }
    }

    /// Of the rows that `norm` makes of `x`.
    fn forward(&self, x: Tensor<B, 3>, norm: &LayerNorm<B>) -> Tensor<B, 3> {
        let qkv = self.packed(x, norm);
        self.proj.forward(self_attention(qkv, self.heads))
    }

    /// Queries, keys and values of the rows that `norm` makes of `x`.
    fn packed(&self, x: Tensor<B, 3>, norm: &LayerNorm<B>) -> Tensor<B, 3> {
        self.qkv.forward_normalized(x, norm)
    }
}

#[derive(Module, Debug)]
struct Mlp<B: Backend> {
    fc1: Linear<B>,
    fc2: Linear<B>,
}

impl<B: Backend> Mlp<B> {
    fn new(init: &mut ParamInit<B>, dim: usize) -> Self {
        Self {
            fc1: Linear::normal(init, dim, MLP_RATIO * dim, INIT_STD),
            fc2: Linear::normal(init, MLP_RATIO * dim, dim, INIT_STD),
        }
    }

    /// Of the rows that `norm` makes of `x`.
    fn forward(&self, x: Tensor<B, 3>, norm: &LayerNorm<B>) -> Tensor<B, 3> {
        self.fc2.forward_gelu(self.fc1.forward_normalized(x, norm))
    }
}

#[cfg(test)]
mod tests;
