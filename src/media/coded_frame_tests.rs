use super::*;
use crate::base::PixelFormat;

/// The clip of the probes, and what repacks it as a recording has it.
const H264: (Codec, &[u8]) = (Codec::H264, include_bytes!("clips/probe.h264"));
const H265: (Codec, &[u8]) = (Codec::H265, include_bytes!("clips/probe.h265"));
/// The time between two of its frames.
const INTERVAL: Duration = Duration::from_millis(40);

/// All units that come out of the element `last` of a pipeline, in decoding order. The element `clip` gives `bytes`, if there is one.
fn units_of(launch: &str, codec: Codec, bytes: &'static [u8]) -> CodedFrame {
    super::super::init().expect("GStreamer starts");
    let pipeline = gst::parse::launch(launch).expect("elements");
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("a pipeline");
    let sink = gst_app::AppSink::builder()
        .caps(&recorded_caps(codec))
        .sync(false)
        .build();
    pipeline.add(&sink).expect("a sink");
    let last = pipeline.by_name("last").expect("a parser");
    last.link(&sink).expect("they are linked");
    pipeline.set_state(gst::State::Playing).expect("it starts");
    if let Some(clip) = pipeline.by_name("clip") {
        let clip = clip.downcast::<gst_app::AppSrc>().expect("a source");
        clip.push_buffer(gst::Buffer::from_slice(bytes))
            .and_then(|_| clip.end_of_stream())
            .expect("it takes the clip");
    }
    let (mut format, mut units) = (None, Vec::new());
    while let Ok(sample) = sink.pull_sample() {
        let caps = sample.caps().and_then(|caps| caps.structure(0));
        let caps = caps.expect("caps");
        let record = caps.get::<gst::Buffer>("codec_data").expect("a record");
        let side = |name| caps.get::<i32>(name).expect("a size") as u32;
        format = Some(CodedFormat {
            codec,
            record: Bytes::copy_from_slice(&record.map_readable().expect("bytes")),
            size: Size::new(side("width"), side("height")),
        });
        let buffer = sample.buffer().expect("a unit");
        units.push(TimedUnit {
            data: Bytes::copy_from_slice(&buffer.map_readable().expect("bytes")),
            presentation: Duration::from_nanos(buffer.pts().map_or(0, gst::ClockTime::nseconds)),
        });
    }
    pipeline.set_state(gst::State::Null).expect("it stops");
    let format = format.expect("a unit");
    CodedFrame { format, units }
}

