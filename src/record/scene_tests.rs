use super::*;
use crate::record::mp4::mutate;

fn object(class_name: &str, confidence: f32, track: Option<u64>) -> SceneObject {
    SceneObject {
        class_name: class_name.into(),
        confidence,
        bbox: BBox {
            x: 100.5,
            y: 80.25,
            width: 40.0,
            height: 0.0,
        },
        track,
    }
}

fn scene(at_ms: u64, objects: Vec<SceneObject>) -> Scene {
    Scene {
        captured_unix: Duration::from_millis(1_795_854_600_123 + at_ms),
        ntp_ns: Some(1_795_854_600_000_000_000 + at_ms),
        frame_size: Size::new(1920, 1080),
        objects,
    }
}

fn scenes() -> Vec<Scene> {
    let mut by_arrival = scene(100, Vec::new());
    by_arrival.ntp_ns = None;
    vec![
        scene(
            0,
            vec![
                object("person", 1.0, Some(u64::MAX)),
                object("Fahrrad ö", 0.0, None),
                object("person", 0.5, Some(3)),
            ],
        ),
        by_arrival,
        scene(200, vec![object("car", 0.25, Some(0))]),
    ]
}

fn encoded(scenes: &[Scene]) -> Vec<u8> {
    encode(scenes).expect("not too many")
}

/// What is read of one object that is written beside a sound one.
fn read_beside_a_sound_one(other: SceneObject) -> Vec<SceneObject> {
    let bytes = encoded(&[scene(0, vec![other, object("car", 0.5, None)])]);
    decode(&bytes).expect("sound").remove(0).objects
}

fn reason(bytes: &[u8]) -> String {
    decode(bytes).expect_err("no scenes").to_string()
}

/// The encoding of one scene with one object, changed before it is written.
fn changed(change: impl FnOnce(&mut WrittenScene)) -> Vec<u8> {
    let object = object("car", 0.5, None);
    let scene = scene(0, vec![object]);
    let mut written = WrittenScene::of(&scene, &mut |_| 0);
    change(&mut written);
    let all = WrittenScenes {
        class_names: vec!["car"],
        scenes: vec![written],
    };
    postcard::to_extend(&all, vec![VERSION]).expect("memory")
}

#[test]
fn scenes_are_read_as_they_were_written() {
    assert_eq!(decode(&encoded(&scenes())), Ok(scenes()));
    assert_eq!(decode(&encoded(&[])), Ok(Vec::new()));
}

/// Version 1 in files. These bytes must not change: another form needs a new version, and readers of both.
#[test]
fn the_encoding_of_version_1_stays() {
    let mut small = scene(0, vec![object("car", 0.5, Some(300))]);
    small.captured_unix = Duration::from_nanos(128);
    small.ntp_ns = Some(1);
    let bytes = encoded(&[small]);
    let mut expected = vec![1];
    // One class.
    expected.extend(b"\x01\x03car");
    // One scene: 128 ns, NTP time 1 ns, 1920 × 1080.
    expected.extend(b"\x01\x80\x01\x01\x01\x80\x0f\xb8\x08");
    // One object of class 0: confidence, box, track 300.
    expected.extend(b"\x01\x00");
    for number in [0.5_f32, 100.5, 80.25, 40.0, 0.0] {
        expected.extend(number.to_le_bytes());
    }
    expected.extend(b"\x01\xac\x02");
    assert_eq!(bytes, expected);
}

#[test]
fn what_a_reader_refuses_is_not_written() {
    let sound = [object("car", 0.5, None)];
    for confidence in [f32::NAN, f32::INFINITY, -0.1, 1.1] {
        assert_eq!(
            read_beside_a_sound_one(object("car", confidence, None)),
            sound
        );
    }
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in 0..4 {
            let mut other = object("car", 0.5, None);
            let BBox {
                x,
                y,
                width,
                height,
            } = &mut other.bbox;
            *[x, y, width, height][place] = number;
            assert_eq!(read_beside_a_sound_one(other), sound, "{place}");
        }
    }
    let mut negative = object("car", 0.5, None);
    negative.bbox.height = -1.0;
    assert_eq!(read_beside_a_sound_one(negative), sound);
    let mut without_size = scenes();
    without_size[0].frame_size.height = 0;
    assert_eq!(decode(&encoded(&without_size)), Ok(scenes()[1..].to_vec()));
}

