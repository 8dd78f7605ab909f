//! Pictures with pixels that are not square, rotated, cropped, or changing in the middle: the intended picture is
//! analysed, published and shown.

mod orientation;

use std::path::Path;
use std::time::Duration;

use image::RgbaImage;
use nvr::base::{Frame, Size};
use nvr::media::SessionEnd;

use crate::sources::{open_file, session};
use crate::support::broker::{Broker, Kind};
use crate::support::cameras::run_to_end;
use crate::support::stage::{documents, processor};
use crate::support::wait::{SOON, until};
use crate::support::wall::{SOONER, Wall, WallOptions};

/// A recorder's D1 picture of 16:9.
const WIDE: &str = "width=704,height=480,framerate=10/1,pixel-aspect-ratio=40/33";
const CODER: &str = "x264enc speed-preset=ultrafast bframes=2 key-int-max=10 ! h264parse";

fn white(path: &Path, caps: &str, end: &str) {
    run_to_end(&format!(
        "videotestsrc pattern=white num-buffers=20 ! video/x-raw,format=I420,{caps} ! {end} ! filesink location={}",
        path.display()
    ));
}

/// Elements that make pictures of 320×240 with a white left half and a black right half.
fn half_white_source() -> &'static str {
    "videotestsrc pattern=white num-buffers=20 ! video/x-raw,format=I420,width=160,height=240,framerate=10/1 \
     ! videobox right=-160 fill=black"
}

/// A film of these pictures, marked as rotated and mirrored by `matrix`.
fn half_white(path: &Path, matrix: [i32; 4]) {
    run_to_end(&format!(
        "{} ! {CODER} ! mp4mux ! filesink location={}",
        half_white_source(),
        path.display()
    ));
    mark_track(path, matrix);
}

/// Writes the matrix of the only track of a film.
fn mark_track(path: &Path, matrix: [i32; 4]) {
    let mut film = std::fs::read(path).expect("a film");
    let header = film
        .windows(4)
        .position(|word| word == b"tkhd")
        .expect("a track");
    // ISO/IEC 14496-12, 8.3.2: a, b, u, c, d, v, x, y, w.
    let [a, b, c, d] = matrix.map(|value| value << 16);
    let numbers = [a, b, 0, c, d, 0, 0, 0, 1 << 30];
    for (index, number) in numbers.into_iter().enumerate() {
        let at = header + 44 + 4 * index;
        film[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    std::fs::write(path, film).expect("written");
}

/// Brightness at the middle of the four sides: left, top, right, bottom.
fn sides(frame: &Frame) -> [u8; 4] {
    let pixels = frame.pixels.host().expect("readable pixels");
    let size = frame.planes_size();
    let luma = pixels.plane(0);
    let at = |x: u32, y: u32| luma.bytes[y as usize * luma.stride + x as usize];
    let (width, height) = (size.width, size.height);
    [
        at(4, height / 2),
        at(width / 2, 4),
        at(width - 5, height / 2),
        at(width / 2, height - 5),
    ]
}

fn white_columns(tile: &RgbaImage) -> usize {
    let row = tile.height() / 2;
    (0..tile.width())
        .filter(|x| tile.get_pixel(*x, row).0[0] > 200)
        .count()
}

#[test]
fn wide_pixels_fill_the_tile_that_the_picture_fits() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = folder.path().join("d1.mkv");
    white(&film, WIDE, &format!("{CODER} ! matroskamux"));
    let (end, pages) = session(open_file(&film).as_mut(), 3);
    assert_eq!(end, SessionEnd::Stopped);
    assert_eq!(
        pages.facts.expect("described").size,
        Some(Size::new(853, 480))
    );
    for frame in &pages.frames {
        assert_eq!(frame.meta.size, Size::new(853, 480));
        assert_eq!(frame.planes_size(), Size::new(704, 480));
    }

    let broker = Broker::start(Kind::Mosquitto);
    let shown = format!("0=file:{}", film.display());
    let options = WallOptions {
        broker: broker.port(),
        file: SOONER,
        tile: Size::new(640, 360),
        environment: Vec::new(),
    };
    let wall = Wall::start_with(&options, &["--source", &shown]);
    wall.until_shown(0, |tile| match white_columns(tile) {
        640 => Ok(()),
        columns => Err(format!("{columns} columns of 640 are white")),
    });
}

#[test]
fn events_have_boxes_in_square_pixels() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = folder.path().join("d1.mkv");
    white(&film, WIDE, &format!("{CODER} ! matroskamux"));
    let broker = Broker::start(Kind::Mosquitto);
    let reader = broker.observe("nvr/#");
    let port = broker.port().to_string();
    let source = format!("0=file:{}", film.display());
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
        (&853.into(), &480.into())
    );
}

