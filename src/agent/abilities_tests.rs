use super::*;
use crate::config::{ConfigSource, Environment, ProcessorFlags};
use crate::control::DetectorWork;

fn settings(backend: &str) -> Settings {
    let document = serde_json::json!({
        "instance_id": "box-1",
        "processor": {"backend": backend},
        "camera": [{"id": 1, "uri": "test-pattern:"}],
    });
    let source = ConfigSource::new(ProcessorFlags::default(), Environment::default());
    let source = source.with_document(document);
    source.load().expect("a good configuration")
}

fn abilities(dir: &Path, board: &str) -> Abilities {
    let path = dir.join("board.toml");
    std::fs::write(&path, board).expect("written");
    Abilities::new(dir, Some(&path), dir)
}

/// Has 4 frames per second measured.
fn measure(abilities: &mut Abilities) {
    let status = |seconds: u64| DetectorStatus {
        model: "scripted".to_owned(),
        backend: "scripted".to_owned(),
        classes: 1,
        work: DetectorWork {
            busy_us: seconds * 1_000_000,
            full_frames: seconds * 4,
            full_us: seconds * 1_000_000,
        },
    };
    assert!(!abilities.observed(Some(&status(0)), None, Duration::ZERO));
    assert!(abilities.observed(Some(&status(10)), None, Duration::from_secs(10)));
}

#[test]
fn the_capacity_is_that_of_the_detector_which_the_document_asks_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut known = abilities(dir.path(), "");
    assert_eq!(
        known.capacity(Some(&settings("scripted"))).inference_fps,
        None
    );
    measure(&mut known);
    assert_eq!(known.known().inference.len(), 1);
    // Also after a restart.
    for known in [known, abilities(dir.path(), "")] {
        let capacity = |backend| known.capacity(Some(&settings(backend)));
        assert_eq!(capacity("scripted").inference_fps, Some(4.0));
        assert_eq!(capacity("rten").inference_fps, None);
        assert_eq!(known.capacity(None).inference_fps, None);
    }
}

#[test]
fn the_board_file_limits_decoders_and_monitors_before_any_role_has_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = "[decoder]\nsessions = 11\nsource = \"x\"\n[display]\nheads = 2\nsource = \"x\"";
    let known = abilities(dir.path(), text);
    assert_eq!(known.capacity(None).decoder_sessions, Some(11));
    assert_eq!(known.heads(), Some(2));
    let unknown = abilities(dir.path(), "");
    assert_eq!(unknown.capacity(None).decoder_sessions, None);
    assert_eq!((unknown.heads(), unknown.warnings), (None, vec![]));
    let bad = abilities(dir.path(), "[decoder]\nsessions = 11");
    assert_eq!(bad.capacity(None).decoder_sessions, None);
    assert_eq!(bad.warnings[0].code, codes::BOARD_FILE);
}

#[test]
fn outputs_are_those_of_the_kernel_with_the_planes_of_the_wall() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut known = abilities(dir.path(), "");
    assert!(!known.look());
    let connector = dir.path().join("class/drm/card0-HDMI-A-1");
    std::fs::create_dir_all(&connector).expect("a folder");
    std::fs::write(connector.join("status"), "connected\n").expect("written");
    let planes = BTreeMap::from([("HDMI-A-1".to_owned(), 3)]);
    assert!(known.observed(None, Some(&planes), Duration::ZERO));
    assert!(!known.observed(None, Some(&planes), Duration::ZERO));
    let output = &known.known().outputs[0];
    assert_eq!(
        (&*output.connector, output.connected, output.planes),
        ("HDMI-A-1", true, 3)
    );
}
