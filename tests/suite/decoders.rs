//! The decoder table against doubles of hardware: elements under the names of NVIDIA's, the kernel's and Intel's, in processes of
//! their own, because what is registered stays. Each test here calls one further below, with a list of doubles.

mod session;
mod wishes;

use std::ffi::OsStr;
use std::io::Write;

use nvr::base::Size;
use nvr::config::Location;
use nvr::media::{Codec, Need, Output, SessionEnd, decoder_report};

use self::session::Session;
use crate::support::alone::alone;
use crate::support::cameras::{make_clip, run_to_end};
use crate::support::doubles;

/// What the test camera shows.
const SIZE: Size = Size::new(640, 360);
const FPS: f64 = 20.0;
/// Every decoder of H.264 that the table knows before libav's, each with the scaler that follows it.
const ALL: [&str; 5] = [
    "nvv4l2decoder,nvvidconv",
    "nvh264dec,cudaconvertscale,cudadownload",
    "v4l2slh264dec",
    "v4l2h264dec,v4l2convert",
    "vah264dec,vapostproc",
];

/// Runs an ignored test, named below this module, in a process with these doubles.
fn run(test: &str, list: &str, expected: &str) -> String {
    let mut environment = doubles::environment(list);
    environment.push(("NVR_TEST_EXPECTED", expected.into()));
    let environment = environment
        .iter()
        .map(|(name, value)| (*name, &**value as &OsStr));
    alone(&format!("decoders::{test}"), environment)
}

fn expected() -> String {
    std::env::var("NVR_TEST_EXPECTED").expect("the test is called by another one")
}

fn within(size: Size) -> Output {
    Output {
        needs: vec![Need::Within(size)],
        max_fps: None,
        ..Output::default()
    }
}

fn tell_report() {
    for line in decoder_report(Codec::H264) {
        let probed = line
            .probed
            .map(|probed| probed.map_err(|fault| fault.to_string()));
        let told = writeln!(std::io::stderr(), "report: {} {probed:?}", line.decoder);
        told.expect("it is piped");
    }
}

#[test]
#[ignore = "needs a separate process: elements that are registered stay; another test here calls it"]
fn a_source_alone() {
    let session = Session::with_camera(within(Size::new(320, 320)));
    let frame = session.frame(0, "a frame", |sighting| sighting.number.is_some());
    tell_report();
    assert_eq!(frame.decoder, expected());
    assert_eq!(frame.size, SIZE);
    assert_eq!(frame.scaled, Some(Size::new(320, 180)));
}

#[test]
fn the_first_of_the_table_that_works_is_taken_and_scales() {
    for (index, decoder) in [
        "nvv4l2decoder",
        "nvh264dec",
        "v4l2slh264dec",
        "v4l2h264dec",
        "vah264dec",
    ]
    .into_iter()
    .enumerate()
    {
        run("a_source_alone", &ALL[index..].join(","), decoder);
    }
}

#[test]
#[ignore = "needs a separate process: elements that are registered stay; another test here calls it"]
fn two_sources_one_after_the_other() {
    for _ in 0..2 {
        let session = Session::with_camera(Output::default());
        session.frame(0, "a frame in hardware", |one| one.decoder == "nvh264dec");
        if expected() == "failure" {
            session.frame(0, "a frame after it", |one| one.decoder == "avdec_h264");
        }
    }
}

#[test]
fn nvidia_s_decoders_share_one_cuda_context() {
    let told = run("two_sources_one_after_the_other", "nvh264dec", "");
    assert_eq!(told.matches("double: CUDA context").count(), 1, "{told}");
}

#[test]
fn a_cuda_context_that_a_decoder_failed_in_is_given_up() {
    // The probe makes one, which the first source shares until it fails; the second one has another.
    let list = "nvh264dec:frames=40";
    let told = run("two_sources_one_after_the_other", list, "failure");
    assert_eq!(told.matches("double: CUDA context").count(), 2, "{told}");
}

#[test]
fn a_decoder_that_does_not_open_is_passed_over_with_its_reason() {
    let list = "nvv4l2decoder:fail-open,nvvidconv,vah264dec,vapostproc";
    let told = run("a_source_alone", list, "vah264dec");
    assert!(
        told.contains("report: nvv4l2decoder Some(Err(\"nvv4l2decoder and nvvidconv"),
        "{told}"
    );
    assert!(told.contains("double: no device"), "{told}");
    assert!(told.contains("report: vah264dec Some(Ok(()))"), "{told}");
    // What comes after the one that works is not asked.
    assert!(told.contains("report: avdec_h264 None"), "{told}");
}

