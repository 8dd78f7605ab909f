//! The configuration: defaults, layers (file < environment < options), checks and secrets.
//!
//! File, environment and options are merged into one tree of values that records the origin of each value (`document`,
//! `layers`). The tree is read into raw settings (`read`, `raw`), and the raw settings are checked (`check`). The result is
//! either checked settings or every problem at once. [`ConfigSource`] is the entry point.
//!
//! A new setting is declared in a raw table (`raw`, `raw_wall`) with its description, default and range. The check fills a
//! field of the checked settings (`checked`, `wall`) from it. Schema and template are generated; an option is one row in
//! `processor_flags` or `wall_flags`.

mod address;
mod amount;
mod auto;
mod broker_address;
mod check;
mod check_camera;
mod check_head;
mod check_mqtt;
mod check_record;
mod check_wall;
mod checked;
mod choice;
mod declare;
mod document;
mod duration;
mod environment;
mod flags;
mod harmless;
mod identity;
mod json;
mod layers;
mod location;
mod option_forms;
mod options;
mod overrides;
mod problem;
mod processor_flags;
mod range;
mod raw;
mod raw_record;
mod raw_role;
mod raw_wall;
mod read;
mod record;
mod reference;
mod role_flags;
mod schema;
mod secret;
mod serde_message;
mod source;
mod stream_server;
mod template;
mod text;
mod toml_file;
mod wall;
mod wall_flags;

pub use address::{AddressSecret, address_secrets, without_secrets};
pub use amount::Amount;
pub use auto::Auto;
pub use check_camera::parse_pin;
pub use checked::{
    AnalysisSettings, Backend, Credentials, DecodeChoice, Encoding, Location, ModelChoice,
    MqttSettings, OpenVinoPrecision, ProcessorSettings, Settings, SourceSettings, SourceTls,
    StreamChoice, StreamSettings, TestPattern, TlsSettings, Transport,
};
pub use duration::Span;
pub use environment::Environment;
pub use flags::{CommonFlags, MqttFlags, StreamIds};
pub use identity::{LONGEST as INSTANCE_ID_LIMIT_BYTES, is_instance_id};
pub use json::parse_json;
pub use location::UriText;
pub use problem::{ConfigProblems, Problem, ProblemKind};
pub use processor_flags::ProcessorFlags;
pub use raw::{RawCamera, RawCameraTls, RawMqtt, RawProcessor, RawSettings, RawTls};
pub use raw_record::RawRecord;
pub use raw_wall::{RawHead, RawLayout, RawWall};
pub use record::{NextDirectory, RecordChoice, RecordPlace, RecordSettings};
pub use reference::SecretRef;
pub use role_flags::RoleFlags;
pub use schema::json_schema;
pub use secret::Secret;
pub use serde_message::{did_you_mean, unknown_key};
pub use source::{ConfigSource, Loaded, read_config_text, read_document};
pub use template::template;
pub use text::as_meant as toml_as_meant;
pub use toml_file::TomlFile;
pub use wall::{
    DailySpan, Fit, HeadSettings, Layout, Layouts, ModeRequest, OutputChoice, RangeChoice,
    ReferenceChoice, Rotation, Sync, WallSettings,
};
pub use wall_flags::WallFlags;
