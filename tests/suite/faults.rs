//! What goes wrong in the field, one source at a time: the others keep their rate, the log and the retained status say what
//! happened, and all comes back by itself.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use nvr::base::Size;
use nvr::config::{Credentials, Secret};
use nvr::detect::OutputFormat;
use nvr::media::testcam::{LoginScheme, Testcam, TestcamLogin, TestcamOptions};
use serde_json::Value;

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::onnx::TinyNetwork;
use crate::support::process::{Running, nvr};
use crate::support::stage::{Stage, arguments, documents, pattern_cameras, processor};
use crate::support::wait::{SOON, until};

/// Whether source `id` goes on in its session, and shows every frame but for those that it counts as replaced by newer ones. How many
/// a second that is depends on what else the machine does.
fn goes_on(stage: &Stage, id: u32) {
    let events = stage.events(id, 8);
    let number = |event: Option<&Value>| event.and_then(|event| event["frame_id"].as_u64());
    let (first, last) = (number(events.first()), number(events.last()));
    let span = last.zip(first).map(|(last, first)| last - first + 1);
    let lost = span.expect("numbers") - events.len() as u64;
    let topic = format!("nvr/sources/{id}");
    // Figures are published every ten seconds.
    stage.wait_for(&topic, "what it counts", |status| {
        status["reconnects"] == 0 && status["dropped"].as_u64() >= Some(lost)
    });
    let states = stage.published(&topic);
    let lives = states.iter().skip_while(|status| status["state"] != "live");
    assert!(
        lives.clone().all(|status| status["state"] == "live"),
        "{states:#?}"
    );
}

#[test]
fn one_of_four_cameras_silent_from_the_start_costs_the_others_nothing() {
    let mut cameras = pattern_cameras(4);
    cameras.cameras[2].silent = true;
    let stage = Stage::with(Kind::Mosquitto, &cameras, &[]);
    let status = stage.status(2, "failed");
    assert_eq!(status["reason"]["code"], "no-frame", "{status}");
    for id in [0, 1, 3] {
        stage.status(id, "live");
    }
    goes_on(&stage, 3);
    stage.cameras.silence(2, false);
    stage.events(2, 5);
    stage.status(2, "live");
}

#[test]
fn a_camera_that_falls_silent_is_stalled_and_comes_back() {
    let stage = Stage::start(2, &[]);
    stage.events(0, 3);
    stage.events(1, 3);
    stage.cameras.silence(0, true);
    let stalled = stage.status(0, "stalled");
    assert_eq!(stalled["reason"]["code"], "stalled", "{stalled}");
    goes_on(&stage, 1);
    stage.cameras.silence(0, false);
    stage.events(0, 5);
}

#[test]
fn a_camera_server_that_is_killed_and_restarted_is_found_again() {
    let mut stage = Stage::start(2, &[]);
    stage.events(0, 3);
    let port = stage.cameras.port();
    let gone = std::mem::replace(
        &mut stage.cameras,
        Testcam::start(&pattern_cameras(0)).expect("a server"),
    );
    gone.stop();
    // The first word is of the session that ended, the next one of the attempt to begin another.
    let failed = stage.wait_for("nvr/sources/0", "the server's absence", |status| {
        status["reason"]["code"] == "unreachable"
    });
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(
        failed["reason"]["message"]
            .as_str()
            .is_some_and(|message| message.contains(&port.to_string())),
        "{failed}"
    );
    stage.logged("unreachable");
    stage.cameras = Testcam::start(&TestcamOptions {
        port,
        ..pattern_cameras(2)
    })
    .expect("the server is back");
    stage.events(0, 5);
    stage.events(1, 5);
}

#[test]
fn garbage_on_the_rtsp_port_is_called_by_its_name() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        // Kept open: whoever hangs up is merely gone.
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 512];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&b"\xa7\xa7\xa7 no RTSP here\r\n".repeat(64));
            open.push(stream);
        }
    });
    let source = format!("7=rtsp://127.0.0.1:{port}/live7.stream");
    let stage = Stage::start(1, &["--source", &source]);
    let failed = stage.status(7, "failed");
    assert_eq!(failed["reason"]["code"], "garbage", "{failed}");
    stage.status(0, "live");
    goes_on(&stage, 0);
}

