//! The engines that run networks on the CPU.

use std::path::Path;

use super::DetectError;
use super::network::Network;
use super::onnx_file::ExternalFiles;
use super::onnxruntime::library::{Build, open_library, openvino_library};
use super::onnxruntime::openvino::version_beside;
use super::onnxruntime::{OnnxRuntimeNetwork, Provider};
use super::rten::{self, RtenNetwork, SharedModel};
use crate::config::OpenVinoPrecision;

/// An engine that runs networks on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CpuEngine {
    OpenVino(OpenVinoPrecision),
    OnnxRuntime,
    Rten,
}

impl CpuEngine {
    pub(super) fn name(self) -> &'static str {
        self.provider().map_or(rten::NAME, Provider::name)
    }

    /// The provider of ONNX Runtime; none for rten.
    fn provider(self) -> Option<Provider> {
        match self {
            Self::OpenVino(precision) => Some(Provider::OpenVino(precision)),
            Self::OnnxRuntime => Some(Provider::Cpu),
            Self::Rten => None,
        }
    }

    /// What distinguishes it from another version of it: the library's path, or the program's version; of OpenVINO also its version and
    /// the precision.
    pub(super) fn identity(self) -> String {
        let name = self.name();
        match self {
            Self::OpenVino(precision) => {
                // Not the open library: it must be known before one is opened.
                let library = openvino_library();
                let version = library.as_deref().and_then(version_beside);
                let path = library
                    .map_or_else(|| "of the system".into(), |path| path.display().to_string());
                let version = version.unwrap_or_default();
                format!("{name} {version} {precision:?} {path}")
            }
            Self::OnnxRuntime => {
                let library = open_library(Build::Plain);
                let library =
                    library.map_or_else(|_| String::new(), |path| path.display().to_string());
                format!("{name} {library}")
            }
            Self::Rten => format!("{name} of nvr {}", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Loads the ONNX file at `path`, which names the weight files `external`, to be run by `threads` threads. rten takes the
    /// weights from `shared` if they are there. Blocks.
    ///
    /// # Errors
    /// If the engine is missing, or its own error.
    pub(super) fn load(
        self,
        path: &Path,
        external: &ExternalFiles,
        threads: usize,
        shared: &SharedModel,
    ) -> Result<Box<dyn Network>, DetectError> {
        Ok(match self.provider() {
            Some(provider) => Box::new(OnnxRuntimeNetwork::load(path, threads, provider)?),
            None => Box::new(RtenNetwork::load(path, external, threads, shared)?),
        })
    }
}