#[test]
fn long_names_and_many_objects_are_cut() {
    // 255 bytes, and a letter of two.
    let name = format!("{}ö", "n".repeat(255));
    let read = read_beside_a_sound_one(object(&name, 0.5, None));
    assert_eq!(&*read[0].class_name, "n".repeat(255));
    let crowd = scene(0, vec![object("person", 0.5, None); MOST_OBJECTS + 1]);
    let read = decode(&encoded(&[crowd])).expect("sound");
    assert_eq!(read[0].objects.len(), MOST_OBJECTS);
}

#[test]
fn too_many_scenes_are_not_written() {
    let empty = scene(0, Vec::new());
    let most = vec![empty.clone(); MOST_SCENES];
    assert_eq!(decode(&encoded(&most)), Ok(most));
    assert_eq!(encode(&vec![empty; MOST_SCENES + 1]), None);
    let crowd = scene(0, vec![object("person", 0.5, Some(u64::MAX)); MOST_OBJECTS]);
    assert_eq!(encode(&vec![crowd; 100]), None);
    let classes = (0..=MOST_CLASSES).map(|class| object(&class.to_string(), 0.5, None));
    let classes: Vec<_> = classes.collect();
    let halves = classes.chunks(MOST_CLASSES / 2);
    let scenes: Vec<_> = halves.map(|objects| scene(0, objects.to_vec())).collect();
    assert_eq!(encode(&scenes), None);
}

#[test]
fn bytes_that_are_no_scenes_are_refused_with_the_reason() {
    assert_eq!(
        reason(&[]),
        "scenes have version None; this program reads version 1"
    );
    let mut later = encoded(&scenes());
    later[0] = 2;
    assert_eq!(
        reason(&later),
        "scenes have version Some(2); this program reads version 1"
    );
    let mut longer = encoded(&scenes());
    longer.extend([0; 3]);
    assert_eq!(reason(&longer), "3 bytes follow the scenes");
    let whole = encoded(&scenes());
    for length in 0..whole.len() {
        decode(&whole[..length]).expect_err("a part is no whole");
    }
    assert_eq!(
        reason(&vec![VERSION; LARGEST_SCENES_BYTES + 1]),
        "scenes with 2097153 bytes (limit 2097152)"
    );
}

#[test]
fn numbers_that_can_not_be_are_refused() {
    assert!(decode(&changed(|_| ())).is_ok());
    let refused = |change: &dyn Fn(&mut WrittenScene)| reason(&changed(change));
    assert_eq!(
        refused(&|scene| scene.width = 0),
        "scene 0 has a frame size that is out of range"
    );
    assert_eq!(
        refused(&|scene| scene.objects[0].class = 1),
        "scene 0 has a class that is out of range"
    );
    for confidence in [f32::NAN, 1.5, -0.5] {
        assert_eq!(
            refused(&|scene| scene.objects[0].confidence = confidence),
            "scene 0 has a confidence that is out of range"
        );
    }
    for (place, number) in [(0, f32::NAN), (1, f32::INFINITY), (2, -1.0), (3, f32::NAN)] {
        assert_eq!(
            refused(&|scene| scene.objects[0].bbox[place] = number),
            "scene 0 has a box that is out of range"
        );
    }
    let crowd = changed(|scene| {
        let object = || WrittenObject {
            class: 0,
            confidence: 0.5,
            bbox: [0.0; 4],
            track: None,
        };
        scene.objects = std::iter::repeat_with(object)
            .take(MOST_OBJECTS + 1)
            .collect();
    });
    assert_eq!(
        reason(&crowd),
        "scenes with 1001 objects of one frame (limit 1000)"
    );
}

#[test]
fn random_and_changed_bytes_do_not_panic() {
    let mut random = fastrand::Rng::with_seed(21);
    let sound = encoded(&scenes());
    let mut accepted = 0;
    for round in 0..20_000 {
        let mut bytes = sound.clone();
        if round % 4 == 0 {
            bytes = vec![0; random.usize(1..200)];
            random.fill(&mut bytes[1..]);
            bytes[0] = VERSION;
        } else {
            mutate(&mut bytes, &mut random);
        }
        if let Ok(scenes) = decode(&bytes) {
            accepted += 1;
            assert_eq!(decode(&encoded(&scenes)), Ok(scenes));
        }
    }
    assert!(
        accepted > 100,
        "{accepted}: the checks of numbers were reached"
    );
}
