//! The test cameras, watched by GStreamer's own RTSP client.

use std::time::{Duration, Instant};

use nvr::base::{Size, unix_now};
use nvr::config::{Credentials, Secret, TestPattern};
use nvr::media::testcam::{
    CameraOptions, Feed, LoginScheme, Testcam, TestcamError, TestcamLogin, TestcamOptions,
    TestcamTls,
};

use crate::support::cameras::{PATIENCE, make_clip};
use crate::support::viewer::Viewer;

const SIZE: Size = Size::new(320, 240);

fn pattern() -> CameraOptions {
    CameraOptions::new(Feed::Pattern(TestPattern {
        size: SIZE,
        fps: 20.0,
        objects: 3,
    }))
}

fn start(cameras: Vec<CameraOptions>) -> Testcam {
    start_with(TestcamOptions {
        cameras,
        ..TestcamOptions::default()
    })
}

fn start_with(options: TestcamOptions) -> Testcam {
    Testcam::start(&options).expect("the test cameras start")
}

fn apart(one: Duration, other: Duration) -> Duration {
    one.abs_diff(other)
}

#[test]
fn a_file_is_played_in_a_loop_without_a_seam() {
    for codec in ["h264", "h265"] {
        let folder = tempfile::tempdir().expect("a folder");
        let clip = folder.path().join("clip.mp4");
        make_clip(&clip, codec, SIZE, 20, 20);
        let testcam = start(vec![CameraOptions::new(Feed::File(clip))]);
        let viewer = Viewer::watch(testcam.url(0).as_str(), "");
        let first = viewer.next();
        let (begun, mut last) = (Instant::now(), first);
        // Two and a half rounds of one second.
        for _ in 0..50 {
            let next = viewer.next();
            let step = next.pts - last.pts;
            assert!(
                apart(step, Duration::from_millis(50)) < Duration::from_millis(20),
                "{codec}: {step:?} between frames"
            );
            last = next;
        }
        assert_eq!(last.size, SIZE);
        let (media, real) = (last.pts - first.pts, begun.elapsed());
        // Not faster than real time; on a busy machine the last frame may be seen late.
        assert!(
            media < real + Duration::from_millis(500) && real < media + PATIENCE,
            "{media:?} in {real:?}"
        );
    }
}

#[test]
fn the_pattern_arrives_frame_by_frame_with_its_code() {
    let testcam = start(vec![pattern()]);
    let viewer = Viewer::watch(testcam.url(0).as_str(), "");
    let first = viewer.next().code.expect("the first frame has a code");
    assert_eq!(first.objects, 3);
    for number in 1..30 {
        let code = viewer.next().code.expect("every frame has a code");
        assert_eq!(code.frame_number, first.frame_number + number);
    }
}

#[test]
fn sender_reports_come_early_and_tell_the_time() {
    let testcam = start(vec![pattern()]);
    let viewer = Viewer::watch(testcam.url(0).as_str(), "");
    let first = viewer.next();
    let reported = viewer.next_that(|seen| seen.ntp_unix.is_some());
    assert!(
        reported.pts - first.pts < Duration::from_secs(2),
        "{reported:?}"
    );
    let captured = reported.ntp_unix.expect("that was waited for");
    let now = unix_now();
    assert!(captured < now, "captured {captured:?}, now {now:?}");
    assert!(
        now - captured < Duration::from_secs(1),
        "captured {captured:?}, now {now:?}"
    );
}

#[test]
fn a_camera_s_clock_can_be_hours_wrong() {
    let mut camera = pattern();
    camera.clock_offset_ms = -3 * 3600 * 1000;
    let testcam = start(vec![camera]);
    let viewer = Viewer::watch(testcam.url(0).as_str(), "");
    let captured = viewer
        .next_that(|seen| seen.ntp_unix.is_some())
        .ntp_unix
        .expect("that was waited for");
    let behind = unix_now() - captured;
    assert!(
        apart(behind, Duration::from_secs(3 * 3600)) < Duration::from_secs(1),
        "{behind:?}"
    );
}

