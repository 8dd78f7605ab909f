//! `nvr camera probe` on test cameras whose every figure is known.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use nvr::base::Size;
use nvr::config::{Credentials, Secret, TestPattern};
use nvr::media::testcam::{
    CameraOptions, Feed, LoginScheme, Testcam, TestcamLogin, TestcamOptions,
};
use serde_json::{Value, json};

use crate::support::cameras::make_clip;
use crate::support::quirky_camera::{Quirk, QuirkyCamera};
use crate::support::wait::SOON;

const SIZE: Size = Size::new(320, 240);

fn camera() -> CameraOptions {
    CameraOptions::new(Feed::Pattern(TestPattern {
        size: SIZE,
        fps: 20.0,
        objects: 3,
    }))
}

fn start(camera: CameraOptions, login: Option<LoginScheme>) -> Testcam {
    Testcam::start(&TestcamOptions {
        cameras: vec![camera],
        login: login.map(|scheme| TestcamLogin {
            credentials: Credentials {
                username: Secret::new("viewer"),
                password: Secret::new("right"),
            },
            scheme,
        }),
        ..TestcamOptions::default()
    })
    .expect("the test camera starts")
}

/// Runs the command; `password` in the environment and a short measurement.
fn probe(uri: &str, password: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nvr"))
        .args(["camera", "probe", uri, "--duration", "1500ms"])
        .args(arguments)
        .env("CAMERA_PASSWORD", password)
        .env("NVR_LOG", "off")
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a report in JSON")
}

fn number(report: &Value, field: &str) -> f64 {
    report[field]
        .as_f64()
        .unwrap_or_else(|| panic!("no {field} in {report}"))
}

fn is_about(report: &Value, field: &str, wanted: f64, tolerance: f64) -> bool {
    (number(report, field) - wanted).abs() <= tolerance
}

/// Probes until the figures are as wanted: on a busy machine a short measurement may be of another rate.
fn measured(uri: &str, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + SOON * 2;
    loop {
        let report = report(&probe(uri, "", arguments));
        if wanted(&report) {
            return report;
        }
        assert!(Instant::now() < deadline, "{report:#}");
    }
}

const LOGIN: [&str; 4] = ["--username", "viewer", "--password-env", "CAMERA_PASSWORD"];

#[test]
fn a_camera_s_figures_are_measured_and_its_picture_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let jpeg = folder.path().join("first.jpg");
    let testcam = start(camera(), None);
    let url = testcam.url(0);
    let saved = jpeg.to_str().expect("a plain path");
    let arguments = ["--format", "json", "--jpeg", saved];
    let report = measured(url.as_str(), &arguments, |report| {
        is_about(report, "fps", 20.0, 2.0)
            && is_about(report, "key_frame_interval_s", 1.0, 0.2)
            // Delays can only make the camera's clock look slow.
            && is_about(report, "clock_offset_ms", -50.0, 100.0)
    });
    assert_eq!(report["uri"], json!(url.as_str()));
    assert_eq!(report["login"], json!("not-asked"));
    assert_eq!(
        report["streams"],
        json!([{"media": "video", "encoding": "H264"}])
    );
    assert_eq!(report["codec"], json!("h264"));
    assert_eq!(report["decoder"], json!("avdec_h264"));
    assert_eq!(report["size"], json!({"width": 320, "height": 240}));
    assert_eq!(report["sender_reports"], json!(true));
    assert_eq!(report["problem"], Value::Null);
    let bitrate = number(&report, "bitrate_kbps");
    assert!((10.0..2000.0).contains(&bitrate), "{bitrate}");
    let picture = image::open(&jpeg).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (320, 240));
    let meta = std::fs::metadata(&jpeg).expect("it is there");
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_clock_that_is_hours_wrong_and_a_missing_one_are_told() {
    let mut wrong = camera();
    wrong.clock_offset_ms = 2 * 3600 * 1000;
    let testcam = start(wrong, None);
    measured(testcam.url(0).as_str(), &["--format", "json"], |report| {
        is_about(report, "clock_offset_ms", 7_200_000.0, 500.0)
    });
    let mut untold = camera();
    untold.sender_reports = false;
    let testcam = start(untold, None);
    let output = probe(testcam.url(0).as_str(), "", &[]);
    assert!(
        text(&output.stdout).contains("unknown: no sender report"),
        "{output:?}"
    );
}

