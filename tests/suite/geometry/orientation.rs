//! Streams that state their orientation themselves, in display orientation messages (SEI): as files, in containers that
//! state one too, and from a camera.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;
use nvr::base::{Frame, Size};
use nvr::media::SessionEnd;
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};

use super::{half_white_source, mark_track, sides, sizes};
use crate::sources::{open_file, session};
use crate::support::broker::{Broker, Kind};
use crate::support::cameras::play_to_end;
use crate::support::stage::{documents, processor};
use crate::support::wait::{SOON, until};
use crate::support::wall::{SOONER, Wall, WallOptions};

const LYING: Size = Size::new(320, 240);
const STANDING: Size = Size::new(240, 320);
/// Pictures of each film, with a key frame every ten.
const PICTURES: usize = 20;
/// An elementary stream with start codes.
const PLAIN: &str = "identity";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    H264,
    H265,
}

/// A message in front of a picture.
#[derive(Debug, Clone, Copy)]
enum Message {
    Cancel,
    /// Horizontal and vertical flip, quarter turns anticlockwise, and whether it lasts.
    Turn(bool, bool, u32, bool),
}

impl Codec {
    fn coder(self) -> &'static str {
        match self {
            Self::H264 => {
                "x264enc speed-preset=ultrafast bframes=0 key-int-max=10 sliced-threads=false \
                 ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au"
            }
            Self::H265 => {
                "x265enc speed-preset=ultrafast key-int-max=10 log-level=none option-string=slices=1:bframes=0:open-gop=0 \
                 ! h265parse ! video/x-h265,stream-format=byte-stream,alignment=au"
            }
        }
    }

    /// Whether the NAL unit is the first slice of a picture.
    fn begins_picture(self, nal: &[u8]) -> bool {
        match self {
            Self::H264 => matches!(nal[0] & 0x1f, 1 | 5) && nal[1] & 0x80 != 0,
            Self::H265 => nal[0] >> 1 < 32 && nal[2] & 0x80 != 0,
        }
    }
}

impl Message {
    /// As an SEI unit with its start code.
    fn unit(self, codec: Codec) -> Vec<u8> {
        // From the cancel flag on, by ITU-T H.264, D.1.27, and H.265, D.2.17.
        let bits = match self {
            Self::Cancel => "1".to_owned(),
            Self::Turn(horizontal, vertical, quarters, lasts) => {
                let last = match (codec, lasts) {
                    // A repetition period of 0 or 1, and the extension flag.
                    (Codec::H264, true) => "0100",
                    (Codec::H264, false) => "10",
                    (Codec::H265, true) => "1",
                    (Codec::H265, false) => "0",
                };
                let flags = [horizontal, vertical].map(u8::from);
                format!("0{}{}{:016b}{last}", flags[0], flags[1], quarters << 14)
            }
        };
        let whole = format!("{bits}1{}", "0".repeat((8 - (bits.len() + 1) % 8) % 8));
        let content: Vec<u8> = whole
            .as_bytes()
            .chunks(8)
            .map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | (bit & 1)))
            .collect();
        let header: &[u8] = match codec {
            Codec::H264 => &[0, 0, 0, 1, 6],
            Codec::H265 => &[0, 0, 0, 1, 39 << 1, 1],
        };
        let mut unit = [header, &[47, content.len() as u8], &content, &[0x80]].concat();
        // Zeros must not look like a start code.
        let first = header.len();
        for at in (first + 2..unit.len()).rev() {
            if unit[at] <= 3 && unit[at - 2..at] == [0, 0] {
                unit.insert(at, 3);
            }
        }
        unit
    }
}