#[test]
fn two_separate_sessions_see_a_frame_at_the_same_ntp_time() {
    let testcam = start_with(TestcamOptions {
        cameras: vec![pattern()],
        shared: false,
        ..TestcamOptions::default()
    });
    let url = testcam.url(0);
    let viewers = [
        Viewer::watch(url.as_str(), ""),
        Viewer::watch(url.as_str(), ""),
    ];
    let [one, other] = viewers.map(|viewer| {
        viewer.next_that(|seen| seen.ntp_unix.is_some());
        (0..60).map(|_| viewer.next()).collect::<Vec<_>>()
    });
    let mut shared = 0;
    for seen in &one {
        if let Some(same) = other.iter().find(|other| other.code == seen.code) {
            let (ntp, same) = (
                seen.ntp_unix.expect("reported"),
                same.ntp_unix.expect("reported"),
            );
            // RTP counts in ticks of 11 µs.
            assert!(
                apart(ntp, same) < Duration::from_micros(23),
                "{ntp:?}, {same:?}"
            );
            shared += 1;
        }
    }
    assert!(shared >= 10, "only {shared} frames were seen by both");
}

#[test]
fn sessions_of_one_camera_share_a_pipeline_only_where_asked() {
    for (shared, pipelines) in [(true, 1), (false, 2)] {
        let testcam = start_with(TestcamOptions {
            cameras: vec![pattern()],
            shared,
            ..TestcamOptions::default()
        });
        let viewers = [0, 1].map(|_| Viewer::watch(testcam.url(0).as_str(), ""));
        for viewer in &viewers {
            viewer.next();
        }
        assert_eq!(testcam.viewers(0), pipelines);
        drop(viewers);
        let deadline = Instant::now() + PATIENCE;
        while testcam.viewers(0) > 0 {
            assert!(Instant::now() < deadline, "a viewer that left is still fed");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_silent_camera_answers_and_sends_nothing_until_it_speaks() {
    let mut camera = pattern();
    camera.silent = true;
    let testcam = start(vec![camera, pattern()]);
    let silent = Viewer::watch(testcam.url(0).as_str(), "");
    let speaking = Viewer::watch(testcam.url(1).as_str(), "");
    for _ in 0..30 {
        speaking.next();
    }
    assert_eq!(testcam.viewers(0), 1, "the silent camera's session is up");
    assert_eq!(silent.next_within(Duration::ZERO), None);
    testcam.silence(0, false);
    silent.next();
    testcam.silence(0, true);
    while silent.next_within(Duration::from_millis(500)).is_some() {}
    testcam.silence(0, false);
    silent.next();
}

#[test]
fn a_wrong_login_is_refused_and_the_right_one_is_not() {
    for scheme in [LoginScheme::Basic, LoginScheme::Digest] {
        let testcam = start_with(TestcamOptions {
            cameras: vec![pattern()],
            login: Some(TestcamLogin {
                credentials: Credentials {
                    username: Secret::new("viewer"),
                    password: Secret::new("right"),
                },
                scheme,
            }),
            ..TestcamOptions::default()
        });
        let url = testcam.url(0);
        let refused = Viewer::watch(url.as_str(), "user-id=viewer user-pw=wrong").ending();
        assert!(refused.contains("401"), "{scheme:?}: {refused}");
        let refused = Viewer::watch(url.as_str(), "").ending();
        assert!(refused.contains("401"), "{scheme:?}: {refused}");
        Viewer::watch(url.as_str(), "user-id=viewer user-pw=right").next();
    }
}

#[test]
fn rtsps_is_served_with_the_given_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let testcam = start_with(TestcamOptions {
        cameras: vec![pattern()],
        tls: Some(TestcamTls { certificate, key }),
        ..TestcamOptions::default()
    });
    let url = testcam.url(0);
    assert_eq!(url.scheme(), "rtsps");
    Viewer::watch(url.as_str(), "tls-validation-flags=0").next();
    // Self-signed: who validates it refuses it.
    let refused = Viewer::watch(url.as_str(), "").ending();
    assert!(refused.contains("Failed to connect"), "{refused}");
}

#[test]
fn an_offset_starts_a_camera_later_in_its_feed() {
    let mut late = pattern();
    late.offset = Duration::from_secs(100);
    let testcam = start(vec![pattern(), late]);
    let viewers = [0, 1].map(|id| Viewer::watch(testcam.url(id).as_str(), ""));
    let [first, late] = viewers.map(|viewer| viewer.next().code.expect("a code").frame_number);
    assert!(first < 200, "{first}");
    assert!((2000..2200).contains(&late), "{late}");
}

#[test]
fn dropped_clients_notice_and_the_port_is_free_after_the_end() {
    let port = crate::support::ports::free_port();
    let testcam = start_with(TestcamOptions {
        port,
        cameras: vec![pattern()],
        ..TestcamOptions::default()
    });
    let url = testcam.url(0);
    let viewer = Viewer::watch(url.as_str(), "");
    viewer.next();
    testcam.drop_clients();
    viewer.ending();
    drop(viewer);
    // Clients may come again, and a stopped server leaves its port to the next.
    let viewer = Viewer::watch(url.as_str(), "");
    viewer.next();
    testcam.stop();
    viewer.ending();
    let again = start_with(TestcamOptions {
        port,
        cameras: vec![pattern()],
        ..TestcamOptions::default()
    });
    assert_eq!(again.port(), port);
    Viewer::watch(again.url(0).as_str(), "").next();
}

#[test]
fn what_can_t_be_shown_or_bound_is_said_plainly() {
    let folder = tempfile::tempdir().expect("a folder");
    let garbage = folder.path().join("garbage.mp4");
    std::fs::write(&garbage, [0x5a; 4096]).expect("written");
    for path in [garbage, folder.path().join("missing.mp4")] {
        let options = TestcamOptions {
            cameras: vec![CameraOptions::new(Feed::File(path.clone()))],
            ..TestcamOptions::default()
        };
        match Testcam::start(&options) {
            Err(TestcamError::File { path: named, .. }) => assert_eq!(named, path),
            other => panic!("{other:?}"),
        }
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let refused = Testcam::start(&TestcamOptions {
        port,
        ..TestcamOptions::default()
    });
    assert!(matches!(refused, Err(TestcamError::Bind { port: named, .. }) if named == port));
}

#[test]
fn the_command_prints_an_address_for_each_camera_and_ends_when_told_to() {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    struct KilledOnDrop(Child);
    impl Drop for KilledOnDrop {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    let mut nvr = KilledOnDrop(
        Command::new(env!("CARGO_BIN_EXE_nvr"))
            .args(["testcam", "--n", "2", "--port", "0", "--size", "320x240"])
            .args(["--username", "viewer", "--password-env", "TESTCAM_PASSWORD"])
            .env("TESTCAM_PASSWORD", "secret")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts"),
    );
    let output = nvr.0.stdout.take().expect("its output is piped");
    let urls: Vec<String> = BufReader::new(output)
        .lines()
        .take(2)
        .map(|line| {
            let line = line.expect("readable");
            let (url, shown) = line.split_once("  ").expect("an address and what it shows");
            assert_eq!(shown, "test pattern");
            url.to_owned()
        })
        .collect();
    assert!(urls[0].ends_with("/live0.stream"), "{urls:?}");
    assert!(urls[1].ends_with("/live1.stream"), "{urls:?}");
    assert!(Viewer::watch(&urls[1], "").ending().contains("401"));
    let seen = Viewer::watch(&urls[1], "user-id=viewer user-pw=secret").next();
    assert_eq!(seen.size, SIZE);
    let pid = rustix::process::Pid::from_child(&nvr.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is ours");
    assert!(nvr.0.wait().expect("it ends").success());
}