#[test]
fn a_login_is_told_to_be_needed_refused_or_accepted() {
    for scheme in [LoginScheme::Basic, LoginScheme::Digest] {
        let testcam = start(camera(), Some(scheme));
        let url = testcam.url(0);
        let needed = probe(url.as_str(), "", &[]);
        assert_eq!(needed.status.code(), Some(3));
        let message = text(&needed.stderr);
        assert!(
            message.contains("asks for a login (401 Unauthorized)"),
            "{message}"
        );
        let refused = probe(url.as_str(), "wrong", &LOGIN);
        assert_eq!(refused.status.code(), Some(3));
        let message = text(&refused.stderr);
        assert!(
            message.contains("refused the login (401 Unauthorized)"),
            "{message}"
        );
        assert!(!message.contains("wrong"), "{message}");
        let accepted = probe(url.as_str(), "right", &LOGIN);
        assert!(accepted.status.success(), "{}", text(&accepted.stderr));
        let shown = text(&accepted.stdout);
        assert!(shown.contains("asked for, accepted"), "{shown}");
        assert!(!shown.contains("right"), "{shown}");
    }
}

/// Passes everything on.
struct Plain;

impl Quirk for Plain {}

#[test]
fn a_probe_sends_a_wrong_password_once() {
    let testcam = start(camera(), Some(LoginScheme::Digest));
    let counter = QuirkyCamera::before(testcam.port(), || Plain);
    let refused = probe(&counter.url("/live0.stream"), "wrong", &LOGIN);
    assert_eq!(refused.status.code(), Some(3));
    assert_eq!(counter.logins(), 1);
}

#[test]
fn what_can_t_be_reached_or_found_has_its_exit_code() {
    let port = crate::support::ports::free_port();
    let unreachable = probe(
        &format!("rtsp://127.0.0.1:{port}/stream"),
        "",
        &["--format", "json"],
    );
    assert_eq!(unreachable.status.code(), Some(4), "{unreachable:?}");
    let said: Value = serde_json::from_slice(&unreachable.stdout).expect("JSON");
    assert_eq!(said["code"], json!("unreachable"));
    let testcam = start(camera(), None);
    let elsewhere = format!("rtsp://127.0.0.1:{}/elsewhere", testcam.port());
    let missing = probe(&elsewhere, "", &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("404"), "{missing:?}");
    let mistyped = probe("http://camera/", "", &[]);
    assert_eq!(mistyped.status.code(), Some(2));
}

#[test]
fn sources_without_a_network_are_probed_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let jpeg = folder.path().join("first.jpg");
    let saved = jpeg.to_str().expect("a plain path");
    let shown = measured(
        "test-pattern:?width=320&height=240&fps=20",
        &["--format", "json", "--jpeg", saved],
        |report| is_about(report, "fps", 20.0, 1.0),
    );
    assert_eq!(shown["login"], json!("none"));
    assert_eq!(shown["codec"], json!("raw"));
    assert!(Path::new(saved).exists());
}

#[test]
fn a_path_that_is_no_file_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    for name in ["pipe.mp4", "pipe.jpg"] {
        let made = Command::new("mkfifo").arg(path(name)).status();
        assert!(made.expect("mkfifo runs").success());
    }
    std::fs::create_dir(path("folder.mp4")).expect("made");
    std::fs::write(path("empty.mp4"), "").expect("written");
    let pipe = "is a pipe or a device, which can't be played; name a regular file";
    for (name, kind, reason) in [
        ("pipe.mp4", "file", pipe),
        ("pipe.jpg", "image", pipe),
        ("folder.mp4", "file", "is a directory; name a file in it"),
        ("empty.mp4", "file", "is empty; copy or download it again"),
    ] {
        let refused = probe(&path(name), "", &[]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let wanted = format!("error: {kind} {}: {reason}\n", path(name));
        assert_eq!(text(&refused.stderr), wanted);
    }
}

/// As a camera whose power fails leaves it.
#[test]
fn an_mp4_without_its_end_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.mp4");
    make_clip(&path, "h264", SIZE, 20, 20);
    let whole = std::fs::read(&path).expect("a clip");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    let refused = probe(path.to_str().expect("a plain path"), "", &[]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let told = text(&refused.stderr);
    let remedy = "its index (moov) is missing; copy the whole file again, or repair it\n";
    assert!(told.ends_with(remedy), "{told}");
}