#[test]
fn a_film_is_shown_upright() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = folder.path().join("phone.mp4");
    let (lying, standing) = (Size::new(320, 240), Size::new(240, 320));
    // The white sides: left, top, right, bottom.
    for (matrix, size, wanted) in [
        ([1, 0, 0, 1], lying, [true, false, false, false]),
        ([0, 1, -1, 0], standing, [false, true, false, false]),
        ([-1, 0, 0, -1], lying, [false, false, true, false]),
        ([0, -1, 1, 0], standing, [false, false, false, true]),
    ] {
        half_white(&film, matrix);
        let (end, pages) = session(open_file(&film).as_mut(), 3);
        assert_eq!(end, SessionEnd::Stopped);
        assert_eq!(pages.facts.expect("described").size, Some(size));
        for frame in &pages.frames {
            assert_eq!((frame.meta.size, frame.planes_size()), (size, size));
            let [left, top, right, bottom] = sides(frame);
            // The middles of the other two sides are on the edge between the halves.
            let (first, second) = if size == lying {
                (left, right)
            } else {
                (top, bottom)
            };
            let bright = wanted[0] || wanted[1];
            assert_eq!(
                (first > 200, second > 200),
                (bright, !bright),
                "{matrix:?}: {:?}",
                sides(frame)
            );
        }
    }
}

/// Sizes of frames in order of arrival, and the number of each.
fn sizes(frames: &[Frame]) -> Vec<(Size, usize)> {
    let mut sizes: Vec<(Size, usize)> = Vec::new();
    for frame in frames {
        match sizes.last_mut() {
            Some((size, count)) if *size == frame.meta.size => *count += 1,
            _ => sizes.push((frame.meta.size, 1)),
        }
    }
    sizes
}

fn assert_times_go_on(frames: &[Frame]) {
    for pair in frames.windows(2) {
        let [before, after] = [0, 1].map(|index| pair[index].meta.pts.expect("timed"));
        let step = after.checked_sub(before);
        assert!(
            step.is_some_and(|step| step <= Duration::from_millis(500)),
            "{before:?} {after:?}"
        );
    }
}

fn joined(folder: &Path, parts: &[&str], name: &str) -> std::path::PathBuf {
    let whole: Vec<u8> = parts
        .iter()
        .flat_map(|part| std::fs::read(folder.join(part)).expect("a part"))
        .collect();
    let path = folder.join(name);
    std::fs::write(&path, whole).expect("written");
    path
}

#[test]
fn a_stream_that_changes_its_size_goes_on_with_the_new_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = folder.path().join("small.h264");
    let large = folder.path().join("large.h264");
    let coder = format!("{CODER} config-interval=-1 ! video/x-h264,stream-format=byte-stream");
    white(&small, "width=320,height=240,framerate=20/1", &coder);
    white(
        &large,
        "width=704,height=480,framerate=20/1,pixel-aspect-ratio=40/33",
        &coder,
    );
    let film = joined(
        folder.path(),
        &["small.h264", "large.h264", "small.h264"],
        "all.h264",
    );
    let (end, pages) = session(open_file(&film).as_mut(), 60);
    assert_eq!(end, SessionEnd::Stopped);
    let sizes = sizes(&pages.frames);
    let (small, large) = (Size::new(320, 240), Size::new(853, 480));
    assert_eq!(sizes, [(small, 20), (large, 20), (small, 20)]);
    assert_eq!(pages.facts.expect("described").size, Some(small));
}

#[test]
fn a_recording_whose_program_changes_is_shown_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, codec, caps, pid) in [
        (
            "a.ts",
            "x264enc bframes=2 ! h264parse",
            "width=320,height=240",
            65,
        ),
        ("b.ts", "x264enc ! h264parse", "width=640,height=360", 66),
        (
            "c.ts",
            "x265enc log-level=none ! h265parse",
            "width=480,height=272",
            67,
        ),
    ] {
        let program = pid - 60;
        run_to_end(&format!(
            "videotestsrc num-buffers=20 ! video/x-raw,format=I420,{caps},framerate=20/1 ! {codec} ! mux.sink_{pid} \
             audiotestsrc num-buffers=20 ! audioconvert ! avenc_aac ! mux.sink_1{pid} \
             mpegtsmux name=mux prog-map=map,sink_{pid}={program},sink_1{pid}={program} ! filesink location={}",
            folder.path().join(name).display()
        ));
    }
    let film = joined(folder.path(), &["a.ts", "b.ts", "c.ts", "a.ts"], "all.ts");
    // One round, and the start of the next.
    let (end, pages) = session(open_file(&film).as_mut(), 85);
    assert_eq!(end, SessionEnd::Stopped);
    let sizes: Vec<Size> = sizes(&pages.frames).iter().map(|(size, _)| *size).collect();
    let (a, b, c) = (
        Size::new(320, 240),
        Size::new(640, 360),
        Size::new(480, 272),
    );
    // The last part and the first one of the next round have the same size.
    assert_eq!(sizes, [a, b, c, a]);
    assert_times_go_on(&pages.frames);
}

#[test]
fn of_two_tracks_one_is_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = folder.path().join("two.mkv");
    run_to_end(&format!(
        "matroskamux name=mux ! filesink location={} \
         videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=320,height=240,framerate=20/1 ! {CODER} ! mux. \
         videotestsrc num-buffers=22 ! video/x-raw,format=I420,width=160,height=120,framerate=20/1 ! {CODER} ! mux.",
        film.display()
    ));
    let (end, pages) = session(open_file(&film).as_mut(), 50);
    assert_eq!(end, SessionEnd::Stopped);
    assert_eq!(sizes(&pages.frames).len(), 1, "{:?}", sizes(&pages.frames));
    assert_times_go_on(&pages.frames);
}
