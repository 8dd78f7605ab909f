//! The test pattern through a real encoder: the code is read and the colours stay inside their boxes, however poor the picture.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use nvr::base::{Letterbox, Pattern, PatternCode, Plane, PlaneMut, Size};

/// A decoded picture: luma and chroma planes without gaps.
struct Decoded {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

/// Paints frames, and passes them through `codec` (an encoder and a decoder).
fn through(codec: &str, pattern: &Pattern, numbers: impl Iterator<Item = u32>) -> Vec<Decoded> {
    gst::init().expect("GStreamer starts");
    let Size { width, height } = pattern.size();
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=pictures format=time caps=video/x-raw,format=I420,width={width},height={height},framerate=25/1 \
         ! {codec} ! videoconvert ! video/x-raw,format=I420 ! appsink name=seen sync=false"
    ))
    .expect("the pipeline can be built")
    .downcast::<gst::Pipeline>()
    .expect("it is a pipeline");
    let source: gst_app::AppSrc = pipeline
        .by_name("pictures")
        .and_downcast()
        .expect("the source is there");
    let sink: gst_app::AppSink = pipeline
        .by_name("seen")
        .and_downcast()
        .expect("the sink is there");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let (width, height) = (width as usize, height as usize);
    for (index, number) in numbers.enumerate() {
        let mut bytes = vec![0; width * height * 3 / 2];
        let (y, chroma) = bytes.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(width * height / 4);
        let plane = |bytes, stride| PlaneMut { bytes, stride };
        pattern.paint(
            number,
            [plane(y, width), plane(u, width / 2), plane(v, width / 2)],
        );
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        buffer
            .get_mut()
            .expect("nobody else holds it")
            .set_pts(index as u64 * 40 * gst::ClockTime::MSECOND);
        source.push_buffer(buffer).expect("it is taken");
    }
    source.end_of_stream().expect("it ends");
    let mut decoded = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let map = sample
            .buffer()
            .expect("a picture")
            .map_readable()
            .expect("readable");
        // Widths of these tests are multiples of eight: GStreamer's rows have no gaps.
        let (y, chroma) = map.split_at(width * height);
        let (u, v) = chroma.split_at(width * height / 4);
        decoded.push(Decoded {
            y: y.to_vec(),
            u: u.to_vec(),
            v: v.to_vec(),
        });
    }
    pipeline.set_state(gst::State::Null).expect("it stops");
    decoded
}

/// A model's input with nearest pixels, as RGB by BT.601.
fn model_input(picture: &Decoded, size: Size, side: u32) -> (Vec<u8>, Letterbox) {
    let letterbox = Letterbox::fit(size, Size::new(side, side));
    let mut rgb = vec![114; 3 * (side * side) as usize];
    for row in 0..letterbox.content.height {
        for column in 0..letterbox.content.width {
            let x = (column * size.width / letterbox.content.width) as usize;
            let y = (row * size.height / letterbox.content.height) as usize;
            let chroma = y / 2 * (size.width as usize / 2) + x / 2;
            let luma = 1.164 * (f64::from(picture.y[y * size.width as usize + x]) - 16.0);
            let (u, v) = (
                f64::from(picture.u[chroma]) - 128.0,
                f64::from(picture.v[chroma]) - 128.0,
            );
            let at = 3 * ((row + letterbox.top) * side + column + letterbox.left) as usize;
            let pixel = [
                luma + 1.596 * v,
                luma - 0.392 * u - 0.813 * v,
                luma + 2.017 * u,
            ];
            rgb[at..at + 3].copy_from_slice(&pixel.map(|value| value.clamp(0.0, 255.0) as u8));
        }
    }
    (rgb, letterbox)
}

#[test]
fn the_code_survives_a_low_bitrate_and_a_small_model_input() {
    // 150 kbit/s for 1280×720 at 25 fps is a fiftieth of what a camera takes.
    for (codec, size) in [
        (
            "x264enc bitrate=150 speed-preset=ultrafast tune=zerolatency ! avdec_h264",
            Size::new(1280, 720),
        ),
        (
            "x264enc bitrate=60 speed-preset=ultrafast tune=zerolatency ! avdec_h264",
            Size::new(640, 360),
        ),
        (
            "x265enc bitrate=150 speed-preset=ultrafast tune=zerolatency log-level=none ! h265parse ! avdec_h265",
            Size::new(640, 480),
        ),
    ] {
        let pattern = Pattern::new(size, 3).expect("an ordinary pattern");
        let first = 0xfedc_0000;
        let pictures = through(codec, &pattern, first..first + 30);
        assert_eq!(pictures.len(), 30);
        for (frame_number, picture) in (first..).zip(&pictures) {
            let wanted = Some(PatternCode {
                frame_number,
                objects: 3,
            });
            let luma = Plane {
                bytes: &picture.y,
                stride: size.width as usize,
            };
            assert_eq!(PatternCode::read_luma(luma, size), wanted, "{codec}");
            let (rgb, letterbox) = model_input(picture, size, 320);
            assert_eq!(PatternCode::read_rgb(&rgb, &letterbox), wanted, "{codec}");
        }
    }
}

#[test]
fn colours_stay_exact_to_one_step_inside_their_boxes() {
    let size = Size::new(640, 480);
    let pattern = Pattern::new(size, 6).expect("an ordinary pattern");
    let pictures = through(
        "x264enc pass=quant quantizer=10 speed-preset=veryfast tune=zerolatency ! avdec_h264",
        &pattern,
        100..110,
    );
    for (number, picture) in (100..).zip(&pictures) {
        for object in pattern.objects(number) {
            // The middle of the box: chroma is smeared over a block at its edges.
            let (x, y) = (object.bbox.x as usize, object.bbox.y as usize);
            let chroma = y / 2 * 320 + x / 2;
            let seen = [picture.y[y * 640 + x], picture.u[chroma], picture.v[chroma]];
            for (seen, wanted) in seen.into_iter().zip(object.yuv) {
                assert!(
                    seen.abs_diff(wanted) <= 1,
                    "{seen} in {object:?} of frame {number}"
                );
            }
        }
    }
}

#[test]
fn a_picture_of_something_else_has_no_code() {
    let size = Size::new(640, 480);
    gst::init().expect("GStreamer starts");
    for scene in [
        "smpte",
        "snow",
        "black",
        "white",
        "checkers-8",
        "ball",
        "zone-plate",
    ] {
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc pattern={scene} num-buffers=5 ! video/x-raw,format=I420,width=640,height=480 \
             ! appsink name=seen sync=false"
        ))
        .expect("the pipeline can be built");
        let sink: gst_app::AppSink = pipeline
            .downcast_ref::<gst::Bin>()
            .and_then(|bin| bin.by_name("seen"))
            .and_downcast()
            .expect("the sink is there");
        pipeline.set_state(gst::State::Playing).expect("it plays");
        while let Ok(sample) = sink.pull_sample() {
            let map = sample
                .buffer()
                .expect("a picture")
                .map_readable()
                .expect("readable");
            let luma = Plane {
                bytes: &map[..],
                stride: 640,
            };
            assert_eq!(PatternCode::read_luma(luma, size), None, "{scene}");
        }
        pipeline.set_state(gst::State::Null).expect("it stops");
    }
}
