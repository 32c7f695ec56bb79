//! The classes and functions that a pickle may name. Nothing else gets past this list.

use crate::weights::ElementType;

/// A class or function on the list, by what is done when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Class {
    /// A class whose instances are dicts, with attributes.
    DictLike(&'static str),
    /// A class whose instances have attributes only.
    AttributesOnly(&'static str),
    /// A class that holds the elements it is given.
    SetLike(&'static str),
    /// `torch.Size`, a tuple.
    Size,
    /// A class that is named but never called: a factory of `defaultdict`, a class of tensors.
    NameOnly(&'static str),
    /// `torch.device`.
    Device,
    /// The class of storages of an element type.
    Storage(ElementType),
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`: storage, offset, size, stride, and what does not
    /// matter here.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`: a tensor, and what does not matter here.
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2`: a function, a class, its arguments, attributes.
    RebuildFromType,
    /// `numpy.core.multiarray.scalar`: a type and bytes.
    NumpyScalar,
    /// `numpy.dtype`.
    NumpyType,
    /// `_codecs.encode`: text and the name of a coding.
    Encode,
}

impl Class {
    /// The entry of the list, if there is one.
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::DictLike("collections.OrderedDict"),
            ("collections", "defaultdict") => Self::DictLike("collections.defaultdict"),
            ("fvcore.common.config", "CfgNode") => Self::DictLike("fvcore.common.config.CfgNode"),
            ("yacs.config", "CfgNode") => Self::DictLike("yacs.config.CfgNode"),
            ("detectron2.config.config", "CfgNode") => {
                Self::DictLike("detectron2.config.config.CfgNode")
            }
            ("argparse", "Namespace") => Self::AttributesOnly("argparse.Namespace"),
            ("types", "SimpleNamespace") => Self::AttributesOnly("types.SimpleNamespace"),
            ("builtins" | "__builtin__", "set") => Self::SetLike("set"),
            ("builtins" | "__builtin__", "frozenset") => Self::SetLike("frozenset"),
            ("builtins" | "__builtin__", "list") => Self::NameOnly("list"),
            ("builtins" | "__builtin__", "dict") => Self::NameOnly("dict"),
            ("builtins" | "__builtin__", "int") => Self::NameOnly("int"),
            ("builtins" | "__builtin__", "float") => Self::NameOnly("float"),
            ("torch", "Size") => Self::Size,
            ("torch", "device") => Self::Device,
            ("torch", "Tensor") => Self::NameOnly("torch.Tensor"),
            ("torch.nn.parameter", "Parameter") => Self::NameOnly("torch.nn.parameter.Parameter"),
            ("torch.nn.parameter", "Buffer") => Self::NameOnly("torch.nn.parameter.Buffer"),
            ("torch" | "torch.cuda", name) if name.ends_with("Storage") => {
                Self::Storage(storage_element(name)?)
            }
            ("torch", name) => Self::NameOnly(element_type_name(name)?),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Self::RebuildFromType,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::NumpyScalar,
            ("numpy", "dtype") => Self::NumpyType,
            ("_codecs", "encode") => Self::Encode,
            _ => return None,
        })
    }

    /// What it is called in messages and values.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DictLike(name)
            | Self::AttributesOnly(name)
            | Self::SetLike(name)
            | Self::NameOnly(name) => name,
            Self::Size => "torch.Size",
            Self::Device => "torch.device",
            Self::Storage(_) => "a class of storages",
            Self::RebuildTensor => "torch._utils._rebuild_tensor_v2",
            Self::RebuildParameter => "torch._utils._rebuild_parameter",
            Self::RebuildFromType => "torch._tensor._rebuild_from_type_v2",
            Self::NumpyScalar => "numpy.core.multiarray.scalar",
            Self::NumpyType => "numpy.dtype",
            Self::Encode => "_codecs.encode",
        }
    }
}

fn storage_element(name: &str) -> Option<ElementType> {
    Some(match name {
        "DoubleStorage" => ElementType::F64,
        "FloatStorage" => ElementType::F32,
        "HalfStorage" => ElementType::F16,
        "BFloat16Storage" => ElementType::Bf16,
        "LongStorage" => ElementType::I64,
        "IntStorage" => ElementType::I32,
        "ShortStorage" => ElementType::I16,
        "CharStorage" => ElementType::I8,
        "ByteStorage" => ElementType::U8,
        "BoolStorage" => ElementType::Bool,
        _ => return None,
    })
}

/// The names by which configurations hold element types.
fn element_type_name(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 10] = [
        "torch.float64",
        "torch.float32",
        "torch.float16",
        "torch.bfloat16",
        "torch.int64",
        "torch.int32",
        "torch.int16",
        "torch.int8",
        "torch.uint8",
        "torch.bool",
    ];
    NAMES
        .into_iter()
        .find(|known| known.strip_prefix("torch.") == Some(name))
}