/// The clip of the probes as a recording.
fn clip((codec, bytes): (Codec, &'static [u8])) -> CodedFrame {
    let (media_type, parser) = (codec.media_type(), codec.parser());
    let launch = format!(
        "appsrc name=clip max-bytes=0 ! {media_type},stream-format=byte-stream ! {parser} name=last"
    );
    let mut clip = units_of(&launch, codec, bytes);
    for (index, unit) in clip.units.iter_mut().enumerate() {
        unit.presentation = index as u32 * INTERVAL;
    }
    clip
}

/// A ball that moves, encoded with B-frames, in pixels that are not square. Its units are in decoding order.
fn with_b_frames() -> CodedFrame {
    let launch = "videotestsrc num-buffers=20 pattern=ball \
        ! video/x-raw,format=I420,width=160,height=120,framerate=25/1,pixel-aspect-ratio=4/3 \
        ! x264enc bitrate=200 key-int-max=20 bframes=3 b-adapt=false speed-preset=veryfast \
        ! video/x-h264,profile=main ! h264parse name=last";
    let mut clip = units_of(launch, Codec::H264, &[]);
    // The encoder begins after 1000 h.
    let first = clip.units.iter().map(|unit| unit.presentation).min();
    let first = first.expect("a unit");
    for unit in &mut clip.units {
        unit.presentation -= first;
    }
    clip
}

/// The frame of unit `index`, with the units from `from` on.
fn frame_at(clip: &CodedFrame, from: usize, index: usize) -> CodedFrame {
    CodedFrame {
        format: clip.format.clone(),
        units: clip.units[from..=index].to_vec(),
    }
}

/// The luma of a frame.
fn luma(frame: &Frame) -> Vec<u8> {
    let pixels = frame.pixels.host().expect("pixels");
    assert!(matches!(
        pixels.format(),
        PixelFormat::I420 | PixelFormat::Nv12
    ));
    let Size { width, height } = frame.planes_size();
    let plane = pixels.plane(0);
    let rows = plane.bytes.chunks(plane.stride).take(height as usize);
    rows.flat_map(|row| row[..width as usize].to_vec())
        .collect()
}

/// All pictures of a clip, decoded one after the other by an ordinary pipeline, with their times.
fn all_pictures(clip: &CodedFrame) -> Vec<(Duration, Vec<u8>)> {
    struct All(Mutex<Vec<Frame>>);
    impl FrameSink for All {
        fn described(&self, _: &StreamFacts) {}
        fn access_unit(&self, _: usize) {}
        fn alive(&self) {}
        fn frame(&self, frame: Frame) {
            lock(&self.0).push(frame);
        }
    }
    let all = Arc::new(All(Mutex::default()));
    let session = SessionState::new(all.clone(), Clock::system());
    let plan = clip.format.codec.decoders().choose(&[]).expect("a decoder");
    let pipeline = clip.pipeline(&session, plan, 4096).expect("a pipeline");
    let local = LocalSource {
        name: "the clip".to_owned(),
        start_limit: Duration::from_secs(30),
        stall_limit: Duration::from_secs(30),
    };
    let ending = local.play(pipeline, &session, None, &Stop::default());
    assert!(matches!(ending, Ending::Eos), "{ending:?}");
    let frames = std::mem::take(&mut *lock(&all.0));
    let shown = |frame: &Frame| frame.meta.pts.expect("a time") - BEGIN;
    frames.iter().map(|it| (shown(it), luma(it))).collect()
}

#[test]
fn each_frame_of_a_clip_is_the_one_that_a_player_shows_then() {
    for codec in [H264, H265] {
        let clip = clip(codec);
        assert_eq!(clip.units.len(), 12);
        let shown = all_pictures(&clip);
        assert_eq!(shown.len(), 12);
        for index in 0..12 {
            // The second half begins with a key frame of its own.
            for from in [0, 6].into_iter().filter(|from| *from <= index) {
                let frame = frame_at(&clip, from, index).decode(4096);
                let frame = frame.expect("a picture");
                assert_eq!(frame.meta.size, Size::new(320, 240));
                let same: Vec<_> = (0..12).filter(|it| shown[*it].1 == luma(&frame)).collect();
                assert_eq!(same, [index], "{:?} from {from}", codec.0);
            }
        }
    }
}

#[test]
fn frames_that_are_shown_in_another_order_are_told_apart() {
    let clip = with_b_frames();
    assert_eq!(clip.units.len(), 20);
    let times: Vec<_> = clip.units.iter().map(|unit| unit.presentation).collect();
    assert!(!times.is_sorted(), "no B-frames: {times:?}");
    let shown = all_pictures(&clip);
    assert_eq!(shown.len(), 20);
    for index in 0..20 {
        let frame = frame_at(&clip, 0, index).decode(4096).expect("a picture");
        let same = shown
            .iter()
            .filter(|(_, luma_then)| *luma_then == luma(&frame));
        let same: Vec<_> = same.map(|(time, _)| *time).collect();
        assert_eq!(same, [clip.units[index].presentation], "unit {index}");
        // In square pixels.
        assert_eq!(frame.meta.size, Size::new(213, 120));
    }
}

#[test]
fn a_frame_that_lacks_what_it_refers_to_is_replaced_by_the_nearest_one() {
    let mut clip = clip(H264);
    let shown = all_pictures(&clip);
    // No key frame: a broken unit takes the place of the last one.
    clip.units.truncate(9);
    clip.units[8].data = Bytes::from_static(b"\0\0\0\x04\x41\xff\xff\xff");
    let frame = clip.decode(4096).expect("a picture");
    let same: Vec<_> = (0..12).filter(|it| shown[*it].1 == luma(&frame)).collect();
    assert_eq!(same, [7]);
}

#[test]
fn what_no_decoder_understands_is_an_error_that_says_so() {
    let mut noise = clip(H264);
    for unit in &mut noise.units {
        unit.data = Bytes::from_static(b"\0\0\0\x04\x65\xff\xff\xff");
    }
    let error = noise.decode(4096).err().expect("noise");
    assert!(
        matches!(&error, CodedFrameError::NoPicture { decoder, .. } if *decoder == "avdec_h264"),
        "{error}"
    );
    let none = CodedFrame {
        units: Vec::new(),
        ..noise
    };
    let error = none.decode(4096).err().expect("nothing");
    assert_eq!(
        error.to_string(),
        "avdec_h264 gives no picture of the recording: it has no unit"
    );
}

#[test]
fn no_threads_are_left_behind() {
    let frame = frame_at(&clip(H265), 0, 3);
    let is_ours = |task: std::io::Result<std::fs::DirEntry>| {
        let name = std::fs::read_to_string(task.expect("a thread").path().join("comm"));
        name.is_ok_and(|name| name.starts_with(SOURCE))
    };
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
        tasks.filter_map(|task| is_ours(task).then_some(())).count()
    };
    for _ in 0..30 {
        frame.decode(320).expect("a picture");
    }
    // Other tests decode at the same time, and GStreamer keeps some threads for the next pipeline.
    let deadline = Instant::now() + Duration::from_secs(10);
    while threads() > 15 {
        assert!(Instant::now() < deadline, "{} threads", threads());
        std::thread::yield_now();
    }
}
