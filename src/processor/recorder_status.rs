//! The status of a processor's recorder for the control socket: what an agent needs to tell how long recordings are kept.

use crate::config::{RecordChoice, Settings};
use crate::control::{RecordedCameras, RecorderStatus};
use crate::record::{RecordingReport, RecordingState};

/// The status of a recorder with these settings. `None` if recordings are not configured.
pub(super) fn recorder_status(
    settings: &Settings,
    report: &RecordingReport,
) -> Option<RecorderStatus> {
    let record = settings.record.as_ref()?;
    let space = &report.space;
    Some(RecorderStatus {
        dir: record.dir.display().to_string(),
        continuous: recorded(settings, report, RecordChoice::Continuous),
        events: recorded(settings, report, RecordChoice::Events),
        recordings_bytes: space.is_counted.then_some(space.recordings_bytes),
        free_bytes: space.free_bytes,
    })
}

fn recorded(settings: &Settings, report: &RecordingReport, mode: RecordChoice) -> RecordedCameras {
    let mut sum = RecordedCameras::default();
    for (id, of_source) in &report.sources {
        let configured = settings.sources.get(id);
        if configured.is_some_and(|source| source.record == mode) {
            let is_recorded = matches!(
                of_source.state,
                RecordingState::Recording | RecordingState::Armed
            );
            sum.cameras += u32::from(is_recorded);
            sum.bytes = sum.bytes.saturating_add(of_source.bytes);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::base::{Clock, SourceId};
    use crate::config::{ConfigSource, Environment, ProcessorFlags};
    use crate::record::{RecordSettings, Recorder, SourceReport};

    fn settings(dir: &Path) -> Settings {
        let camera = |id: u32, record: &str| serde_json::json!({"id": id, "uri": "rtsp://10.0.0.20/main", "record": record});
        let cameras = [
            camera(1, "continuous"),
            camera(2, "continuous"),
            camera(3, "events"),
        ];
        let document = serde_json::json!({"record": {"dir": dir}, "camera": cameras});
        let source = ConfigSource::new(ProcessorFlags::default(), Environment::default());
        let source = source.with_document(document);
        source.load().expect("a good configuration")
    }

    #[test]
    fn cameras_and_bytes_are_told_by_mode_and_space_once_it_is_counted() {
        let dir = tempfile::tempdir().expect("a folder");
        let settings = settings(dir.path());
        let recorder = Recorder::start(RecordSettings::new(dir.path()), Clock::system());
        let mut report = recorder.expect("it starts").report();
        let of = |state, bytes| SourceReport {
            state,
            bytes,
            ..SourceReport::default()
        };
        report.sources = BTreeMap::from([
            (SourceId(1), of(RecordingState::Recording, 700)),
            // It was recorded before.
            (SourceId(2), of(RecordingState::Waiting, 80)),
            (SourceId(3), of(RecordingState::Armed, 9)),
            // It is being removed.
            (SourceId(4), of(RecordingState::Recording, 5000)),
        ]);
        report.space.is_counted = false;
        report.space.recordings_bytes = 790;
        report.space.free_bytes = Some(1000);
        let cameras = |cameras, bytes| RecordedCameras { cameras, bytes };
        let expected = RecorderStatus {
            dir: dir.path().display().to_string(),
            continuous: cameras(1, 780),
            events: cameras(1, 9),
            recordings_bytes: None,
            free_bytes: Some(1000),
        };
        assert_eq!(recorder_status(&settings, &report), Some(expected.clone()));
        report.space.is_counted = true;
        let counted = RecorderStatus {
            recordings_bytes: Some(790),
            ..expected
        };
        assert_eq!(recorder_status(&settings, &report), Some(counted));
        let nothing = Settings {
            record: None,
            ..settings
        };
        assert_eq!(recorder_status(&nothing, &report), None);
    }
}
