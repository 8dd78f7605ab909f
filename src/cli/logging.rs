//! The log: lines on standard error, filtered by NVR_LOG or RUST_LOG.

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::config::without_secrets;

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// Lines of text
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// State changes of this program; only warnings and errors of libraries.
const DEFAULT_FILTER: &str = "warn,nvr=info";

/// Starts logging. Called once per process.
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
        tracing::warn!(name, %err, "invalid log filter; using the default");
    }
}

/// Standard error with logins masked: a library's message may quote an address.
struct Masked;

impl Write for Masked {
    /// Writes one whole line; tracing passes no parts of lines.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        std::io::stderr().write_all(without_secrets(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
