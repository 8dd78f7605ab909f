//! Settings: defaults, the layers over them (file < environment < flags), checks, secrets.

mod checked;
mod secret;

pub use checked::{
    AnalysisSettings, Backend, Credentials, Encoding, Location, ModelChoice, MqttSettings,
    ProcessorSettings, Settings, SourceSettings, SourceTls, StreamSettings, TestPattern,
    TlsSettings, Transport,
};
pub use secret::Secret;
