//! The pipelines of boards that tests do not run on, in the form of `gst-launch-1.0`. The elements of each board are
//! listed here; the code that boards run makes the pipelines.

use super::super::decoder::{LINES, VIC};
use super::super::output::Need;
use super::*;

/// The elements of a board, each with the properties that matter here.
struct Board(&'static [(&'static str, &'static [&'static str])]);

impl Elements for Board {
    fn has(&self, element: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == element)
    }

    fn has_property(&self, element: &str, property: &str) -> bool {
        self.0
            .iter()
            .any(|(name, properties)| *name == element && properties.contains(&property))
    }
}

const LIBAV: &[&str] = &["max-threads", "thread-type", "output-corrupt"];
/// libav of GStreamer 1.16 omits damaged pictures only by default.
const OLD_LIBAV: &[&str] = &["max-threads", "output-corrupt"];
const L4T: &[&str] = &[
    "enable-max-performance",
    "disable-dpb",
    "drop-frame-interval",
    "num-extra-surfaces",
    "mjpeg",
];

/// L4T r35: GStreamer 1.16.
const JETPACK_5: Board = Board(&[
    ("nvv4l2decoder", L4T),
    ("nvvidconv", &["interpolation-method", "bl-output"]),
    ("nvarguscamerasrc", &["sensor-id"]),
    ("nvjpegdec", &[]),
    ("avdec_h264", OLD_LIBAV),
    ("avdec_h265", OLD_LIBAV),
    ("jpegdec", &[]),
]);
/// L4T r36: GStreamer 1.20.
const JETPACK_6: Board = Board(&[
    ("nvv4l2decoder", L4T),
    ("nvvidconv", &["interpolation-method", "bl-output"]),
    ("nvarguscamerasrc", &["sensor-id"]),
    ("nvjpegdec", &[]),
    ("avdec_h264", LIBAV),
    ("avdec_h265", LIBAV),
    ("jpegdec", &[]),
]);
/// L4T r38: GStreamer 1.24, and a decoder that controls its own clock.
const JETPACK_7: Board = Board(&[
    (
        "nvv4l2decoder",
        &["drop-frame-interval", "num-extra-surfaces", "mjpeg"],
    ),
    ("nvvidconv", &["interpolation-method"]),
    ("avdec_h264", LIBAV),
    ("avdec_h265", LIBAV),
    ("jpegdec", &[]),
]);
/// A PC with an NVIDIA card, GStreamer 1.20 and 1.22.
const NVIDIA_1_20: Board = Board(&[
    ("nvh264dec", &[]),
    ("nvh265dec", &[]),
    ("cudaconvert", &[]),
    ("cudascale", &[]),
    ("cudadownload", &[]),
    ("avdec_h264", LIBAV),
]);
const NVIDIA_1_22: Board = Board(&[
    ("nvh264dec", &["num-output-surfaces"]),
    ("nvh265dec", &["num-output-surfaces"]),
    ("cudaconvertscale", &[]),
    ("cudaconvert", &[]),
    ("cudascale", &[]),
    ("cudadownload", &[]),
    ("avdec_h264", LIBAV),
]);
/// A Raspberry Pi 4: a decoder and an image processor by V4L2.
const RASPBERRY: Board = Board(&[
    ("v4l2h264dec", &["capture-io-mode"]),
    ("v4l2jpegdec", &[]),
    ("v4l2convert", &[]),
    ("avdec_h264", LIBAV),
    ("avdec_h265", LIBAV),
    ("jpegdec", &[]),
]);
/// A Rockchip board: stateless decoders and no scaler that GStreamer supports.
const ROCKCHIP: Board = Board(&[
    ("v4l2slh264dec", &[]),
    ("v4l2slh265dec", &[]),
    ("avdec_h264", LIBAV),
    ("jpegdec", &[]),
]);
const INTEL: Board = Board(&[
    ("vah264dec", &[]),
    ("vah265dec", &[]),
    ("vajpegdec", &[]),
    ("vapostproc", &[]),
    ("avdec_h264", LIBAV),
]);
const PLAIN_PC: Board = Board(&[
    ("avdec_h264", LIBAV),
    ("avdec_h265", LIBAV),
    ("jpegdec", &[]),
]);

