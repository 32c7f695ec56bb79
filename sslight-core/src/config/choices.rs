//! The closed vocabularies of a configuration: every key whose value is one of a few words.

/// Declares a vocabulary: an enum whose variants are the words users write, in files, on the command
/// line and in `list`. One definition gives the names to serde, `Display`, `FromStr` and `all()`.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident => $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The words users write, in the order of [`Self::all`].
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// Every member, in the order in which lists show them.
            pub fn all() -> &'static [Self] {
                &[$(Self::$variant),+]
            }

            /// The word users write for this member.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = super::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::all()
                    .iter()
                    .copied()
                    .find(|member| member.word() == word)
                    .ok_or_else(|| super::UnknownWord::new(word, Self::WORDS))
            }
        }
    };
}

vocabulary! {
    /// What is learned, and from what signal.
    Method {
        /// Self-distillation with a momentum teacher (Caron et al., 2021).
        Dino => "dino",
        /// Swapped prediction of cluster codes (Caron et al., 2020).
        Swav => "swav",
        /// Contrast against a queue of momentum keys (Chen et al., 2020).
        Moco => "moco",
        /// Contrast between the views of a batch (Chen et al., 2020), two global views.
        Simclr => "simclr",
        /// Cross-entropy on labels: the control, not a self-supervised method.
        Supervised => "supervised",
    }
}

vocabulary! {
    /// How views are drawn and weighted: the paper's question.
    Recipe {
        /// The methods' published multi-crop settings.
        Baseline => "baseline",
        /// The paper's setting for small networks: crop scales, local size and loss weights.
        Sslight => "sslight",
    }
}

vocabulary! {
    /// The network whose features are wanted.
    Backbone {
        /// MobileNetV2, width 1.0: 2.2 M parameters, 1280 features.
        MobilenetV2 => "mobilenet_v2",
        /// ResNet-18: 11.2 M parameters, 512 features.
        Resnet18 => "resnet18",
        /// ResNet-34: 21.3 M parameters, 512 features.
        Resnet34 => "resnet34",
        /// ResNet-50: 23.5 M parameters, 2048 features.
        Resnet50 => "resnet50",
        /// ViT-Ti with 16-pixel patches: 5.5 M parameters, 192 features.
        VitTiny16 => "vit_tiny_16",
        /// ViT-Ti with 32-pixel patches: 5.9 M parameters, 192 features.
        VitTiny32 => "vit_tiny_32",
        /// ViT-S with 16-pixel patches: 21.7 M parameters, 384 features.
        VitSmall16 => "vit_small_16",
    }
}

vocabulary! {
    /// The engine that computes.
    BackendChoice {
        /// The best that this build and this machine have: cuda, then wgpu, then flex.
        Auto => "auto",
        /// burn's fast CPU engine.
        Flex => "flex",
        /// burn's plain CPU engine, slower, for cross-checks.
        Ndarray => "ndarray",
        /// Vulkan, Metal, DirectX 12 or WebGPU (cargo feature `wgpu`).
        Wgpu => "wgpu",
        /// NVIDIA CUDA (cargo feature `cuda`).
        Cuda => "cuda",
    }
}

vocabulary! {
    /// The optimizer.
    OptimizerKind {
        /// Layer-wise adaptive SGD (You et al., 2017): the convolutional networks of the paper.
        Lars => "lars",
        /// Adam with decoupled weight decay: the vision transformers of the paper.
        Adamw => "adamw",
        /// SGD with momentum.
        Sgd => "sgd",
    }
}

vocabulary! {
    /// The learning rate after the warm-up.
    ScheduleKind {
        /// Half a cosine from the peak to `optim.min_lr`.
        Cosine => "cosine",
        /// A tenth at every epoch of `optim.milestones`.
        Multistep => "multistep",
    }
}

vocabulary! {
    /// Where the neighbours of kNN evaluation come from.
    KnnProtocol {
        /// Training images are the bank, validation images the queries.
        Bank => "bank",
        /// The validation images are both, each query leaving itself out: the protocol of the paper's code.
        LeaveOneOut => "leave_one_out",
    }
}

