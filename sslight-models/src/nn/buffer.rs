//! State that a network or method keeps beside its parameters: running statistics, centres, queues.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{
    AutodiffModule, Content, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor, Param, ParamId,
};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use crate::params::constant;

/// A tensor that is saved and loaded with its module, is set from `&self`, and is never part of a tape.
///
/// Clones of a module share it. burn's `RunningState` is not used: its new value is seen only after a further call,
/// and what it loads from a record asks for a gradient, so that a tape grows with every step of a resumed
/// run.
#[derive(Debug, Clone)]
pub struct Buffer<B: Backend, const D: usize> {
    id: ParamId,
    value: Arc<Mutex<Tensor<B, D>>>,
}

impl<B: Backend, const D: usize> Buffer<B, D> {
    /// A buffer with this value.
    pub fn new(value: Tensor<B, D>) -> Self {
        Self::with_id(ParamId::new(), value)
    }

    fn with_id(id: ParamId, value: Tensor<B, D>) -> Self {
        Self {
            id,
            value: Arc::new(Mutex::new(constant(value))),
        }
    }

    /// Its value.
    pub fn value(&self) -> Tensor<B, D> {
        self.lock().clone()
    }

    /// Sets its value, here and in all clones.
    pub fn set(&self, value: Tensor<B, D>) {
        *self.lock() = constant(value);
    }

    fn lock(&self) -> MutexGuard<'_, Tensor<B, D>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn as_param(&self) -> Param<Tensor<B, D>> {
        Param::initialized(self.id, self.value())
    }
}

impl<B: Backend, const D: usize> Module<B> for Buffer<B, D> {
    type Record = Param<Tensor<B, D>>;

    fn collect_devices(&self, mut devices: Vec<B::Device>) -> Vec<B::Device> {
        let device = self.value().device();
        if !devices.contains(&device) {
            devices.push(device);
        }
        devices
    }

    fn fork(self, device: &B::Device) -> Self {
        self.to_device(device)
    }

    fn to_device(self, device: &B::Device) -> Self {
        self.set(self.value().to_device(device));
        self
    }

    fn visit<V: ModuleVisitor<B>>(&self, visitor: &mut V) {
        visitor.visit_float(&self.as_param());
    }

    /// In all clones, as `set` does.
    fn map<M: ModuleMapper<B>>(self, mapper: &mut M) -> Self {
        let mapped = mapper.map_float(self.as_param());
        self.set(mapped.val());
        self
    }

    fn load_record(mut self, record: Self::Record) -> Self {
        let device = self.value().device();
        self.id = record.id;
        self.set(record.val().to_device(&device));
        self
    }

    fn into_record(self) -> Self::Record {
        self.as_param()
    }
}

impl<B: AutodiffBackend, const D: usize> AutodiffModule<B> for Buffer<B, D> {
    type InnerModule = Buffer<B::InnerBackend, D>;

    fn valid(&self) -> Self::InnerModule {
        Buffer::with_id(self.id, self.value().inner())
    }

    fn from_inner(module: Self::InnerModule) -> Self {
        Self::with_id(module.id, Tensor::from_inner(module.value()))
    }
}

impl<B: Backend, const D: usize> fmt::Display for Buffer<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer{:?}", self.value().dims())
    }
}

impl<B: Backend, const D: usize> ModuleDisplayDefault for Buffer<B, D> {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.to_string()).optional()
    }
}

impl<B: Backend, const D: usize> ModuleDisplay for Buffer<B, D> {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::backend::Autodiff;
    use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder};
    use burn_flex::Flex;

    use super::*;
    use crate::params::host_values;

    type B = Autodiff<Flex>;

    fn tensor(values: [f32; 2]) -> Tensor<B, 1> {
        Tensor::from_floats(values, &Default::default())
    }

    #[test]
    fn clones_share_a_value_and_valid_copies_do_not() {
        let buffer = Buffer::new(tensor([1.0, 2.0]));
        let (clone, copy) = (buffer.clone(), buffer.valid());
        buffer.set(tensor([3.0, 4.0]));
        assert_eq!(host_values(clone.value()), [3.0, 4.0]);
        assert_eq!(host_values(copy.value()), [1.0, 2.0]);
    }

    #[test]
    fn nothing_that_is_put_in_or_loaded_has_a_tape() {
        let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
        let buffer = Buffer::new(tensor([1.0, 2.0]).require_grad());
        assert!(!buffer.value().is_require_grad());
        buffer.set(tensor([3.0, 4.0]).require_grad());
        assert!(!buffer.value().is_require_grad());
        let bytes = recorder.record(buffer.clone().into_record(), ()).unwrap();
        let record = recorder.load(bytes, &Default::default()).unwrap();
        let loaded = Buffer::new(tensor([0.0, 0.0])).load_record(record);
        assert_eq!(host_values(loaded.value()), [3.0, 4.0]);
        assert!(!loaded.value().is_require_grad());
    }
}
