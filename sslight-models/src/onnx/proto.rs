//! The wire format of Protocol Buffers, as far as an ONNX file needs it: writing.
//!
//! A message is a sequence of fields, each a key (number and wire type) and a value: a varint, or a length and bytes.

/// Wire type of integers.
const VARINT: u64 = 0;
/// Wire type of texts, bytes and messages.
const DELIMITED: u64 = 2;
/// Wire type of 32-bit floats.
const FIXED_32: u64 = 5;

/// A message that is being written.
#[derive(Debug, Default, Clone)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A field with an integer; negative ones take ten bytes, as the format has it.
    pub(super) fn int(&mut self, field: u64, value: i64) -> &mut Self {
        self.key(field, VARINT);
        self.varint(value as u64);
        self
    }

    /// A field with a 32-bit float.
    pub(super) fn float(&mut self, field: u64, value: f32) -> &mut Self {
        self.key(field, FIXED_32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A field with bytes.
    pub(super) fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Self {
        self.key(field, DELIMITED);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// A field with a text.
    pub(super) fn text(&mut self, field: u64, text: &str) -> &mut Self {
        self.bytes(field, text.as_bytes())
    }

    /// A field with another message.
    pub(super) fn message(&mut self, field: u64, message: &Self) -> &mut Self {
        self.bytes(field, &message.0)
    }

    /// A field with floats as raw little-endian bytes, without a copy of them all.
    pub(super) fn raw_floats(&mut self, field: u64, values: &[f32]) -> &mut Self {
        self.key(field, DELIMITED);
        self.varint(4 * values.len() as u64);
        self.0
            .extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    /// What was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's documentation.
    #[test]
    fn fields_have_the_bytes_of_the_documentation() {
        let mut message = Message::default();
        message.int(1, 150);
        assert_eq!(message.clone().into_bytes(), [0x08, 0x96, 0x01]);
        let mut text = Message::default();
        text.text(2, "testing");
        let expected = [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67];
        assert_eq!(text.into_bytes(), expected);
        let mut outer = Message::default();
        outer.message(3, &message);
        assert_eq!(outer.into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
    }

    #[test]
    fn negative_integers_take_ten_bytes_and_floats_four() {
        let mut message = Message::default();
        message.int(1, -2).float(2, 1.0);
        let mut expected = vec![0x08, 0xfe];
        expected.extend([0xff; 8]);
        expected.extend([0x01, 0x15, 0, 0, 0x80, 0x3f]);
        assert_eq!(message.into_bytes(), expected);
    }
}