vocabulary! {
    /// How images are resized in evaluation.
    Interpolation {
        /// As views are, and as the paper evaluates.
        Bicubic => "bicubic",
        /// As torchvision evaluates its own weights.
        Bilinear => "bilinear",
    }
}

vocabulary! {
    /// What is kept in memory of images that were read.
    Cache {
        /// Nothing: each use reads and decodes.
        Nothing => "none",
        /// The bytes of image files, which spares reading.
        Bytes => "bytes",
        /// Pixels, which spares decoding too and takes several times as much.
        Pixels => "pixels",
    }
}

impl From<Cache> for sslight_data::Keep {
    fn from(cache: Cache) -> Self {
        match cache {
            Cache::Nothing => Self::Nothing,
            Cache::Bytes => Self::Bytes,
            Cache::Pixels => Self::Pixels,
        }
    }
}

impl From<Interpolation> for sslight_data::Interpolation {
    fn from(interpolation: Interpolation) -> Self {
        match interpolation {
            Interpolation::Bicubic => Self::Bicubic,
            Interpolation::Bilinear => Self::Bilinear,
        }
    }
}

vocabulary! {
    /// What a run does when its features collapse.
    OnCollapse {
        /// Say so and go on.
        Warn => "warn",
        /// Save a checkpoint and end the run.
        Stop => "stop",
    }
}

vocabulary! {
    /// How often a schedule of an evaluation sets the learning rate.
    LrUpdate {
        /// At the first step of each epoch, as the paper's code does.
        Epoch => "epoch",
        /// At every step.
        Step => "step",
    }
}

vocabulary! {
    /// What stands between backbone and classes in fine-tuning.
    FinetuneHead {
        /// The first layers of DINO's head where the weights have them, else a linear classifier.
        Auto => "auto",
        /// One linear layer.
        Linear => "linear",
        /// The first two layers of DINO's head, then a linear layer: the paper's semi-supervised setting.
        Dino => "dino",
    }
}

/// The two families of backbones that the paper trains with different settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Convolutional networks.
    Cnn,
    /// Vision transformers.
    Vit,
}

impl Method {
    /// What it does, in a few words for lists.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Dino => "self-distillation with a momentum teacher",
            Self::Swav => "swapped prediction of cluster codes",
            Self::Moco => "contrast against a queue of momentum keys",
            Self::Simclr => "contrast between the images of a batch",
            Self::Supervised => "cross-entropy on labels, the control",
        }
    }
}

impl Method {
    /// Whether local views enter its loss.
    pub fn looks_at_locals(self) -> bool {
        !matches!(self, Self::Supervised | Self::Simclr)
    }

    /// What may help when it collapses: the remedies that its authors and users report.
    pub fn against_collapse(self) -> &'static str {
        match self {
            Self::Dino => {
                "lower optim.base_lr or dino.teacher_temp, or raise dino.ema_momentum; dino.center_momentum below 1 \
                 is needed"
            }
            Self::Swav => {
                "lower optim.base_lr or swav.epsilon (0.03), raise swav.freeze_prototypes_epochs, or shorten \
                 swav.queue_length"
            }
            Self::Moco => "lower optim.base_lr, or raise moco.queue_length or moco.ema_momentum",
            Self::Simclr => "lower optim.base_lr or simclr.temperature, or raise batch_size",
            Self::Supervised => "lower optim.base_lr",
        }
    }
}

impl Backbone {
    /// The family whose defaults this backbone takes.
    pub fn family(self) -> Family {
        if self.patch_size().is_some() {
            Family::Vit
        } else {
            Family::Cnn
        }
    }

    /// Side of a patch in pixels, for vision transformers.
    pub fn patch_size(self) -> Option<usize> {
        match self {
            Self::VitTiny16 | Self::VitSmall16 => Some(16),
            Self::VitTiny32 => Some(32),
            Self::MobilenetV2 | Self::Resnet18 | Self::Resnet34 | Self::Resnet50 => None,
        }
    }
}
