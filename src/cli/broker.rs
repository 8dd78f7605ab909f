//! `nvr broker`: the built-in MQTT broker, for tests and small sites.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::out;
use crate::agent::end_with_agent;
use crate::bus::{Broker, BrokerLimits, BrokerOptions, BrokerTls};
use crate::config::Secret;

/// Options of `nvr broker`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct BrokerArgs {
    /// Address to listen on; 0.0.0.0 for all addresses of this machine
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,

    /// Port to listen on; 0 chooses a free port [default: 1883; 8883 with TLS]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Only accepted user name; needs a password, from --password-file or MQTT_PASSWORD [default: no login]
    #[arg(long, value_name = "NAME", env = "MQTT_USERNAME")]
    username: Option<String>,

    /// File with the password in its first line
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Certificate chain for TLS, PEM [default: no TLS]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// CA file, PEM; clients must present a certificate that these authorities signed
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    ca: Option<PathBuf>,

    /// Maximum number of clients; further ones are refused with `server unavailable`
    #[arg(long, value_name = "COUNT", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    clients: u32,

    /// Maximum memory for retained messages, in MiB; a message that does not fit is refused, and the previous one of its topic
    /// stays
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    retained_mib: u32,
}

const AFTER_HELP: &str = "\
The broker speaks MQTT 3.1.1. It keeps retained messages and the sessions of absent clients in memory, and loses them when it
ends; processors publish theirs again when they reconnect. It discards payloads over 1 MiB and disconnects a client that has more
than 16 MiB waiting. The log reports each limit that is reached.
For larger sites use mosquitto or another full broker.

Examples:
  nvr broker
  MQTT_PASSWORD=secret nvr broker --bind 0.0.0.0 --username nvr
  nvr broker --bind 0.0.0.0 --tls-cert broker.pem --tls-key broker.key";

/// Runs until SIGTERM, SIGINT or the end of the broker.
pub(super) fn main(args: BrokerArgs) -> anyhow::Result<()> {
    if !end_with_agent() {
        anyhow::bail!("the process that started this one has ended");
    }
    let options = options(args)?;
    let broker = Broker::start(&options)?;
    let address = broker.address();
    if !address.ip().is_loopback() && options.login.is_none() {
        tracing::warn!(
            "this broker has no login: every client that reaches it may read and write; set --username and a password"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // Only now: who reads this may end the broker at once.
        out::line(format_args!("broker listens on {address}"));
        let ended = tokio::task::spawn_blocking(move || broker.wait());
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            reason = ended => Err(anyhow!("the broker ended: {}", reason?)),
        }
    });
    // A blocking thread still waits for the end of the broker; it ends with the process.
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
        limits: BrokerLimits {
            clients: args.clients as usize,
            retained_bytes: (args.retained_mib as usize) << 20,
            ..BrokerLimits::default()
        },
    })
}
