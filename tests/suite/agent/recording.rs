//! How long a document's recordings are kept, as the box reports it: by what its processor tells of the disk.

use nvr::media::testcam::Testcam;
use serde_json::json;

use super::stage::{Stage, codes, document};
use crate::support::scratch::fresh;
use crate::support::stage::pattern_cameras;

#[test]
fn the_report_has_the_time_for_which_recordings_are_kept() {
    let mut stage = Stage::new();
    let cameras = Testcam::start(&pattern_cameras(1)).expect("cameras start");
    // Measured before a restart: a rate takes ten minutes.
    std::fs::create_dir_all(&stage.state).expect("a folder");
    let measured = json!({"continuous_bytes_per_day": 40_000_000_000_u64});
    let path = stage.state.join("recording-rates.json");
    std::fs::write(path, measured.to_string()).expect("written");
    stage.start();
    let recorded = json!({
        "camera": [{"id": 0, "uri": cameras.url(0)}],
        "processor": {"backend": "scripted"},
        "record": {"dir": fresh(), "budget": "100 MB", "min_free": "0 B", "accept_wear": true},
    });
    stage.desire(&document(1, recorded));
    let of_disk = stage.reported(|reported| reported["recording"]["kept_s"].is_u64());
    let expected = json!({"cameras": 1, "bytes_per_day": 40_000_000_000_u64, "kept_s": 216});
    assert_eq!(of_disk["recording"], expected);
    assert!(codes(&of_disk["warnings"]).contains(&"short-retention".to_owned()));
    let applied = stage.phase(1, "applied");
    assert_eq!(applied["recording"], expected);
    // Before the disk was told, the cameras and the rate alone.
    let reports = stage.all("reported");
    let first = reports
        .iter()
        .find_map(|reported| reported.get("recording"));
    let expected = json!({"cameras": 1, "bytes_per_day": 40_000_000_000_u64});
    assert_eq!(first, Some(&expected));
}