fn shape(profile: &str) -> StreamShape {
    StreamShape {
        size: Some(Size::new(1920, 1080)),
        fps: Some(25.0),
        profile: Some(profile.to_owned()),
    }
}

/// The output that a processor with a model of 640×640 and `--max-fps 5` wants.
fn processor() -> Output {
    Output {
        needs: vec![Need::Within(Size::new(640, 640))],
        max_fps: Some(5.0),
        ..Output::default()
    }
}

fn first(board: &Board, codec: Codec, shape: &StreamShape, output: &Output) -> String {
    LINES[codec as usize]
        .iter()
        .filter(|line| board.has(line.element))
        .flat_map(|line| DecoderPlan::candidates(line, board))
        .map(|plan| plan.launch(board, codec, shape, output))
        .next()
        .expect("each board decodes")
}

#[test]
fn each_board_has_its_pipeline() {
    let h264 = |board: &Board| first(board, Codec::H264, &shape("main"), &processor());
    let l4t = "h264parse config-interval=-1 ! nvv4l2decoder enable-max-performance=true drop-frame-interval=5 \
         ! nvvidconv ! video/x-raw,format=NV12,width=640,height=360 ! appsink";
    for (board, expected) in [
        (&JETPACK_5, l4t),
        (&JETPACK_6, l4t),
        (
            &JETPACK_7,
            "h264parse config-interval=-1 ! nvv4l2decoder drop-frame-interval=5 \
             ! nvvidconv ! video/x-raw,format=NV12,width=640,height=360 ! appsink",
        ),
        (
            &NVIDIA_1_20,
            "h264parse config-interval=-1 ! nvh264dec \
             ! cudascale ! video/x-raw(memory:CUDAMemory),format=NV12,width=640,height=360 ! cudadownload ! appsink",
        ),
        (
            &NVIDIA_1_22,
            "h264parse config-interval=-1 ! nvh264dec \
             ! cudaconvertscale ! video/x-raw(memory:CUDAMemory),format=NV12,width=640,height=360 ! cudadownload ! appsink",
        ),
        (
            &RASPBERRY,
            "h264parse config-interval=-1 ! v4l2h264dec \
             ! v4l2convert ! video/x-raw,format=NV12,width=640,height=360 ! appsink",
        ),
        (
            &ROCKCHIP,
            "h264parse config-interval=-1 ! v4l2slh264dec ! appsink",
        ),
        (
            &INTEL,
            "h264parse config-interval=-1 ! vah264dec \
             ! vapostproc ! video/x-raw,format=NV12,width=640,height=360 ! appsink",
        ),
        (
            &PLAIN_PC,
            "h264parse config-interval=-1 ! avdec_h264 max-threads=1 thread-type=slice output-corrupt=false ! appsink",
        ),
    ] {
        assert_eq!(h264(board), expected);
    }
}

#[test]
fn pictures_of_a_jetson_have_widths_that_its_scaler_can_make() {
    let vic = &VIC[0];
    let size = |decoded: (u32, u32), wanted: Option<(u32, u32)>| {
        let size = |(width, height)| Size::new(width, height);
        let found = vic.size_for(size(decoded), wanted.map(size));
        found.map(|size| (size.width, size.height))
    };
    assert_eq!(size((1920, 1080), None), None);
    assert_eq!(size((1920, 1080), Some((640, 360))), Some((640, 360)));
    assert_eq!(size((1920, 1080), Some((474, 266))), Some((480, 266)));
    // No side grows, and a picture of an odd width can't stay as it is.
    assert_eq!(size((1366, 768), None), Some((1360, 768)));
    assert_eq!(size((1366, 768), Some((1364, 766))), Some((1360, 766)));
    assert_eq!(size((12, 8), None), None);
    let odd = StreamShape {
        size: Some(Size::new(854, 480)),
        ..shape("main")
    };
    let pipeline = first(&JETPACK_6, Codec::H264, &odd, &Output::default());
    assert!(
        pipeline.contains("format=NV12,width=848,height=480 ! appsink"),
        "{pipeline}"
    );
    let pipeline = first(&INTEL, Codec::H264, &odd, &Output::default());
    assert!(pipeline.contains("format=NV12 ! appsink"), "{pipeline}");
}

