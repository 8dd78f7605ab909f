//! Where log lines go: to standard error, filtered by NVR_LOG or RUST_LOG.

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::config::without_secrets;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Our own state changes, and of libraries only what is wrong.
const DEFAULT_FILTER: &str = "warn,nvr=info";

/// Starts logging; once a process.
pub(super) fn start(format: LogFormat) {
    let wanted = ["NVR_LOG", "RUST_LOG"].into_iter().find_map(|name| {
        Some((
            name,
            std::env::var(name).ok().filter(|text| !text.is_empty())?,
        ))
    });
    let mut refused = None;
    let filter = match wanted {
        None => EnvFilter::new(DEFAULT_FILTER),
        Some((name, text)) => EnvFilter::try_new(&text).unwrap_or_else(|err| {
            refused = Some((name, err));
            EnvFilter::new(DEFAULT_FILTER)
        }),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Masked)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    if let Some((name, err)) = refused {
        tracing::warn!(name, %err, "unreadable log filter, the default stands in");
    }
}

/// Standard error, behind the one function that masks what may be a login: a library's text may quote an address.
struct Masked;

impl Write for Masked {
    /// Takes a whole line, as tracing writes them.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        std::io::stderr().write_all(without_secrets(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
