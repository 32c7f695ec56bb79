//! Bytes to instructions.

use super::PickleError;

/// An instruction with its operand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Op<'a> {
    /// Protocol and frames, which only announce.
    Announce,
    Stop,
    Mark,
    Pop,
    PopMark,
    Dup,
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    EmptyList,
    Append,
    Appends,
    List,
    EmptyTuple,
    Tuple,
    /// A tuple of the last one to three objects.
    TupleOf(usize),
    EmptyDict,
    Dict,
    SetItem,
    SetItems,
    EmptySet,
    AddItems,
    FrozenSet,
    Put(u32),
    Get(u32),
    Memoize,
    Global {
        module: &'a str,
        name: &'a str,
    },
    StackGlobal,
    Reduce,
    Build,
    NewObj,
    PersistentId,
}

/// The instructions of a pickle, one after the other.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Start of the instruction that is being read.
    start: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            start: 0,
        }
    }

    /// Start of the instruction read last.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// End of the instruction read last.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    /// The next instruction.
    pub(super) fn next(&mut self) -> Result<Op<'a>, PickleError> {
        self.start = self.at;
        let [opcode] = self.array()?;
        Ok(match opcode {
            0x80 => self.announce(1)?,
            0x95 => self.announce(8)?,
            b'.' => Op::Stop,
            b'(' => Op::Mark,
            b'0' => Op::Pop,
            b'1' => Op::PopMark,
            b'2' => Op::Dup,
            b'N' => Op::None,
            0x88 => Op::Bool(true),
            0x89 => Op::Bool(false),
            b'J' => Op::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Op::Int(u8::from_le_bytes(self.array()?).into()),
            b'M' => Op::Int(u16::from_le_bytes(self.array()?).into()),
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'G' => Op::Float(f64::from_be_bytes(self.array()?)),
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            // Python 2's byte strings, which are text where they can be.
            b'U' => self.text_or_bytes(1)?,
            b'T' => self.text_or_bytes(4)?,
            b'C' => Op::Bytes(self.counted(1)?),
            b'B' => Op::Bytes(self.counted(4)?),
            0x8e | 0x96 => Op::Bytes(self.counted(8)?),
            b']' => Op::EmptyList,
            b'a' => Op::Append,
            b'e' => Op::Appends,
            b'l' => Op::List,
            b')' => Op::EmptyTuple,
            b't' => Op::Tuple,
            0x85 => Op::TupleOf(1),
            0x86 => Op::TupleOf(2),
            0x87 => Op::TupleOf(3),
            b'}' => Op::EmptyDict,
            b'd' => Op::Dict,
            b's' => Op::SetItem,
            b'u' => Op::SetItems,
            0x8f => Op::EmptySet,
            0x90 => Op::AddItems,
            0x91 => Op::FrozenSet,
            b'q' => Op::Put(u8::from_le_bytes(self.array()?).into()),
            b'r' => Op::Put(u32::from_le_bytes(self.array()?)),
            b'h' => Op::Get(u8::from_le_bytes(self.array()?).into()),
            b'j' => Op::Get(u32::from_le_bytes(self.array()?)),
            0x94 => Op::Memoize,
            b'c' => Op::Global {
                module: self.line()?,
                name: self.line()?,
            },
            0x93 => Op::StackGlobal,
            b'R' => Op::Reduce,
            b'b' => Op::Build,
            0x81 => Op::NewObj,
            b'Q' => Op::PersistentId,
            opcode => {
                return Err(PickleError::Opcode {
                    at: self.start,
                    opcode,
                });
            }
        })
    }

    fn announce(&mut self, length: usize) -> Result<Op<'a>, PickleError> {
        self.take(length)?;
        Ok(Op::Announce)
    }

    fn truncated(&self) -> PickleError {
        PickleError::Truncated { at: self.start }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or_else(|| self.truncated())?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| self.truncated())
    }

    /// Bytes after their own number, which takes `width` bytes.
    fn counted(&mut self, width: usize) -> Result<&'a [u8], PickleError> {
        let mut length = [0; 8];
        length[..width].copy_from_slice(self.take(width)?);
        let length = usize::try_from(u64::from_le_bytes(length)).map_err(|_| self.truncated())?;
        self.take(length)
    }

    fn text(&mut self, width: usize) -> Result<Op<'a>, PickleError> {
        let bytes = self.counted(width)?;
        Ok(Op::Text(self.utf8(bytes)?))
    }

    fn text_or_bytes(&mut self, width: usize) -> Result<Op<'a>, PickleError> {
        let bytes = self.counted(width)?;
        Ok(std::str::from_utf8(bytes).map_or(Op::Bytes(bytes), Op::Text))
    }

    fn utf8(&self, bytes: &'a [u8]) -> Result<&'a str, PickleError> {
        std::str::from_utf8(bytes).map_err(|_| PickleError::Text { at: self.start })
    }

    /// An integer of any length, little-endian, in two's complement.
    fn long(&mut self, width: usize) -> Result<Op<'a>, PickleError> {
        let bytes = self.counted(width)?;
        let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        let places = wide.get_mut(..bytes.len());
        places
            .ok_or(PickleError::Operand {
                at: self.start,
                what: "an integer",
                expected: "at most 128 bits",
            })?
            .copy_from_slice(bytes);
        Ok(Op::Int(i128::from_le_bytes(wide)))
    }

    fn line(&mut self) -> Result<&'a str, PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(length.ok_or_else(|| self.truncated())?)?;
        self.take(1)?;
        self.utf8(line)
    }
}
