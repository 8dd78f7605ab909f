//! Tests of the file itself: missing, read again, as JSON, as editors write it, and with many cameras.

use super::*;
use crate::config::{CommonFlags, WallFlags};

fn of_file(file: &Path) -> CommonFlags {
    CommonFlags {
        config: file.to_str().map(str::to_owned),
        ..CommonFlags::default()
    }
}

#[test]
fn missing_files_and_missing_cameras_are_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("nvr.toml");
    std::fs::write(&config, "camera = []\n[mqtt.tls]\nca = \"ca.pem\"\n").expect("written");
    let flags = ProcessorFlags {
        common: of_file(&config),
        ..ProcessorFlags::default()
    };
    let problems = ConfigSource::new(flags, Environment::default())
        .load()
        .expect_err("problems");
    let (dir, config) = (dir.path().display(), config.display());
    assert_eq!(
        problems.to_string(),
        format!(
            "mqtt.tls.ca: can't read {dir}/ca.pem: No such file or directory (os error 2) [{config}:3:1]\n\
             camera: no camera is configured; add a [[camera]], or give --n, --streams or --source [{config}:1:1]"
        )
    );
}

#[test]
fn reading_again_sees_the_file_as_it_is_now_under_the_same_options() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("nvr.toml");
    let flags = ProcessorFlags {
        common: of_file(&config),
        ..ProcessorFlags::default()
    };
    let flags = flags.with("mqtt-qos", Some(1));
    let source = ConfigSource::new(flags, Environment::default());
    assert!(source.load().is_err_and(|problems| {
        problems
            .to_string()
            .contains("can't read the configuration file")
    }));
    std::fs::write(&config, FILE).expect("written");
    let first = source.load().expect("no problem");
    std::fs::write(&config, FILE.replace("0.3", "0.6")).expect("written");
    let second = source.load().expect("no problem");
    let confidence = |settings: &Settings| settings.sources[&SourceId(0)].analysis.confidence;
    assert_eq!((confidence(&first), confidence(&second)), (0.3, 0.6));
    assert_eq!((first.mqtt.qos, second.mqtt.qos), (1, 1));
}

#[test]
fn a_json_document_is_the_same_as_the_file() {
    let json: serde_json::Value = toml::from_str(FILE).expect("the same structure");
    let source = source(&[], &[], FILE);
    assert_eq!(source.with_document(json).load(), source.load());
    assert!(source.with_document(serde_json::json!([1])).load().is_err());
}

#[test]
fn the_published_example_is_accepted() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("camera-0"), "pw\n").expect("written");
    let file = include_str!("published.toml");
    let directory = dir.path().to_str().expect("text");
    let variables = [
        ("MQTT_USERNAME", "nvr"),
        ("MQTT_PASSWORD", "secret"),
        ("CREDENTIALS_DIRECTORY", directory),
    ];
    let settings = load(&[], &variables, file);
    let camera = &settings.sources[&SourceId(0)];
    assert_eq!(
        camera
            .stream
            .credentials
            .as_ref()
            .map(|c| c.password.reveal()),
        Some("pw")
    );
    assert_eq!(settings.instance_id, "dock-box-1");
}

#[test]
fn a_file_is_read_whatever_its_editor_put_into_it() {
    let text = "instance_id = \"box\"\n\n[mqtt]\nport = 1884\n[[camera]]\nid = 3\nname = \"Tor\u{a0}2\"\nuri = \"test-pattern:\"\n";
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("nvr.toml");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        let mut flags = ProcessorFlags::default();
        flags.common.config = path.to_str().map(str::to_owned);
        ConfigSource::new(flags, Environment::default()).load()
    };
    let meant = read(text.as_bytes()).expect("as written");
    assert_eq!(
        meant.sources[&SourceId(3)].name.as_deref(),
        Some("Tor\u{a0}2")
    );
    for written in [
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\r"),
        text.replace('\n', " \t\u{a0}\n"),
        text.replace(" = ", "\u{a0}=\u{a0}"),
        text.replace("[mqtt]", "\t[mqtt]\u{200b}"),
        text.trim_end().to_owned(),
    ] {
        assert_eq!(read(written.as_bytes()).as_ref(), Ok(&meant), "{written:?}");
    }
    let utf16: Vec<u8> = [0xfeff]
        .into_iter()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let refused = read(&utf16).expect_err("UTF-16").to_string();
    assert!(
        refused.starts_with("can't read the configuration file: it is UTF-16; save it as UTF-8 ["),
        "{refused}"
    );
}

/// How long `count` cameras take to be checked, at best.
/// Of the processor, not of the clock: other tests run at the same time.
fn time_to_check(text: &str) -> (std::time::Duration, usize) {
    let thread_time = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let mut problems = 0;
    let best = (0..3).map(|_| {
        let begun = thread_time();
        let source = ConfigSource::new(WallFlags::default(), Environment::default());
        problems = match source.with_toml(text).load_all() {
            Ok(_) => 0,
            Err(found) => found.iter().count(),
        };
        thread_time() - begun
    });
    (best.min().unwrap_or_default(), problems)
}

#[test]
fn four_times_the_cameras_take_no_more_than_their_share_of_time() {
    // By lines, on one line, with a mistake in each, and each named by a monitor.
    let by_lines = |count: u32| -> String {
        let camera = |id| format!("[[camera]]\nid = {id}\nuri = \"rtsp://10.0.0.1/{id}\"\n");
        (0..count).map(camera).collect()
    };
    let on_one_line = |count: u32| {
        let camera = |id: u32| format!("{{ id = {id}, uri = \"rtsp://10.0.0.1/{id}\" }}");
        let cameras: Vec<String> = (0..count).map(camera).collect();
        format!("camera = [{}]\n", cameras.join(", "))
    };
    let mistaken = |count: u32| by_lines(count).replace("uri", "url");
    let on_a_monitor = |count: u32| {
        let ids: Vec<String> = (0..count).map(|id| id.to_string()).collect();
        format!(
            "{}[[wall.head]]\ncameras = [{}]\n",
            by_lines(count),
            ids.join(", ")
        )
    };
    let kinds: [&dyn Fn(u32) -> String; 4] = [&by_lines, &on_one_line, &mistaken, &on_a_monitor];
    for (kind, text) in kinds.into_iter().enumerate() {
        let (few, found) = time_to_check(&text(1000));
        let (many, found_in_many) = time_to_check(&text(4000));
        assert_eq!(found, found_in_many, "kind {kind}");
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        // Four, and sixteen where each camera is compared with each.
        assert!(ratio < 9.0, "kind {kind}: {few:?} and {many:?}");
    }
}
