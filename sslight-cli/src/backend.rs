//! The one place where engines are concrete types: a choice of the configuration becomes a burn backend.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;
use serde::Serialize;
use sslight_core::config::BackendChoice;
use sslight_models::backend::Backend;

use crate::exit::CliError;

/// The engine of the verbs that read and write weights and compute next to nothing.
pub type Host = burn_flex::Flex;

/// Characters of an engine's own words that are shown.
const REASON_LEN: usize = 100;

/// An engine that this build has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// burn's fast CPU engine.
    Flex,
    /// burn's plain CPU engine.
    Ndarray,
    /// Vulkan, Metal, DirectX 12 or WebGPU.
    #[cfg(feature = "wgpu")]
    Wgpu,
    /// NVIDIA CUDA.
    #[cfg(feature = "cuda")]
    Cuda,
}

/// Runs a body with the engine's type and its default device:
/// `with_engine!(engine, |B, device| train::<B>(&device))`, where `B` has gradients.
macro_rules! with_engine {
    ($engine:expr, |$B:ident, $device:ident| $body:expr) => {
        match $engine {
            $crate::backend::Engine::Flex => {
                type $B = burn::backend::Autodiff<burn_flex::Flex>;
                let $device = burn_flex::FlexDevice::default();
                $body
            }
            $crate::backend::Engine::Ndarray => {
                type $B = burn::backend::Autodiff<burn_ndarray::NdArray>;
                let $device = burn_ndarray::NdArrayDevice::default();
                $body
            }
            #[cfg(feature = "wgpu")]
            $crate::backend::Engine::Wgpu => {
                type $B = burn::backend::Autodiff<burn_wgpu::Wgpu>;
                let $device = burn_wgpu::WgpuDevice::default();
                $body
            }
            #[cfg(feature = "cuda")]
            $crate::backend::Engine::Cuda => {
                type $B = burn::backend::Autodiff<burn_cuda::Cuda>;
                let $device = burn_cuda::CudaDevice::default();
                $body
            }
        }
    };
}
pub(crate) use with_engine;

/// What this build and machine have of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EngineState {
    /// Its name.
    pub name: &'static str,
    /// Whether it is compiled in.
    pub built: bool,
    /// Whether a small computation on it gave the right result just now.
    pub usable: bool,
    /// The device, or why there is none.
    pub detail: String,
}

impl Engine {
    /// The engines that are compiled in, best first: the order in which `auto` tries them.
    pub fn built() -> Vec<Self> {
        vec![
            #[cfg(feature = "cuda")]
            Self::Cuda,
            #[cfg(feature = "wgpu")]
            Self::Wgpu,
            Self::Flex,
            Self::Ndarray,
        ]
    }

    /// The choice that names this engine.
    pub fn choice(self) -> BackendChoice {
        match self {
            Self::Flex => BackendChoice::Flex,
            Self::Ndarray => BackendChoice::Ndarray,
            #[cfg(feature = "wgpu")]
            Self::Wgpu => BackendChoice::Wgpu,
            #[cfg(feature = "cuda")]
            Self::Cuda => BackendChoice::Cuda,
        }
    }

    /// Multiplies two small matrices; the device, or what is wrong.
    pub fn probe(self) -> Result<String, String> {
        // A missing driver shows as a panic inside the engine. The first one, which may be that of a thread
        // of the engine's own, has the cause; what reaches this thread may only say that the other one is gone.
        let told = Arc::new(Mutex::new(Vec::new()));
        let hook = panic::take_hook();
        panic::set_hook(Box::new({
            let told = Arc::clone(&told);
            move |panic| lock(&told).push(text_of(panic.payload()))
        }));
        let result = panic::catch_unwind(AssertUnwindSafe(|| {
            with_engine!(self, |B, device| multiply::<B>(&device))
        }));
        panic::set_hook(hook);
        result.unwrap_or_else(|payload| {
            let first = lock(&told).first().cloned();
            Err(first.unwrap_or_else(|| text_of(payload.as_ref())))
        })
    }

    /// What a machine must have for it.
    fn needs(self) -> &'static str {
        match self {
            Self::Flex | Self::Ndarray => "nothing but a processor",
            #[cfg(feature = "wgpu")]
            Self::Wgpu => "a driver for Vulkan, Metal or DirectX 12",
            #[cfg(feature = "cuda")]
            Self::Cuda => "NVIDIA's driver and the CUDA toolkit (CUDA_PATH)",
        }
    }
}

