//! The messages of an event file in the wire format of Protocol Buffers, as far as they are written here. Numbers of fields
//! are those of TensorFlow's `event.proto`, `summary.proto` and `tensor.proto`.

/// Wire types.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// The first record of a file.
    Version,
    /// Steps from this one on are taken again: those that were read before are to be dropped.
    Restart,
    /// A tag and its value.
    Scalar(String, f32),
    /// A tag and a text, in Markdown.
    Text(String, String),
}

/// An event at a time, in seconds since 1970, and a step.
pub(super) fn event(wall_time: f64, step: u64, content: &Content) -> Vec<u8> {
    let mut event = Message::default();
    event.fixed_64(1, wall_time.to_bits());
    if step > 0 {
        event.int(2, step);
    }
    match content {
        Content::Version => event.bytes(3, b"brain.Event:2"),
        Content::Restart => {
            let mut log = Message::default();
            // SessionLog.status = START
            log.int(1, 1);
            event.bytes(7, &log.0)
        }
        Content::Scalar(tag, value) => {
            let mut scalar = Message::default();
            scalar.bytes(1, tag.as_bytes());
            scalar.fixed_32(2, value.to_bits());
            event.bytes(5, &in_message(1, scalar))
        }
        Content::Text(tag, text) => event.bytes(5, &in_message(1, text_value(tag, text))),
    }
    event.0
}

/// A tensor of one string that belongs to the plugin `text`.
fn text_value(tag: &str, text: &str) -> Message {
    let mut metadata = Message::default();
    metadata.bytes(1, &in_message(1, "text"));
    // data_class = DATA_CLASS_TENSOR
    metadata.int(4, 2);
    let mut tensor = Message::default();
    // dtype = DT_STRING, tensor_shape of no dimensions
    tensor.int(1, 7);
    tensor.bytes(2, b"");
    tensor.bytes(8, text.as_bytes());
    let mut value = Message::default();
    value.bytes(1, tag.as_bytes());
    value.bytes(8, &tensor.0);
    value.bytes(9, &metadata.0);
    value
}

/// A message with nothing but one field of bytes.
fn in_message(field: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut message = Message::default();
    message.bytes(field, content.as_ref());
    message.0
}

/// A message that is being written.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Message {
    fn int(&mut self, field: u64, value: u64) {
        self.varint(field << 3 | VARINT);
        self.varint(value);
    }

    fn fixed_64(&mut self, field: u64, bits: u64) {
        self.varint(field << 3 | FIXED_64);
        self.0.extend(bits.to_le_bytes());
    }

    fn fixed_32(&mut self, field: u64, bits: u32) {
        self.varint(field << 3 | FIXED_32);
        self.0.extend(bits.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | DELIMITED);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
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
