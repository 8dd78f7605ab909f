//! Frames of ordinary cameras: their codecs, formats, sizes and times.

use nvr::base::{PixelFormat, unix_now};

use super::*;
use crate::support::cameras::make_clip;

#[test]
fn frames_arrive_from_h264_and_h265_cameras() {
    for codec in ["h264", "h265"] {
        let folder = tempfile::tempdir().expect("a folder");
        let clip = folder.path().join("clip.mp4");
        make_clip(&clip, codec, SIZE, 20, 20);
        let testcam = cameras(vec![CameraOptions::new(Feed::File(clip))]);
        let session = Session::start(&settings(testcam.url(0).as_str()));
        let frames = session.frames(30);
        for (number, frame) in (0u64..).zip(&frames) {
            assert_eq!(frame.meta.frame_id, number);
            assert_eq!(frame.meta.size, SIZE);
        }
        let facts = session.recorder.wait("size", |recording| {
            recording
                .facts
                .iter()
                .find(|facts| facts.size.is_some())
                .cloned()
        });
        assert_eq!(facts.codec, codec);
        assert_eq!(facts.size, Some(SIZE));
        assert_eq!(facts.nominal_fps, Some(20.0));
        session.stop.raise();
        assert_eq!(session.end().0, "stopped");
    }
}

#[test]
fn every_frame_of_the_pattern_arrives_once_with_times_that_hold() {
    let testcam = cameras(vec![pattern()]);
    let session = Session::start(&settings(testcam.url(0).as_str()));
    let frames = session.timed_frames(20);
    let first = code_of(&frames[0])
        .expect("the pattern's code")
        .frame_number;
    for (number, frame) in (0u32..).zip(&frames) {
        let code = code_of(frame).expect("the pattern's code");
        assert_eq!(code.frame_number, first + number);
        assert_eq!(frame.meta.clock, CaptureClock::Ntp);
        let ntp = Duration::from_nanos(frame.meta.ntp_ns.expect("it was waited for"));
        assert_eq!(frame.meta.captured_unix, ntp);
        assert!(unix_now() > ntp);
    }
    for pair in frames.windows(2) {
        let step = pair[1].meta.arrival.saturating_sub(pair[0].meta.arrival);
        assert!(
            step.abs_diff(Duration::from_millis(50)) < Duration::from_millis(45),
            "{step:?} between arrivals"
        );
    }
}

#[test]
fn two_sessions_tell_the_same_time_for_the_same_frame_however_they_read_it() {
    let testcam = start(TestcamOptions {
        cameras: vec![pattern()],
        shared: false,
        ..TestcamOptions::default()
    });
    let settings = settings(testcam.url(0).as_str());
    let sessions = [
        ReferenceTime::Meta,
        ReferenceTime::Meta,
        ReferenceTime::Rtcp,
    ]
    .map(|reference| Session::start_with(&settings, reference));
    let told = sessions.each_ref().map(|session| {
        session
            .timed_frames(60)
            .iter()
            .filter_map(|frame| Some((code_of(frame)?.frame_number, frame.meta.ntp_ns?)))
            .collect::<Vec<_>>()
    });
    // Each session has its own RTP clock, of which a tick is 11 µs.
    for (other, tolerance_ns) in [(&told[1], 23_000), (&told[2], 1_000_000)] {
        let mut common = 0;
        for (number, ntp_ns) in &told[0] {
            if let Some((_, other_ns)) = other.iter().find(|(other, _)| other == number) {
                let apart = ntp_ns.abs_diff(*other_ns);
                assert!(apart <= tolerance_ns, "{apart} ns apart in frame {number}");
                common += 1;
            }
        }
        assert!(common >= 10, "only {common} common frames");
    }
}

#[test]
fn a_wrong_camera_clock_is_a_key_but_no_capture_time() {
    let mut camera = pattern();
    camera.clock_offset_ms = -3_600_000;
    let testcam = cameras(vec![camera]);
    let session = Session::start(&settings(testcam.url(0).as_str()));
    let frame = session.timed_frames(1).remove(0);
    assert_eq!(frame.meta.clock, CaptureClock::Arrival);
    let behind = unix_now() - Duration::from_nanos(frame.meta.ntp_ns.expect("it was waited for"));
    assert!(behind.abs_diff(Duration::from_secs(3_600)) < Duration::from_secs(2));
    let age = unix_now().saturating_sub(frame.meta.captured_unix);
    assert!(age < Duration::from_secs(2), "captured {age:?} ago");
}

#[test]
fn udp_works_where_it_is_chosen() {
    let testcam = cameras(vec![pattern()]);
    let mut settings = settings(testcam.url(0).as_str());
    settings.transport = Transport::Udp;
    Session::start(&settings).frames(10);
}

#[test]
fn pictures_stay_in_the_decoder_s_buffers_unless_frames_lack_their_format() {
    let encoded = |format: &str| {
        OneStream::serve(&format!(
            "videotestsrc is-live=true ! video/x-raw,format={format},width=336,height=240,framerate=10/1 \
             ! x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay0"
        ))
    };
    let stride = |frame: &Frame| match &frame.pixels {
        Pixels::Host(pixels) => (pixels.format(), pixels.plane(0).stride),
        Pixels::DmaBuf(_) => panic!("libav decodes to ordinary memory"),
    };
    // libav aligns its rows to 32 bytes or more; a copy would be packed. It does copy pictures that it must crop (1080
    // rows of 1088).
    let ordinary = encoded("I420");
    let frame = Session::start(&settings(&ordinary.uri)).frames(1).remove(0);
    let (format, bytes) = stride(&frame);
    assert!(format == PixelFormat::I420 && bytes > 336, "{bytes} bytes");
    let wide = encoded("Y42B");
    let frame = Session::start(&settings(&wide.uri)).frames(1).remove(0);
    assert_eq!(stride(&frame), (PixelFormat::I420, 336));
}

#[test]
fn sound_beside_the_picture_is_left_alone() {
    let both = OneStream::serve(
        "audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0 \
         videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=10/1 \
         ! x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay1",
    );
    Session::start(&settings(&both.uri)).frames(5);
}

#[test]
fn a_stream_may_change_its_size() {
    let part = |width, height, frames| {
        format!(
            "videotestsrc is-live=true num-buffers={frames} \
             ! video/x-raw,format=I420,width={width},height={height},framerate=20/1 ! c. "
        )
    };
    let camera = OneStream::serve(&format!(
        "{} {} concat name=c ! x264enc tune=zerolatency key-int-max=10 \
         ! rtph264pay config-interval=-1 name=pay0",
        part(320, 240, 30),
        part(640, 480, 1_000)
    ));
    let session = Session::start(&settings(&camera.uri));
    let sizes = session.recorder.wait("both sizes", |recording| {
        let mut sizes: Vec<_> = recording
            .frames
            .iter()
            .map(|frame| frame.meta.size)
            .collect();
        sizes.dedup();
        (sizes.len() >= 2).then_some(sizes)
    });
    let (small, large) = (Size::new(320, 240), Size::new(640, 480));
    assert_eq!(sizes, [small, large]);
    let described: Vec<_> = session.recorder.wait("facts", |recording| {
        let mut sizes: Vec<_> = recording
            .facts
            .iter()
            .filter_map(|facts| facts.size)
            .collect();
        sizes.dedup();
        Some(sizes)
    });
    assert_eq!(described, [small, large]);
}
