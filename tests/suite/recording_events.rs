//! Recording of events only, by the processor as a process.

use nvr::media::testcam::Testcam;

use crate::recording::{fsck, recordings};
use crate::support::broker::{Broker, Kind};
use crate::support::process::{Running, nvr};
use crate::support::stage::{configuration, documents, pattern_cameras};
use crate::support::wait::{SOON, until};

#[test]
fn a_camera_is_recorded_while_its_objects_are_seen_and_otherwise_armed() {
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = Testcam::start(&pattern_cameras(2)).expect("cameras start");
    let reader = broker.observe("nvr/#");
    let dir = tempfile::tempdir().expect("a folder");
    let rec = dir.path().join("rec");
    let file = tempfile::NamedTempFile::new().expect("a file");
    // The pattern has persons all the time, and no forklift.
    let write = |first: &str| {
        let camera = |class: &str| format!("record = \"events\"\nevent_classes = [\"{class}\"]");
        let text = configuration(&broker, &cameras, &[0], &camera(first));
        let second = format!(
            "[[camera]]\nid = 1\nuri = \"{}\"\n{}\n",
            cameras.url(1),
            camera("forklift")
        );
        let record = format!(
            "[record]\ndir = \"{}\"\npre_roll = \"2s\"\npost_roll = \"2s\"\n",
            rec.display()
        );
        std::fs::write(file.path(), text + &second + &record).expect("written");
    };
    write("person");
    let mut command = nvr();
    command.arg("processor").arg("--config").arg(file.path());
    let mut processor = Running::start(command);
    let told = |id: u32, state: &str| {
        until(&format!("camera {id} is {state}"), SOON * 3, || {
            let status = documents(&reader, &format!("nvr/sources/{id}")).pop()?;
            (status["recording"]["state"] == state).then_some(())
        });
    };
    told(0, "recording");
    told(1, "armed");
    until("it is written", SOON * 3, || {
        let files = recordings(&rec, 0);
        let bytes = files.first()?.metadata().ok()?.len();
        (bytes > 10_000).then_some(())
    });
    write("forklift");
    processor.signal("HUP");
    told(0, "armed");
    processor.signal("TERM");
    assert!(processor.end(SOON).success());
    assert!(!recordings(&rec, 0).is_empty());
    assert!(recordings(&rec, 1).is_empty());
    let (code, said) = fsck(&rec);
    assert_eq!(code, Some(0), "{said}");
}
