//! The state of a fleet as a table or as JSON.

use super::FleetStatus;
use crate::fleet::RecordingEstimate;

const HEADINGS: [&str; 10] = [
    "DEVICE", "PRESENCE", "FIRMWARE", "UPDATE", "DESIRED", "APPLIED", "PHASE", "SOURCES", "FPS",
    "KEPT",
];

/// The table, its last line the sum. The column of the days for which recordings are kept is there if one of the devices records.
pub fn status_text(status: &FleetStatus) -> Vec<String> {
    let number =
        |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let mut table: Vec<[String; 10]> = vec![HEADINGS.map(str::to_owned)];
    let mut errors = Vec::new();
    for row in &status.rows {
        let dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
        table.push([
            row.device.clone(),
            row.presence.to_owned(),
            dash(&row.firmware),
            // A table of one word a cell.
            dash(&row.update.replace(' ', "/")),
            number(row.desired),
            number(row.applied),
            row.phase.to_owned(),
            match (row.live, row.sources) {
                (Some(live), Some(sources)) => format!("{live}/{sources}"),
                _ => "-".to_owned(),
            },
            match row.sources {
                Some(_) => format!("{:.1}", row.fps),
                None => "-".to_owned(),
            },
            kept(row.recording),
        ]);
        if let Some(error) = &row.error {
            errors.push(format!("{}: {error}", row.device));
        }
        if let Some(error) = &row.update_error {
            errors.push(format!("{}: firmware {}: {error}", row.device, row.update));
        }
        for model in &row.models {
            let reason = model.error.as_ref();
            let reason = reason.map_or_else(String::new, |error| format!(": {error}"));
            let phase = model.phase.as_str();
            errors.push(format!(
                "{}: the model {} is not ready ({phase}){reason}",
                row.device, model.id
            ));
        }
    }
    let width = |column: usize| {
        let cells = table.iter().filter_map(move |row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let records = status.rows.iter().any(|row| row.recording.is_some());
    let columns = HEADINGS.len() - usize::from(!records);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut lines: Vec<String> = table
        .iter()
        .map(|row| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect();
    lines.extend(errors);
    lines.push(format!(
        "{} of {} answered, {} online",
        grouped(status.answered),
        grouped(status.devices),
        grouped(status.online)
    ));
    lines
}

/// For how many days recordings are kept.
fn kept(recording: Option<RecordingEstimate>) -> String {
    let kept_s = recording.and_then(|recording| recording.kept_s);
    kept_s.map_or("-".to_owned(), |kept_s| {
        format!("{:.1}d", kept_s as f64 / 86_400.0)
    })
}

/// The state for programs.
pub fn status_json(status: &FleetStatus) -> String {
    serde_json::to_string(status).expect("invariant: a status has string keys and finite numbers")
}

/// A number with commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::desk::DeviceStatus;
    use crate::fleet::{DocumentError, ModelPhase, ModelState};

    #[test]
    fn the_table_is_aligned_and_ends_with_the_sum() {
        let row = |device: &str, presence, live, error| DeviceStatus {
            device: device.to_owned(),
            presence,
            firmware: "0.1.0".to_owned(),
            update: "2.1 failed".to_owned(),
            update_error: None,
            desired: Some(12),
            applied: Some(11),
            phase: "probation",
            live,
            sources: live.map(|_| 4),
            fps: 50.0,
            error,
            models: Vec::new(),
            recording: None,
        };
        let mut waiting = row("w", "offline", None, Some("x: bad (code)".to_owned()));
        waiting.update_error = Some("firmware: why (disk)".to_owned());
        waiting.models = vec![
            ModelState {
                id: "m".to_owned(),
                phase: ModelPhase::Failed,
                error: Some(DocumentError::new("models[0]", "fetch-failed", "no route")),
            },
            ModelState {
                id: "n".to_owned(),
                phase: ModelPhase::Building,
                error: None,
            },
        ];
        let status = FleetStatus {
            devices: 1000,
            answered: 998,
            online: 2,
            rows: vec![row("gate-1", "online", Some(3), None), waiting],
        };
        assert_eq!(
            status_text(&status),
            [
                "DEVICE  PRESENCE  FIRMWARE  UPDATE      DESIRED  APPLIED  PHASE      SOURCES  FPS",
                "gate-1  online    0.1.0     2.1/failed  12       11       probation  3/4      50.0",
                "w       offline   0.1.0     2.1/failed  12       11       probation  -        -",
                "w: x: bad (code)",
                "w: firmware 2.1 failed: firmware: why (disk)",
                "w: the model m is not ready (failed): models[0]: no route (fetch-failed)",
                "w: the model n is not ready (building)",
                "998 of 1,000 answered, 2 online",
            ]
        );
        assert!(!status.is_complete());
        let json: serde_json::Value = serde_json::from_str(&status_json(&status)).expect("JSON");
        assert_eq!(json["rows"][0]["live"], 3);
    }

    #[test]
    fn the_days_of_recordings_are_a_column_if_a_device_records() {
        let row = |device: &str, recording| DeviceStatus {
            device: device.to_owned(),
            presence: "online",
            firmware: "0.1.0".to_owned(),
            update: String::new(),
            update_error: None,
            desired: Some(2),
            applied: Some(2),
            phase: "applied",
            live: Some(4),
            sources: Some(4),
            fps: 100.0,
            error: None,
            models: Vec::new(),
            recording,
        };
        let estimate = |kept_s| {
            Some(RecordingEstimate {
                cameras: 4,
                bytes_per_day: 172_800_000_000,
                kept_s,
            })
        };
        let status = FleetStatus {
            devices: 4,
            answered: 4,
            online: 4,
            rows: vec![
                row("gate-1", estimate(Some(803_520))),
                row("gate-2", estimate(Some(u64::MAX))),
                row("gate-3", estimate(None)),
                row("hall-1", None),
            ],
        };
        assert_eq!(
            status_text(&status),
            [
                "DEVICE  PRESENCE  FIRMWARE  UPDATE  DESIRED  APPLIED  PHASE    SOURCES  FPS    KEPT",
                "gate-1  online    0.1.0     -       2        2        applied  4/4      100.0  9.3d",
                "gate-2  online    0.1.0     -       2        2        applied  4/4      100.0  213503982334601.3d",
                "gate-3  online    0.1.0     -       2        2        applied  4/4      100.0  -",
                "hall-1  online    0.1.0     -       2        2        applied  4/4      100.0  -",
                "4 of 4 answered, 4 online",
            ]
        );
        let json: serde_json::Value = serde_json::from_str(&status_json(&status)).expect("JSON");
        assert_eq!(json["rows"][0]["recording"]["kept_s"], 803_520);
        assert_eq!(json["rows"][3].get("recording"), None);
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
