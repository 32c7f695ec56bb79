//! What can be wrong with a pickle.

use thiserror::Error;

/// Why a pickle could not be read; `at` counts bytes from its start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PickleError {
    /// The data end too early.
    #[error("byte {at}: the objects end in the middle; the file is cut off, get it again")]
    Truncated {
        /// Start of the instruction.
        at: usize,
    },
    /// An instruction of another protocol, or no instruction at all.
    #[error(
        "byte {at}: {opcode:#04x} is no instruction of pickle protocols 2 to 5; the file is damaged or was not \
         written by PyTorch"
    )]
    Opcode {
        /// Where it stands.
        at: usize,
        /// The byte.
        opcode: u8,
    },
    /// Text that is not UTF-8.
    #[error("byte {at}: text that is not UTF-8; the file is damaged, get it again")]
    Text {
        /// Start of the instruction.
        at: usize,
    },
    /// A class or function that is not on the list.
    #[error(
        "byte {at}: {module}.{name} is none of the classes and functions that weights need, and is not loaded; save \
         the model's state_dict() alone with torch.save and give that file"
    )]
    UnknownClass {
        /// Start of the instruction.
        at: usize,
        /// Its Python module.
        module: String,
        /// Its name there.
        name: String,
    },
    /// An instruction or a known class that is given something else than it takes.
    #[error("byte {at}: {what} is not given {expected}; the file is damaged or of a newer PyTorch")]
    Operand {
        /// Start of the instruction.
        at: usize,
        /// The instruction or class.
        what: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// A reference to an object that was not made.
    #[error(
        "byte {at}: object {index} is used before it is made; the file is damaged, get it again"
    )]
    Memo {
        /// Start of the instruction.
        at: usize,
        /// The number of the object.
        index: u32,
    },
    /// More instructions than any file of weights has.
    #[error(
        "more than {limit} instructions; no file of weights has so many, and it is not read further"
    )]
    TooLong {
        /// The most that are carried out.
        limit: usize,
    },
}
