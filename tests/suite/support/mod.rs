//! What several test modules need.

pub(crate) mod cameras;
pub(crate) mod footage;
pub(crate) mod onnx;