#[test]
fn a_decoder_without_pictures_and_one_without_its_scaler_are_passed_over() {
    let list = "nvv4l2decoder,v4l2h264dec:no-frame,v4l2convert,vah264dec,vapostproc:no-frame";
    // VA's scaler gives nothing here: the decoder does without it.
    let told = run("a_plain_source_alone", list, "vah264dec");
    for words in [
        "nvv4l2decoder can't be used without nvvidconv, which is not installed",
        "v4l2h264dec and v4l2convert gave no picture of the built-in clip within 5 s",
        "v4l2h264dec gave no picture of the built-in clip within 5 s",
        "report: vah264dec Some(Ok(()))",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
#[ignore = "needs a separate process: elements that are registered stay; another test here calls it"]
fn a_plain_source_alone() {
    let session = Session::with_camera(within(Size::new(320, 320)));
    let frame = session.frame(0, "a frame", |sighting| sighting.number.is_some());
    tell_report();
    assert_eq!((frame.decoder, frame.scaled), (expected(), None));
}

#[test]
fn a_driver_that_hangs_does_not_hold_a_source_up() {
    let told = run(
        "a_plain_source_alone",
        "nvv4l2decoder:hang,nvvidconv",
        "avdec_h264",
    );
    assert!(told.contains("its driver hangs"), "{told}");
}

#[test]
fn a_decoder_that_is_silent_for_one_source_gives_way_for_it() {
    for list in [
        // It makes pictures of the clip and of nothing else.
        "nvv4l2decoder:clip-only,nvvidconv",
        // It fails in the middle, and says so.
        "nvv4l2decoder:frames=30,nvvidconv",
    ] {
        run("a_fallback_alone", list, "nvv4l2decoder,avdec_h264");
    }
}

#[test]
#[ignore = "needs a separate process: elements that are registered stay; another test here calls it"]
fn a_fallback_alone() {
    let session = Session::with_camera(Output::default());
    let wanted: Vec<String> = expected().split(',').map(str::to_owned).collect();
    let last = wanted.last().expect("a list");
    session.frame(0, "a frame of the last decoder", |sighting| {
        sighting.decoder == *last && sighting.number.is_some()
    });
    assert_eq!(session.told.lock().decoders, wanted);
    // For all others it is what it was: the next source begins with it.
    let other = Session::with_camera(Output::default());
    other.told.wait("a decoder", |pages| {
        (pages.decoders.first() == wanted.first()).then_some(())
    });
}

#[test]
fn files_and_jpeg_pictures_go_down_the_same_table() {
    for (list, expected) in [
        ("nvv4l2decoder,nvvidconv", "mjpeg nvv4l2decoder"),
        // A Thor decodes no JPEG.
        ("nvv4l2decoder:jetpack=7,nvvidconv", "mjpeg jpegdec"),
        ("v4l2jpegdec,v4l2convert", "mjpeg v4l2jpegdec"),
        (
            "nvv4l2decoder:frames=10,nvvidconv",
            "h264 nvv4l2decoder avdec_h264",
        ),
        ("nvv4l2decoder,nvvidconv", "h265 nvv4l2decoder"),
    ] {
        run("a_file_alone", list, expected);
    }
}

#[test]
#[ignore = "needs a separate process: elements that are registered stay; another test here calls it"]
fn a_file_alone() {
    nvr::media::init().expect("GStreamer starts");
    let expected = expected();
    let mut wanted = expected.split(' ').map(str::to_owned);
    let codec = wanted.next().expect("a codec");
    let wanted: Vec<String> = wanted.collect();
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("clip.mkv");
    if codec == "mjpeg" {
        run_to_end(&format!(
            "videotestsrc num-buffers=50 ! video/x-raw,width={},height={},framerate=25/1 ! jpegenc ! matroskamux \
             ! filesink location={}",
            SIZE.width,
            SIZE.height,
            path.display()
        ));
    } else {
        make_clip(&path, &codec, SIZE, 25, 50);
    }
    let session = Session::of(Location::File(path), within(Size::new(320, 320)));
    let last = wanted.last().expect("a decoder");
    let frame = session.frame(0, "a frame of the last decoder", |sighting| {
        sighting.decoder == *last
    });
    let by_hardware = !["jpegdec", "avdec_h264"].contains(&last.as_str());
    assert_eq!(frame.scaled, by_hardware.then_some(Size::new(320, 180)));
    assert_eq!(session.told.lock().decoders, wanted);
}

#[test]
fn a_csi_camera_gives_scaled_pictures() {
    run("a_csi_camera_alone", "nvarguscamerasrc,nvvidconv", "");
}

#[test]
#[ignore = "needs a separate process: elements that are registered stay; another test here calls it"]
fn a_csi_camera_alone() {
    let session = Session::of(Location::Csi(0), within(Size::new(640, 640)));
    let frame = session.frame(0, "a frame", |_| true);
    assert_eq!(frame.decoder, "nvarguscamerasrc");
    assert_eq!(frame.size, Size::new(1920, 1080));
    assert_eq!(frame.scaled, Some(Size::new(640, 360)));
}

#[test]
fn a_missing_csi_camera_is_reported() {
    let missing = "camera csi:1: the element nvarguscamerasrc, which reads CSI cameras, is missing; on a Jetson it is in package \
                   nvidia-l4t-gstreamer";
    run("no_csi_camera_alone", "nvv4l2decoder", missing);
    // Where these tests run, there is no daemon.
    let silent = "camera csi:1 gives no picture: this process sees no /tmp/argus_socket, over which nvarguscamerasrc asks its daemon; \
                  start it (`systemctl start nvargus-daemon`), and let a unit with PrivateTmp= have the daemon's /tmp \
                  (JoinsNamespaceOf=nvargus-daemon.service)";
    let list = "nvarguscamerasrc:sensors=1,nvvidconv";
    run("no_csi_camera_alone", list, silent);
}

#[test]
#[ignore = "needs a separate process: elements that are registered stay; another test here calls it"]
fn no_csi_camera_alone() {
    let session = Session::of(Location::Csi(1), Output::default());
    let SessionEnd::Failed { code, message, .. } = session.end() else {
        panic!("there is no such camera");
    };
    assert_eq!((code, message), ("not-found", expected()));
}
