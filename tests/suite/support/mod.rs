//! What several test modules need.

pub(crate) mod broker;
pub(crate) mod cameras;
pub(crate) mod footage;
pub(crate) mod onnx;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod wait;