#[test]
fn a_wrong_password_is_told_as_401_and_never_shown() {
    let cameras = TestcamOptions {
        login: Some(TestcamLogin {
            credentials: Credentials {
                username: Secret::new("viewer"),
                password: Secret::new("right"),
            },
            scheme: LoginScheme::Digest,
        }),
        ..pattern_cameras(1)
    };
    let broker = Broker::start(Kind::Mosquitto);
    let server = Testcam::start(&cameras).expect("cameras start");
    let reader = broker.observe("nvr/#");
    let with = |password: &str| {
        let url = server.url(0).to_string();
        let mut words = arguments(&broker, &Testcam::start(&pattern_cameras(0)).expect("none"));
        words.extend([
            "--source".to_owned(),
            format!(
                "0={}",
                url.replace("rtsp://", &format!("rtsp://viewer:{password}@"))
            ),
        ]);
        processor(words)
    };
    let wrong = with("hunter2");
    let failed = until("the refusal", SOON, || {
        documents(&reader, "nvr/sources/0")
            .into_iter()
            .find(|status| status["state"] == "failed")
    });
    assert_eq!(failed["reason"]["code"], "unauthorized", "{failed}");
    assert!(
        failed["reason"]["message"]
            .as_str()
            .is_some_and(|message| message.contains("401")),
        "{failed}"
    );
    for line in wrong.err().all().iter().chain(&reader.out().all()) {
        assert!(!line.contains("hunter2"), "{line}");
    }
    drop(wrong);
    let _right = with("right");
    until("an event", SOON, || {
        documents(&reader, "nvr/detections/0").pop()
    });
}

#[test]
fn a_broker_that_is_not_there_at_start_and_dies_later_is_no_reason_to_stop() {
    for (kind, persistence) in [
        (Kind::Mosquitto, false),
        (Kind::Mosquitto, true),
        (Kind::Ours, false),
    ] {
        let mut broker = Broker::absent(
            kind,
            Setup {
                persistence,
                ..Setup::default()
            },
        );
        let cameras = Testcam::start(&pattern_cameras(1)).expect("cameras start");
        let running = processor(arguments(&broker, &cameras));
        running.err().find("the broker's absence", SOON, |line| {
            line.contains("WARN") && line.contains(&broker.port().to_string())
        });
        for round in 0..2 {
            broker.up();
            let reader = broker.observe("nvr/#");
            let what = format!("an event of round {round} through {kind:?}");
            until(&what, SOON * 2, || {
                documents(&reader, "nvr/detections/0").pop()
            });
            until("the retained presence", SOON, || {
                documents(&reader, &format!("nvr/processors/box-{}", broker.port()))
                    .into_iter()
                    .find(|presence| presence["state"] == "online")
            });
            until("the retained status", SOON, || {
                documents(&reader, "nvr/sources/0")
                    .into_iter()
                    .find(|status| status["state"] == "live")
            });
            drop(reader);
            broker.kill();
        }
    }
}

#[test]
fn an_unwritable_cache_stops_only_what_has_to_be_written() {
    // Nobody makes files there, root neither. Two levels deep: GStreamer takes the rights of others from the folder of a registry that
    // it can't write, which as root it could.
    const NOWHERE: &str = "/proc/nvr/none";
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = Testcam::start(&pattern_cameras(1)).expect("cameras start");
    let reader = broker.observe("nvr/#");
    let homeless = |arguments: Vec<String>| {
        let mut command = nvr();
        for name in [
            "NVR_CACHE",
            "HOME",
            "XDG_CACHE_HOME",
            "XDG_RUNTIME_DIR",
            "NVR_RUNTIME_DIR",
            "GST_REGISTRY",
        ] {
            command.env(name, NOWHERE);
        }
        command.args(arguments);
        Running::start(command)
    };
    let _processor = homeless(arguments(&broker, &cameras));
    until("an event", SOON * 2, || {
        documents(&reader, "nvr/detections/0").pop()
    });
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("tiny.onnx");
    let network = TinyNetwork::finding(OutputFormat::Yolov8, Size::new(96, 64), 2, &[]);
    std::fs::write(&file, network.onnx()).expect("written");
    let import = [
        "model",
        "import",
        &file.display().to_string(),
        "--id",
        "tiny",
        "--labels",
        "person,van",
    ];
    let mut import = homeless(import.map(str::to_owned).to_vec());
    assert_eq!(import.end(SOON).code(), Some(1));
    let text = import.err().settled().join("\n");
    assert!(
        text.contains("could not write /proc/nvr/none/models") && text.contains("--models-dir"),
        "{text}"
    );
}

#[test]
fn a_corrupted_model_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("broken-32");
    std::fs::create_dir(&model).expect("a folder");
    let manifest = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/yolo12n-640/model.toml"
    ))
    .expect("a manifest");
    std::fs::write(model.join("model.toml"), manifest).expect("written");
    std::fs::write(model.join("model.onnx"), b"not a network").expect("written");
    let mut running = processor([
        "processor",
        "--models-dir",
        &dir.path().display().to_string(),
        "--model",
        "broken-32",
        "--source",
        "0=test-pattern:",
        "--mqtt-port",
        "1",
    ]);
    assert_eq!(running.end(SOON).code(), Some(2));
    let text = running.err().all().join("\n");
    assert!(
        text.contains("model.onnx is damaged or another file") && text.contains("expected SHA-256"),
        "{text}"
    );
}
