//! The two products of NVIDIA's that run engines: TensorRT, of boards and servers, and TensorRT for RTX, of PCs. Their
//! interfaces are alike; their libraries, engines and version numbers differ.

use crate::config::Backend;

/// One of the products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// TensorRT: JetPack, Debian packages, the Python package `tensorrt`.
    TensorRt,
    /// TensorRT for RTX: the Python package `tensorrt-rtx`.
    Rtx,
}

impl Product {
    /// Both, the preferred one first: TensorRT measures each layer on the GPU while it builds.
    pub(in crate::detect) const ALL: [Self; 2] = [Self::TensorRt, Self::Rtx];

    /// The product that `backend` names; none for backends of other makers.
    pub fn of_backend(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Tensorrt => Some(Self::TensorRt),
            Backend::TensorrtRtx => Some(Self::Rtx),
            _ => None,
        }
    }

    /// Its backend's name in settings and messages.
    pub(in crate::detect) fn name(self) -> &'static str {
        match self {
            Self::TensorRt => "tensorrt",
            Self::Rtx => "tensorrt-rtx",
        }
    }

    /// The names of its library: supported versions first, then those that only report their version.
    pub(super) fn libraries(self) -> &'static [&'static str] {
        match self {
            Self::TensorRt => &[
                "libnvinfer.so.10",
                "libnvinfer.so.11",
                "libnvinfer.so.8",
                "libnvinfer.so.9",
                "libnvinfer.so",
                "libnvinfer.so.12",
                "libnvinfer.so.7",
            ],
            Self::Rtx => &["libtensorrt_rtx.so.1", "libtensorrt_rtx.so"],
        }
    }

    /// The names of its ONNX parser, which belongs to the library's major version.
    pub(super) fn parsers(self, major: u32) -> Vec<String> {
        match self {
            Self::TensorRt => vec![
                format!("libnvonnxparser.so.{major}"),
                "libnvonnxparser.so".to_owned(),
            ],
            Self::Rtx => vec![
                format!("libtensorrt_onnxparser_rtx.so.{major}"),
                "libtensorrt_onnxparser_rtx.so".to_owned(),
            ],
        }
    }

    /// How people get it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::TensorRt => {
                "install TensorRT 8.5 or later (JetPack and NVIDIA's Debian packages carry it)"
            }
            Self::Rtx => "install TensorRT for RTX 1.3 or later (`pip install tensorrt-rtx`)",
        }
    }
}

impl std::fmt::Display for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TensorRt => "TensorRT",
            Self::Rtx => "TensorRT for RTX",
        })
    }
}