/// Encodes a film whose left half is white, with `message` in front of the pictures, numbered in the order of decoding, and
/// puts it through the elements `end`.
fn film(
    path: &Path,
    codec: Codec,
    end: &str,
    message: impl Fn(usize) -> Option<Message> + Send + Sync + 'static,
) {
    let source = half_white_source();
    let description = format!(
        "{source} ! {} ! identity name=mark ! {end} ! filesink location={}",
        codec.coder(),
        path.display()
    );
    gst::init().expect("GStreamer starts");
    let pipeline = gst::parse::launch(&description).expect("the pipeline can be built");
    let mark = pipeline
        .downcast_ref::<gst::Bin>()
        .and_then(|bin| bin.by_name("mark"));
    let pad = mark.and_then(|mark| mark.static_pad("src")).expect("a pad");
    let pictures = Arc::new(AtomicUsize::new(0));
    let counted = pictures.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(unit) = info.buffer() else {
            return gst::PadProbeReturn::Ok;
        };
        let message = message(counted.fetch_add(1, Ordering::Relaxed));
        let marked = message.map(|message| marked(unit, codec, message));
        if let Some(marked) = marked {
            info.data = Some(gst::PadProbeData::Buffer(marked));
        }
        gst::PadProbeReturn::Ok
    });
    play_to_end(&pipeline);
    assert_eq!(pictures.load(Ordering::Relaxed), PICTURES);
}

/// The access unit with a message before its first slice.
fn marked(unit: &gst::BufferRef, codec: Codec, message: Message) -> gst::Buffer {
    let bytes = unit.map_readable().expect("readable").to_vec();
    let codes = bytes.windows(3).enumerate();
    let slice = codes
        .filter(|(_, code)| *code == [0, 0, 1])
        .find(|(at, _)| codec.begins_picture(&bytes[at + 3..]))
        .map(|(at, _)| at)
        .expect("a slice");
    let whole = [&bytes[..slice], &message.unit(codec), &bytes[slice..]].concat();
    let mut marked = gst::Buffer::from_mut_slice(whole);
    let times = marked.get_mut().expect("a new buffer");
    times.set_pts(unit.pts());
    times.set_dts(unit.dts());
    times.set_duration(unit.duration());
    times.set_flags(unit.flags());
    marked
}

fn frames(path: &Path) -> Vec<Frame> {
    let (end, pages) = session(open_file(path).as_mut(), PICTURES);
    assert_eq!(end, SessionEnd::Stopped);
    for frame in &pages.frames {
        assert_eq!(frame.meta.size, frame.planes_size());
    }
    pages.frames
}

/// The side that is white: 0 left, 1 top, 2 right, 3 bottom. The middles of two sides are on the edge between the halves.
fn white_side(frame: &Frame) -> usize {
    let [left, top, right, bottom] = sides(frame).map(|side| side > 200);
    match (frame.meta.size, left, top, right, bottom) {
        (LYING, true, _, false, _) => 0,
        (STANDING, _, true, _, false) => 1,
        (LYING, false, _, true, _) => 2,
        (STANDING, _, false, _, true) => 3,
        _ => panic!("{}: {:?}", frame.meta.size, sides(frame)),
    }
}

#[test]
fn a_stream_is_shown_as_its_own_message_says() {
    let folder = tempfile::tempdir().expect("a folder");
    for (codec, name) in [(Codec::H264, "turned.h264"), (Codec::H265, "turned.h265")] {
        let path = folder.path().join(name);
        for (horizontal, vertical, quarters, wanted) in [
            (false, false, 0, 0),
            (false, false, 3, 1),
            (false, false, 2, 2),
            (false, false, 1, 3),
            (true, false, 0, 2),
            (false, true, 0, 0),
            (true, true, 3, 3),
        ] {
            let message = Message::Turn(horizontal, vertical, quarters, true);
            film(&path, codec, PLAIN, move |picture| {
                (picture % 10 == 0).then_some(message)
            });
            let seen: Vec<usize> = frames(&path).iter().map(white_side).collect();
            assert_eq!(seen, [wanted; PICTURES], "{codec:?} {message:?}");
        }
    }
}

