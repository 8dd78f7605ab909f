//! Settings: defaults, the layers over them (file < environment < flags), checks, secrets.
//!
//! A file, the environment and the options become one tree of values that remembers where each came from (`document`,
//! `layers`), the tree becomes raw settings (`read`, `raw`), and those become settings (`check`), or every problem is
//! told at once. [`ConfigSource`] is the way in.

mod check;
mod check_camera;
mod checked;
mod document;
mod duration;
mod environment;
mod flags;
mod identity;
mod layers;
mod location;
mod overrides;
mod problem;
mod raw;
mod read;
mod reference;
mod schema;
mod secret;
mod source;

pub use check_camera::parse_pin;
pub use checked::{
    AnalysisSettings, Backend, Credentials, Encoding, Location, ModelChoice, MqttSettings,
    ProcessorSettings, Settings, SourceSettings, SourceTls, StreamSettings, TestPattern,
    TlsSettings, Transport,
};
pub use duration::Span;
pub use environment::Environment;
pub use flags::{Flags, MqttFlags, StreamIds};
pub use location::UriText;
pub use problem::{ConfigProblems, Problem};
pub use raw::{RawCamera, RawCameraTls, RawMqtt, RawProcessor, RawSettings, RawTls, StreamChoice};
pub use reference::SecretRef;
pub use schema::{TEMPLATE, json_schema};
pub use secret::Secret;
pub use source::{ConfigSource, Loaded};