fn multiply<B: Backend>(device: &B::Device) -> Result<String, String> {
    let a = Tensor::<B, 2>::from_floats([[1.0, 2.0], [3.0, 4.0]], device);
    let product = a.clone().matmul(a).into_data();
    let values: Vec<f32> = product.iter::<f32>().collect();
    if values == [7.0, 10.0, 15.0, 22.0] {
        Ok(format!("{device:?}"))
    } else {
        Err(format!(
            "a product of two 2x2 matrices came out as {values:?}"
        ))
    }
}

fn lock(told: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref().copied());
    let line = text
        .and_then(|text| text.lines().next())
        .unwrap_or("it ended without a message");
    // Engines list dozens of file names that they looked for.
    match line.char_indices().nth(REASON_LEN) {
        Some((end, _)) => format!("{} ...", line[..end].trim_end()),
        None => line.to_owned(),
    }
}

/// The state of every engine that a configuration can name.
pub fn engine_states() -> Vec<EngineState> {
    let named = BackendChoice::all()
        .iter()
        .filter(|choice| **choice != BackendChoice::Auto);
    named
        .map(|choice| {
            let name = choice.word();
            match Engine::built()
                .into_iter()
                .find(|engine| engine.choice() == *choice)
            {
                None => EngineState {
                    name,
                    built: false,
                    usable: false,
                    detail: format!("cargo feature `{name}`"),
                },
                Some(engine) => {
                    let probe = engine.probe();
                    let usable = probe.is_ok();
                    EngineState {
                        name,
                        built: true,
                        usable,
                        detail: probe.unwrap_or_else(|reason| reason),
                    }
                }
            }
        })
        .collect()
}

/// The engine of a choice. `auto` takes the best that works.
///
/// # Errors
/// [`CliError::Usage`] for an engine that is not compiled in or does not work on this machine.
pub fn choose(choice: BackendChoice) -> Result<Engine, CliError> {
    if choice == BackendChoice::Auto {
        let best = Engine::built()
            .into_iter()
            .find(|engine| engine.probe().is_ok());
        return best.ok_or_else(|| {
            CliError::Usage("backend auto: no engine of this build works here".to_owned())
        });
    }
    let Some(engine) = Engine::built()
        .into_iter()
        .find(|engine| engine.choice() == choice)
    else {
        return Err(CliError::Usage(format!(
            "backend {choice} is not in this build; build with the cargo feature `{choice}` \
             (`just pretrain backend={choice}` does), or use backend=auto"
        )));
    };
    engine.probe().map(|_| engine).map_err(|reason| {
        CliError::Usage(format!(
            "backend {choice} does not work on this machine: {reason}; it needs {}, or use backend=auto",
            engine.needs()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cpu_engines_are_built_and_multiply_rightly() {
        for engine in [Engine::Flex, Engine::Ndarray] {
            assert!(Engine::built().contains(&engine));
            assert!(engine.probe().is_ok(), "{engine:?}: {:?}", engine.probe());
        }
    }

    #[test]
    fn an_engine_that_is_not_built_is_refused_with_the_way_to_get_it() {
        let state = |choice: BackendChoice| {
            Engine::built()
                .iter()
                .any(|engine| engine.choice() == choice)
        };
        for choice in [BackendChoice::Wgpu, BackendChoice::Cuda] {
            if !state(choice) {
                assert_eq!(
                    choose(choice).map_err(|error| error.to_string()),
                    Err(format!(
                        "backend {choice} is not in this build; build with the cargo feature `{choice}` \
                         (`just pretrain backend={choice}` does), or use backend=auto"
                    ))
                );
            }
        }
    }

    #[test]
    fn auto_prefers_flex_to_ndarray() {
        let order = Engine::built();
        let place = |engine| order.iter().position(|other| *other == engine);
        assert!(place(Engine::Flex) < place(Engine::Ndarray));
    }

    #[test]
    fn every_choice_but_auto_has_a_state() {
        let names: Vec<&str> = engine_states().iter().map(|state| state.name).collect();
        assert_eq!(names, ["flex", "ndarray", "wgpu", "cuda"]);
    }
}