#[test]
fn a_message_lasts_until_the_next_sequence_unless_it_says_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let (turn, once) = (
        Message::Turn(false, false, 3, true),
        Message::Turn(false, false, 3, false),
    );
    for (codec, name) in [(Codec::H264, "lasts.h264"), (Codec::H265, "lasts.h265")] {
        let path = folder.path().join(name);
        film(&path, codec, PLAIN, move |picture| {
            (picture == 0).then_some(turn)
        });
        assert_eq!(
            sizes(&frames(&path)),
            [(STANDING, 10), (LYING, 10)],
            "{codec:?}"
        );
        film(&path, codec, PLAIN, move |picture| match picture {
            0 => Some(turn),
            10 => Some(Message::Cancel),
            _ => None,
        });
        assert_eq!(
            sizes(&frames(&path)),
            [(STANDING, 10), (LYING, 10)],
            "{codec:?}"
        );
        film(&path, codec, PLAIN, move |picture| {
            (picture < 10).then_some(once)
        });
        assert_eq!(
            sizes(&frames(&path)),
            [(STANDING, 10), (LYING, 10)],
            "{codec:?}"
        );
        film(&path, codec, PLAIN, move |picture| {
            (picture == 10).then_some(turn)
        });
        assert_eq!(
            sizes(&frames(&path)),
            [(LYING, 10), (STANDING, 10)],
            "{codec:?}"
        );
    }
}

#[test]
fn a_container_that_states_the_same_turns_nothing_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    for (codec, parser) in [(Codec::H264, "h264parse"), (Codec::H265, "h265parse")] {
        // Units behind their lengths, and a quarter turn clockwise in both places.
        let path = folder.path().join("both.mp4");
        let mux = format!("{parser} ! mp4mux");
        let turn = Message::Turn(false, false, 3, true);
        film(&path, codec, &mux, move |picture| {
            (picture % 10 == 0).then_some(turn)
        });
        assert_eq!(sizes(&frames(&path)), [(STANDING, PICTURES)], "{codec:?}");
        mark_track(&path, [0, 1, -1, 0]);
        let seen: Vec<usize> = frames(&path).iter().map(white_side).collect();
        assert_eq!(seen, [1; PICTURES], "{codec:?}");
        // The second half has the container's orientation alone.
        film(&path, codec, &mux, move |picture| {
            (picture == 0).then_some(turn)
        });
        mark_track(&path, [-1, 0, 0, -1]);
        let shown = frames(&path);
        assert_eq!(sizes(&shown), [(STANDING, 10), (LYING, 10)], "{codec:?}");
        assert_eq!(white_side(&shown[PICTURES - 1]), 2, "{codec:?}");
    }
}

#[test]
fn a_camera_s_events_and_its_tile_are_turned() {
    let folder = tempfile::tempdir().expect("a folder");
    let clip = folder.path().join("camera.mp4");
    let turn = Message::Turn(false, false, 3, true);
    film(&clip, Codec::H264, "h264parse ! mp4mux", move |picture| {
        (picture % 10 == 0).then_some(turn)
    });
    let camera = Testcam::start(&TestcamOptions {
        cameras: vec![CameraOptions::new(Feed::File(clip))],
        ..TestcamOptions::default()
    })
    .expect("a camera");
    let source = format!("0={}", camera.url(0));
    let broker = Broker::start(Kind::Mosquitto);
    let reader = broker.observe("nvr/#");
    let port = broker.port().to_string();
    let _processor = processor([
        "processor",
        "--backend",
        "scripted",
        "--mqtt-port",
        &port,
        "--source",
        &source,
    ]);
    let event = until("an event", SOON * 2, || {
        documents(&reader, "nvr/detections/0").into_iter().next()
    });
    assert_eq!(
        (&event["frame_width"], &event["frame_height"]),
        (&240.into(), &320.into())
    );
    let status = until("the size of the source", SOON, || {
        let statuses = documents(&reader, "nvr/sources/0").into_iter();
        statuses.rev().find(|status| status["width"].is_number())
    });
    assert_eq!(
        (&status["width"], &status["height"]),
        (&240.into(), &320.into())
    );
    let options = WallOptions {
        broker: broker.port(),
        file: SOONER,
        tile: LYING,
        environment: Vec::new(),
    };
    let wall = Wall::start_with(&options, &["--source", &source]);
    // The white half is at the top of a picture of 180×240. Boxes and labels may cover some of it.
    wall.until_shown(0, |tile| {
        let white = |y: u32| (0..tile.width()).filter(move |x| tile.get_pixel(*x, y).0[0] > 200);
        match (white(90).count(), white(200).count()) {
            (120..=182, 0..=30) => Ok(()),
            counts => Err(format!("{counts:?} columns are white")),
        }
    });
}
