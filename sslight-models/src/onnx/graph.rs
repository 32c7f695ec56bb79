//! A graph of ONNX operators, and the file that it becomes.
//!
//! Field numbers and types are those of `onnx.proto`.

use std::collections::BTreeMap;

use super::proto::Message;

/// Version of the file format, of ONNX 1.12, the first with [`OPSET`].
const IR_VERSION: i64 = 8;
/// Version of the operators; the first with `LayerNormalization`.
pub const OPSET: i64 = 17;
/// `TensorProto.DataType` of the values here.
const FLOAT: i64 = 1;
const INT64: i64 = 7;
/// The free dimension.
const BATCH: &str = "batch";

/// Operators in an order in which each follows what it reads, and their constants.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    constants: Vec<Constant>,
}

/// An operator with one output, which has the name of the node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) operator: &'static str,
    pub(super) name: String,
    pub(super) inputs: Vec<String>,
    pub(super) attributes: Vec<(&'static str, Attribute)>,
}

/// A setting of an operator.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attribute {
    Int(i64),
    Float(f32),
    Ints(Vec<i64>),
}

#[derive(Debug)]
struct Constant {
    name: String,
    shape: Vec<usize>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}

impl Graph {
    /// Adds an operator; the name of its output.
    pub(super) fn node(
        &mut self,
        operator: &'static str,
        name: impl Into<String>,
        inputs: &[&str],
        attributes: Vec<(&'static str, Attribute)>,
    ) -> String {
        let name = name.into();
        self.nodes.push(Node {
            operator,
            name: name.clone(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
            attributes,
        });
        name
    }

    /// Adds a constant, or finds the one of this name; its name.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: Vec<f32>) -> String {
        self.constant(name, shape, Values::Floats(values))
    }

    /// Adds a list of integers, or finds the one of this name; its name.
    pub(super) fn ints(&mut self, name: &str, values: &[i64]) -> String {
        self.constant(name, &[values.len()], Values::Ints(values.to_vec()))
    }

    /// Adds a single integer, or finds the one of this name; its name.
    pub(super) fn int(&mut self, name: &str, value: i64) -> String {
        self.constant(name, &[], Values::Ints(vec![value]))
    }

    fn constant(&mut self, name: &str, shape: &[usize], values: Values) -> String {
        if !self.constants.iter().any(|constant| constant.name == name) {
            self.constants.push(Constant {
                name: name.to_string(),
                shape: shape.to_vec(),
                values,
            });
        }
        name.to_string()
    }

    #[cfg(test)]
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    #[cfg(test)]
    pub(super) fn constant_names(&self) -> impl Iterator<Item = &str> {
        self.constants.iter().map(|constant| constant.name.as_str())
    }

    /// The file of a model that maps `input` `[batch, ..]` to `output` `[batch, ..]`.
    pub(super) fn into_model(
        self,
        input: (&str, &[usize]),
        output: (&str, &[usize]),
        metadata: &BTreeMap<String, String>,
    ) -> Vec<u8> {
        let mut graph = Message::default();
        for node in &self.nodes {
            graph.message(1, &node.encode());
        }
        graph.text(2, "backbone");
        for constant in &self.constants {
            graph.message(5, &constant.encode());
        }
        graph.message(11, &value_info(input));
        graph.message(12, &value_info(output));

        let mut model = Message::default();
        model
            .int(1, IR_VERSION)
            .text(2, "sslight")
            .text(3, env!("CARGO_PKG_VERSION"))
            .message(7, &graph);
        let mut opset = Message::default();
        opset.text(1, "").int(2, OPSET);
        model.message(8, &opset);
        for (key, value) in metadata {
            let mut entry = Message::default();
            entry.text(1, key).text(2, value);
            model.message(14, &entry);
        }
        model.into_bytes()
    }
}

impl Node {
    fn encode(&self) -> Message {
        let mut node = Message::default();
        for input in &self.inputs {
            node.text(1, input);
        }
        node.text(2, &self.name)
            .text(3, &self.name)
            .text(4, self.operator);
        for (name, attribute) in &self.attributes {
            node.message(5, &attribute.encode(name));
        }
        node
    }
}

impl Attribute {
    fn encode(&self, name: &str) -> Message {
        let mut attribute = Message::default();
        attribute.text(1, name);
        let kind = match self {
            Self::Float(value) => {
                attribute.float(2, *value);
                1
            }
            Self::Int(value) => {
                attribute.int(3, *value);
                2
            }
            Self::Ints(values) => {
                for value in values {
                    attribute.int(8, *value);
                }
                7
            }
        };
        attribute.int(20, kind);
        attribute
    }
}

impl Constant {
    fn encode(&self) -> Message {
        let mut tensor = Message::default();
        for side in &self.shape {
            tensor.int(1, *side as i64);
        }
        tensor.int(
            2,
            match self.values {
                Values::Floats(_) => FLOAT,
                Values::Ints(_) => INT64,
            },
        );
        tensor.text(8, &self.name);
        match &self.values {
            Values::Floats(values) => tensor.raw_floats(9, values),
            Values::Ints(values) => {
                let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                tensor.bytes(9, &bytes)
            }
        };
        tensor
    }
}

/// A tensor of floats by name, with a batch before its shape.
fn value_info((name, shape): (&str, &[usize])) -> Message {
    let mut sides = Message::default();
    let mut batch = Message::default();
    batch.text(2, BATCH);
    sides.message(1, &batch);
    for side in shape {
        let mut dimension = Message::default();
        dimension.int(1, *side as i64);
        sides.message(1, &dimension);
    }
    let mut tensor = Message::default();
    tensor.int(1, FLOAT).message(2, &sides);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut info = Message::default();
    info.text(1, name).message(2, &kind);
    info
}