#[test]
fn the_other_codecs_go_the_same_ways() {
    let at = |board: &Board, codec| first(board, codec, &shape("main"), &Output::default());
    for (board, codec, expected) in [
        (
            &JETPACK_6,
            Codec::H265,
            "h265parse config-interval=-1 ! nvv4l2decoder enable-max-performance=true \
             ! nvvidconv ! video/x-raw,format=NV12 ! appsink",
        ),
        (
            &JETPACK_6,
            Codec::Mjpeg,
            "jpegparse ! nvv4l2decoder mjpeg=true enable-max-performance=true \
             ! nvvidconv ! video/x-raw,format=NV12 ! appsink",
        ),
        (
            &NVIDIA_1_22,
            Codec::H265,
            "h265parse config-interval=-1 ! nvh265dec \
             ! cudaconvertscale ! video/x-raw(memory:CUDAMemory),format=NV12 ! cudadownload ! appsink",
        ),
        (
            &RASPBERRY,
            Codec::H265,
            "h265parse config-interval=-1 ! avdec_h265 max-threads=1 thread-type=slice output-corrupt=false ! appsink",
        ),
        (
            &RASPBERRY,
            Codec::Mjpeg,
            "jpegparse ! v4l2jpegdec ! v4l2convert ! video/x-raw,format=NV12 ! appsink",
        ),
        (
            &INTEL,
            Codec::Mjpeg,
            "jpegparse ! vajpegdec ! vapostproc ! video/x-raw,format=NV12 ! appsink",
        ),
        (&ROCKCHIP, Codec::Mjpeg, "jpegparse ! jpegdec ! appsink"),
        (
            &JETPACK_5,
            Codec::H265,
            "h265parse config-interval=-1 ! nvv4l2decoder enable-max-performance=true \
             ! nvvidconv ! video/x-raw,format=NV12 ! appsink",
        ),
    ] {
        assert_eq!(at(board, codec), expected);
    }
}

#[test]
fn pictures_are_not_reordered_where_none_is_predicted_from_a_later_one() {
    let at = |profile| first(&JETPACK_6, Codec::H264, &shape(profile), &Output::default());
    for (profile, set) in [
        ("baseline", true),
        ("constrained-baseline", true),
        ("main", false),
        ("high", false),
    ] {
        assert_eq!(at(profile).contains("disable-dpb=true"), set, "{profile}");
    }
}

#[test]
fn a_wall_s_decoder_drops_nothing_and_a_processor_s_no_more_than_it_may() {
    let interval = |max_fps, fps| {
        let output = Output {
            max_fps,
            ..Output::default()
        };
        let shape = StreamShape {
            fps,
            ..shape("main")
        };
        let launch = first(&JETPACK_6, Codec::H264, &shape, &output);
        let (_, rest) = launch.split_once("drop-frame-interval=")?;
        rest.split(' ').next()?.parse::<u32>().ok()
    };
    assert_eq!(interval(None, Some(25.0)), None);
    assert_eq!(interval(Some(5.0), None), None);
    assert_eq!(interval(Some(15.0), Some(25.0)), None);
    assert_eq!(interval(Some(10.0), Some(25.0)), Some(2));
    assert_eq!(interval(Some(0.2), Some(25.0)), Some(30));
}

#[test]
fn nvmm_pictures_are_of_no_use_without_the_element_that_brings_them_out() {
    let bare = Board(&[("nvv4l2decoder", L4T), ("avdec_h264", LIBAV)]);
    assert_eq!(DecoderPlan::candidates(&LINES[0][0], &bare), []);
}

#[test]
fn more_threads_are_for_larger_pictures() {
    let threads = |width, height| {
        let shape = StreamShape {
            size: Some(Size::new(width, height)),
            ..StreamShape::default()
        };
        let launch = first(&PLAIN_PC, Codec::H264, &shape, &Output::default());
        let (_, rest) = launch.split_once("max-threads=").expect("it is set");
        let (threads, _) = rest.split_once(" output-corrupt").expect("it follows");
        threads.to_owned()
    };
    assert_eq!(threads(1920, 1080), "1 thread-type=slice");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = cores.min(MOST_THREADS);
    assert_eq!(
        threads(3840, 2160),
        format!("{most} thread-type=frame+slice")
    );
}
