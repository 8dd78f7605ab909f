//! Lines of text or JSON, for logs and other programs.

use std::time::Duration;

use serde_json::json;

use super::{Board, SourceRow};

/// Format of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LineFormat {
    /// Text
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// A line for each source.
pub fn lines(board: &Board, now: Duration, format: LineFormat) -> Vec<String> {
    board
        .rows(now)
        .iter()
        .map(|row| match format {
            LineFormat::Text => text(row),
            LineFormat::Json => json(row),
        })
        .collect()
}

/// A line with the state of the connection.
pub(super) fn connection(broker: &str, trouble: Option<&str>, format: LineFormat) -> String {
    match format {
        LineFormat::Text => match trouble {
            Some(trouble) => format!("no broker: {trouble}"),
            None => format!("connected to {broker}"),
        },
        LineFormat::Json => {
            json!({"broker": broker, "connected": trouble.is_none(), "reason": trouble}).to_string()
        }
    }
}

/// A line with the number of messages that are not shown.
pub(super) fn left_out(messages: u64, format: LineFormat) -> String {
    match format {
        LineFormat::Text => {
            format!(
                "{messages} messages are not shown: too many sources, processors or walls, or messages arrive too fast"
            )
        }
        LineFormat::Json => json!({ "messages_left_out": messages }).to_string(),
    }
}

fn text(row: &SourceRow<'_>) -> String {
    let mut line = format!("source {}  {}", row.id, row.condition.as_str());
    if let Some(status) = row.status {
        line += &format!("  {}", status.instance_id);
        if let Some(reason) = &status.reason {
            line += &format!("  {}: {}", reason.code, reason.message);
        }
    }
    if let (Some(event), Some(age)) = (row.event, row.age) {
        if let Some(fps) = event.fps {
            line += &format!("  {fps:.1} fps");
        }
        if let Some(latency) = event.latency_ms {
            line += &format!("  {latency:.1} ms");
        }
        line += &format!("  {}  ({} ago)", event.summary(), seconds(age));
    }
    line
}

fn json(row: &SourceRow<'_>) -> String {
    let sees = row.event.map(|event| &event.counts);
    json!({
        "source_id": row.id,
        "state": row.condition.as_str(),
        "instance_id": row.status.map(|status| &*status.instance_id),
        "reason": row.status.and_then(|status| status.reason.as_ref()),
        "fps": row.event.and_then(|event| event.fps),
        "latency_ms": row.event.and_then(|event| event.latency_ms),
        "sees": sees,
        "age_ms": row.age.map(|age| age.as_millis()),
    })
    .to_string()
}

pub(super) fn seconds(age: Duration) -> String {
    format!("{:.1} s", age.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::{board, event, presence, status};
    use super::*;
    use crate::event::{PresenceState, SourceState};

    const NOW: Duration = Duration::from_millis(1200);

    fn heard() -> Board {
        board(&[
            presence(PresenceState::Online, "s1"),
            status(0, SourceState::Live, "s1"),
            event(0, &["person", "car", "person"]),
            status(1, SourceState::Failed, "s1"),
        ])
    }

    #[test]
    fn a_line_tells_state_rate_latency_and_what_is_seen() {
        assert_eq!(
            lines(&heard(), NOW, LineFormat::Text),
            [
                "source 0  live  box  25.3 fps  120.5 ms  2 person, 1 car  (0.2 s ago)",
                "source 1  failed  box  unauthorized: camera 1 answers 401",
            ]
        );
    }

    #[test]
    fn a_json_line_is_an_object_with_the_same() {
        let lines = lines(&heard(), NOW, LineFormat::Json);
        let first: serde_json::Value = serde_json::from_str(&lines[0]).expect("JSON");
        assert_eq!(first["sees"], json!({"person": 2, "car": 1}));
        assert_eq!(first["age_ms"], json!(200));
        assert_eq!(first["state"], json!("live"));
        let second: serde_json::Value = serde_json::from_str(&lines[1]).expect("JSON");
        assert_eq!(second["sees"], json!(null));
        assert_eq!(second["reason"]["code"], json!("unauthorized"));
    }

    #[test]
    fn a_missing_broker_is_a_line() {
        assert_eq!(
            connection("localhost:1883", Some("refused"), LineFormat::Text),
            "no broker: refused"
        );
        assert_eq!(
            connection("localhost:1883", None, LineFormat::Json),
            r#"{"broker":"localhost:1883","connected":true,"reason":null}"#
        );
    }
}
