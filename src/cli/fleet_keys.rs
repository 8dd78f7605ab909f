//! `nvr fleet keygen`, `sign` and `export-acl`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::fleet_flags::{FleetFlags, KeyFlags};
use super::out;
use crate::bus::Topics;
use crate::fleet::desk::{self, AclUsers, DeskError, Exit};
use crate::fleet::{PayloadType, PrivateKey, write_key_pair};

/// Options of `nvr fleet keygen`.
#[derive(Debug, Args)]
pub(super) struct KeygenArgs {
    /// File of the private key; the public key is written to FILE.pub
    #[arg(value_name = "FILE")]
    path: PathBuf,
}

/// Options of `nvr fleet sign`.
#[derive(Debug, Args)]
pub(super) struct SignArgs {
    #[command(flatten)]
    keys: KeyFlags,

    /// The document; its bytes are signed as they are
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// What the file is
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
}

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Kind {
    /// A desired document
    #[default]
    Desired,
    /// A command
    Command,
}

/// Options of `nvr fleet export-acl`.
#[derive(Debug, Args)]
pub(super) struct ExportAclArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    /// The broker
    #[arg(long, value_enum, default_value_t)]
    broker: BrokerKind,

    /// User that may read and write everything of the fleet; repeatable
    #[arg(long, value_name = "NAME", default_value = "operator")]
    operator: Vec<String>,

    /// User that may only read detections and statuses: a wall outside of the fleet; repeatable
    #[arg(long, value_name = "NAME")]
    wall: Vec<String>,
}

/// Brokers whose access lists can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum BrokerKind {
    /// Eclipse mosquitto, `acl_file`
    #[default]
    Mosquitto,
}

/// Makes a key pair.
pub(super) fn keygen(args: &KeygenArgs) -> Result<Exit, DeskError> {
    let key = PrivateKey::generate()?;
    let public_path = write_key_pair(&key, &args.path)?;
    let public = key.public();
    out::line(format_args!(
        "private key {}, public key {}",
        args.path.display(),
        public_path.display()
    ));
    out::line(format_args!("key id {}, public key {public}", public.id()));
    Ok(Exit::Done)
}

/// Signs a file and writes the envelope to standard output.
pub(super) fn sign(args: &SignArgs) -> Result<Exit, DeskError> {
    let kind = match args.kind {
        Kind::Desired => PayloadType::Desired,
        Kind::Command => PayloadType::Command,
    };
    out::line(desk::sign(&args.path, kind, &args.keys.signer()?)?);
    Ok(Exit::Done)
}

/// Writes the access list to standard output.
pub(super) fn export_acl(args: &ExportAclArgs) -> Result<Exit, DeskError> {
    let BrokerKind::Mosquitto = args.broker;
    let fleet = args.fleet.fleet()?;
    let devices: Vec<_> = fleet.devices.iter().collect();
    let linted = desk::lint(&fleet, &devices, true)?;
    let users = AclUsers {
        operators: args.operator.clone(),
        walls: args.wall.clone(),
    };
    let topics = Topics::of(&args.fleet.broker(&fleet)?);
    let text = desk::mosquitto_acl(&fleet, &linted.documents, &topics, &users);
    out::line(text.trim_end());
    Ok(Exit::Done)
}
