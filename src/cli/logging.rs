//! Where log lines go: to standard error, filtered by NVR_LOG or RUST_LOG.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

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
        .with_writer(std::io::stderr)
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
