//! The documents of a fleet: what an operator wants a device to run (`desired`), what the device says of it (`reported`,
//! `capabilities`), commands with their answers, and signatures.
//!
//! Plain data: no threads, no clock, no broker. The agent of a device and the operator's desk both use this room. Documents
//! that a device obeys (`desired`, `command`) are read strictly, with every problem at once. Documents that a device publishes
//! (`reported`, `capabilities`, `response`) are read leniently, because the versions of devices differ. Reading accepts
//! arbitrary bytes and never panics.

mod bodies;
mod capabilities;
mod command;
mod desired;
mod desired_check;
pub mod desk;
mod envelope;
mod error;
mod firmware_order;
mod generation;
mod hash;
mod keyring;
mod open;
mod parts;
mod reported;
mod response;
mod schema;
mod strict;

pub use bodies::{BodySources, CheckedBodies, instance_id, name_instance, plain_secrets};
pub use capabilities::{DecoderAbility, DeviceCapabilities, InferenceRate, Machine, OutputAbility};
pub use command::{Command, CommandArgs, CommandRefused, RoleName, Verb};
pub use desired::{Desired, DeviceRole, RoleBody, Window, check_publisher};
pub use envelope::{Envelope, EnvelopeSignature, PayloadType, pre_authentication_encoding};
pub use error::{DocumentError, DocumentErrors, codes};
pub use firmware_order::FirmwareOrder;
pub use generation::{Generation, Known, Stamp};
pub use hash::DocumentHash;
pub use keyring::{KeyChange, Keyring};
pub use open::{Opened, open};
pub use parts::{FirmwareRef, ModelRef, OnDeadNewSource, Probation};
pub use reported::{
    Firmware, FirmwarePhase, ModelPhase, ModelState, Phase, RecordingEstimate, Reported,
};
pub use response::{Response, ResponseError};
pub use schema::{SCHEMAS, schema_json};

pub use crate::base::{
    KeyError, KeyFileError, KeyId, PrivateKey, PublicKey, read_private_key, read_public_key,
    write_key_pair,
};

/// Maximum size of a received desired document or command in bytes, with its envelope. Larger things travel by URL and SHA-256.
pub const DOCUMENT_LIMIT_BYTES: usize = 64 * 1024;

/// The version of every document of this room.
pub const SCHEMA: u32 = 1;
