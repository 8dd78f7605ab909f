//! The log: lines on standard error, filtered by NVR_LOG or RUST_LOG.

use std::io::{IsTerminal, Write};

use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

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
    let chosen = wanted.and_then(|(name, text)| {
        filter(&text)
            .inspect_err(|error| refused = Some((name, error.to_string())))
            .ok()
    });
    let chosen = chosen
        .unwrap_or_else(|| filter(DEFAULT_FILTER).expect("invariant: a test parses the default"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Masked)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(chosen)
        .with(lines)
        .try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    if let Some((name, err)) = refused {
        tracing::warn!(name, %err, "invalid log filter; using the default");
    }
}

/// The filter that `text` describes: modules with their levels, separated by commas, and a level for all others.
fn filter(text: &str) -> Result<Targets, ParseError> {
    let parts: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(",").parse()
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

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_filter_names_modules_and_levels() {
        for (text, module, level, is_shown) in [
            (DEFAULT_FILTER, "nvr::media", Level::INFO, true),
            (DEFAULT_FILTER, "nvr::media", Level::DEBUG, false),
            (DEFAULT_FILTER, "rten", Level::WARN, true),
            (DEFAULT_FILTER, "rten", Level::INFO, false),
            ("debug", "nvr::media", Level::DEBUG, true),
            ("info, nvr::media=TRACE,", "nvr::media", Level::TRACE, true),
            ("info, nvr::media=TRACE,", "nvr::wall", Level::DEBUG, false),
            ("info, nvr::media=TRACE,", "nvr::wall", Level::INFO, true),
            ("nvr", "nvr::wall", Level::TRACE, true),
            ("off", "nvr", Level::ERROR, false),
        ] {
            let filter = filter(text).expect(text);
            assert_eq!(
                filter.would_enable(module, &level),
                is_shown,
                "{text}: {module} {level}"
            );
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in ["nvr=loud", "nvr=debug=info", "nvr=debug;rten=info"] {
            assert!(filter(text).is_err(), "{text}");
        }
    }
}
