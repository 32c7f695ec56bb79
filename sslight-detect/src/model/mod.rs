//! The network: backbone, pyramid, proposals and heads, generic over the backend.

mod detector;
mod heads;
mod inference;
mod layers;
mod layout;
mod learning;
mod proposals;
mod pyramid;
mod regions;

pub use detector::{DetectorError, MaskRcnn, MaskRcnnConfig};
pub use heads::MASK_SIDE;
pub use inference::{DetectedObject, DetectionLimits};
pub use layout::{Layout, NoStages, ProposalLimits};
pub use learning::{DetectionLosses, NoMasks, ObjectMasks, TrainingImage};
pub use proposals::{ImageSize, Proposal};
