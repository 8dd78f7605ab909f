//! `nvr broker`: a broker for a desk or a small site.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::out;
use crate::bus::{Broker, BrokerOptions, BrokerTls};
use crate::config::Secret;

/// Options of `nvr broker`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct BrokerArgs {
    /// Address to listen on; 0.0.0.0 for all of this machine's
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,

    /// Port to listen on; 0 takes a free one [default: 1883; 8883 with TLS]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// The one user that is let in, with the password of --password-file or MQTT_PASSWORD [default: everybody]
    #[arg(long, value_name = "NAME", env = "MQTT_USERNAME")]
    username: Option<String>,

    /// File whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Certificate chain for TLS, PEM [default: no TLS]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Ask clients for a certificate of these authorities, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    ca: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
It keeps retained messages in memory: they are gone when it ends, and processors publish theirs again when it is back.
For more than a small site take mosquitto or another grown-up broker.

Examples:
  nvr broker
  MQTT_PASSWORD=secret nvr broker --bind 0.0.0.0 --username nvr
  nvr broker --bind 0.0.0.0 --tls-cert broker.pem --tls-key broker.key";

/// Runs until it is told to stop.
pub(super) fn main(args: BrokerArgs) -> anyhow::Result<()> {
    let options = options(args)?;
    let broker = Broker::start(&options)?;
    let address = broker.address();
    if !address.ip().is_loopback() && options.login.is_none() {
        tracing::warn!(
            "anybody who reaches this broker may read and write; --username and a password keep strangers out"
        );
    }
    out::line(format_args!("broker listens on {address}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let ended = tokio::task::spawn_blocking(move || broker.wait());
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            reason = ended => Err(anyhow!("the broker ended: {}", reason?)),
        }
    });
    // The broker's thread waits for the end of a broker that has none.
    runtime.shutdown_background();
    ended
}

fn options(args: BrokerArgs) -> anyhow::Result<BrokerOptions> {
    let password = match &args.password_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("can't read the password file {}", path.display()))?;
            Some(text.lines().next().unwrap_or_default().to_owned())
        }
        None => std::env::var("MQTT_PASSWORD").ok(),
    };
    let set = |text: &String| !text.is_empty();
    let login = match (args.username.filter(set), password.filter(set)) {
        (Some(username), Some(password)) => Some((username, Secret::new(password))),
        (None, None) => None,
        (Some(_), None) => bail!(
            "--username needs a password: name a file with --password-file, or set MQTT_PASSWORD"
        ),
        (None, Some(_)) => {
            bail!("a password needs a user: name one with --username, or set MQTT_USERNAME")
        }
    };
    let tls = match (args.tls_cert, args.tls_key) {
        (Some(certificate), Some(key)) => Some(BrokerTls {
            certificate,
            key,
            ca: args.ca,
        }),
        _ => None,
    };
    let port = args.port.unwrap_or(if tls.is_some() { 8883 } else { 1883 });
    Ok(BrokerOptions {
        listen: SocketAddr::new(args.bind, port),
        login,
        tls,
    })
}
