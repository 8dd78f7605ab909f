//! The decoder table: which elements may decode a codec, in order of preference, and what is set on them.
//!
//! Hardware comes first. That an element is registered proves nothing: NVIDIA's plugins register on machines without a
//! driver, stateless V4L2 decoders without the memory they need. So each entry has to decode a small built-in clip once a
//! process before it is used ([`DecoderTable::choose`]); a source that gets no frame out of a chosen decoder asks for the next one.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::probe;

/// A video codec that sources may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// H.264, AVC.
    H264,
    /// H.265, HEVC.
    H265,
}

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoder {
    /// The element's name.
    pub(super) element: &'static str,
    /// Elements that bring its pictures into ordinary memory.
    pub(super) after: &'static [&'static str],
    /// Properties, set only where the element has them: they come and go with JetPack releases.
    pub(super) properties: &'static [(&'static str, &'static str)],
}

/// What became of one line of the table on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderReport {
    /// The element's name.
    pub decoder: &'static str,
    /// Whether it decoded the clip, or why not; nothing where no source has asked for it yet.
    pub probed: Option<Result<(), String>>,
}

/// By element; each probed by whoever asks first, while others wait for it.
type Probes = BTreeMap<&'static str, Arc<OnceLock<Result<(), String>>>>;

/// The lines of one codec, and what their probes gave.
pub(super) struct DecoderTable {
    codec: Codec,
    lines: &'static [Decoder],
    probed: Mutex<Probes>,
}

/// nvv4l2decoder of L4T. `enable-max-performance` keeps its clocks up (gone in JetPack 7); the frame comes in NVMM
/// memory, nvvidconv brings it out.
const NVV4L2: Decoder = Decoder {
    element: "nvv4l2decoder",
    after: &["nvvidconv"],
    properties: &[("enable-max-performance", "true"), ("disable-dpb", "true")],
};

/// libav, on the processor. One thread: frame threads delay by a frame each and keep as many pictures, and several
/// cameras fill the cores anyway. Above 1080p [`tune`] gives it more. What was damaged on the way is not shown: smeared pictures make
/// false detections.
const AVDEC: &[(&str, &str)] = &[
    ("max-threads", "1"),
    ("thread-type", "slice"),
    ("output-corrupt", "false"),
];

const fn plain(element: &'static str) -> Decoder {
    Decoder {
        element,
        after: &[],
        properties: &[],
    }
}

const fn avdec(element: &'static str) -> Decoder {
    Decoder {
        element,
        after: &[],
        properties: AVDEC,
    }
}

static H264: [Decoder; 6] = [
    NVV4L2,
    plain("nvh264dec"),
    plain("v4l2slh264dec"),
    plain("v4l2h264dec"),
    plain("vah264dec"),
    avdec("avdec_h264"),
];

static H265: [Decoder; 6] = [
    NVV4L2,
    plain("nvh265dec"),
    plain("v4l2slh265dec"),
    plain("v4l2h265dec"),
    plain("vah265dec"),
    avdec("avdec_h265"),
];

/// Pictures up to this many pixels are decoded by one thread.
const ONE_THREAD_PIXELS: u64 = 1920 * 1088;
/// Threads for larger pictures: a 4K stream at 25 fps needs more than one core of a small machine.
const MOST_THREADS: usize = 4;

impl Codec {
    /// Its name in statuses: `h264`, `h265`.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
        }
    }

    /// The codec of an RTP `encoding-name`.
    pub(super) fn of_rtp(encoding_name: &str) -> Option<Self> {
        match encoding_name {
            "H264" => Some(Self::H264),
            "H265" => Some(Self::H265),
            _ => None,
        }
    }

    pub(super) fn parser(self) -> &'static str {
        match self {
            Self::H264 => "h264parse",
            Self::H265 => "h265parse",
        }
    }

    pub(super) fn depayloader(self) -> &'static str {
        match self {
            Self::H264 => "rtph264depay",
            Self::H265 => "rtph265depay",
        }
    }

    /// This process's table.
    pub(super) fn decoders(self) -> &'static DecoderTable {
        static TABLES: LazyLock<[DecoderTable; 2]> = LazyLock::new(|| {
            [
                DecoderTable::new(Codec::H264, &H264),
                DecoderTable::new(Codec::H265, &H265),
            ]
        });
        match self {
            Self::H264 => &TABLES[0],
            Self::H265 => &TABLES[1],
        }
    }
}

/// What is known of `codec`'s decoders on this machine, in the order of their preference.
pub fn decoder_report(codec: Codec) -> Vec<DecoderReport> {
    codec.decoders().report()
}

impl DecoderTable {
    fn new(codec: Codec, lines: &'static [Decoder]) -> Self {
        Self {
            codec,
            lines,
            probed: Mutex::default(),
        }
    }

    /// The first line that decodes the clip and is not one of `refused`. Blocks while a line is probed for the first time.
    pub(super) fn choose(&self, refused: &[&'static str]) -> Option<&'static Decoder> {
        self.lines
            .iter()
            .filter(|line| !refused.contains(&line.element))
            .find(|line| self.works(line))
    }

    /// What became of each line so far.
    pub(super) fn report(&self) -> Vec<DecoderReport> {
        let probed = self.lock();
        self.lines
            .iter()
            .map(|line| DecoderReport {
                decoder: line.element,
                probed: probed
                    .get(line.element)
                    .and_then(|cell| cell.get().cloned()),
            })
            .collect()
    }

    fn works(&self, line: &'static Decoder) -> bool {
        let cell = self.lock().entry(line.element).or_default().clone();
        cell.get_or_init(|| {
            let codec = self.codec.name();
            if gst::ElementFactory::find(line.element).is_none() {
                tracing::debug!(codec, decoder = line.element, "decoder is not installed");
                return Err("not installed".to_owned());
            }
            let outcome = probe::decodes_clip(self.codec, line);
            match &outcome {
                Ok(()) => tracing::info!(codec, decoder = line.element, "decoder works"),
                Err(reason) => {
                    tracing::warn!(codec, decoder = line.element, %reason, "decoder is passed over");
                }
            }
            outcome
        })
        .is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Probes> {
        self.probed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the decoder of `line` with its properties, and what follows it.
pub(super) fn make(line: &Decoder) -> Result<(gst::Element, Vec<gst::Element>), String> {
    let decoder = element(line.element)?;
    for (property, value) in line.properties {
        set(&decoder, property, value);
    }
    let after = line
        .after
        .iter()
        .map(|name| element(name))
        .collect::<Result<_, _>>()?;
    Ok((decoder, after))
}

/// Fits libav's threads to the size of the pictures; called when it is known and before the decoder opens.
pub(super) fn tune(decoder: &gst::Element, width: u32, height: u32) {
    if u64::from(width) * u64::from(height) <= ONE_THREAD_PIXELS {
        return;
    }
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_THREADS);
    set(decoder, "max-threads", &threads.to_string());
    // Cameras send one slice a picture, so that slice threads alone would leave the work to one core.
    set(decoder, "thread-type", "frame+slice");
}

/// Makes an element of an installed plug-in.
///
/// # Errors
/// Names the element that is missing.
pub(super) fn element(name: &str) -> Result<gst::Element, String> {
    gst::ElementFactory::make(name).build().map_err(|_| {
        format!("GStreamer has no element `{name}`; install the plug-in that holds it")
    })
}

/// Sets a property where the element has it.
pub(super) fn set(element: &gst::Element, property: &str, value: &str) {
    if element.find_property(property).is_some() {
        element.set_property_from_str(property, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libav_decodes_the_clip_where_no_hardware_does() {
        super::super::init().expect("gstreamer starts");
        for (codec, libav) in [(Codec::H264, "avdec_h264"), (Codec::H265, "avdec_h265")] {
            let table = codec.decoders();
            assert!(table.choose(&[]).is_some());
            let others: Vec<_> = table
                .lines
                .iter()
                .map(|line| line.element)
                .filter(|name| *name != libav)
                .collect();
            let chosen = table.choose(&others).expect("libav decodes");
            assert_eq!(chosen.element, libav);
            assert_eq!(
                table.report().last(),
                Some(&DecoderReport {
                    decoder: libav,
                    probed: Some(Ok(())),
                })
            );
        }
    }

    #[test]
    fn an_element_that_decodes_nothing_is_passed_over_with_its_reason() {
        super::super::init().expect("gstreamer starts");
        static LINES: [Decoder; 3] = [
            plain("no-such-decoder"),
            plain("fakesink"),
            avdec("avdec_h264"),
        ];
        let table = DecoderTable::new(Codec::H264, &LINES);
        assert_eq!(
            table.choose(&[]).map(|line| line.element),
            Some("avdec_h264")
        );
        let report = table.report();
        assert_eq!(report[0].probed, Some(Err("not installed".to_owned())));
        assert!(matches!(&report[1].probed, Some(Err(reason)) if reason.contains("fakesink")));
        assert_eq!(table.choose(&["avdec_h264"]), None);
    }

    #[test]
    fn properties_that_an_element_lacks_are_left_alone() {
        super::super::init().expect("gstreamer starts");
        let element = element("identity").expect("a core element");
        set(&element, "enable-max-performance", "true");
        set(&element, "drop-probability", "0.5");
        assert_eq!(element.property::<f32>("drop-probability"), 0.5);
    }

    #[test]
    fn large_pictures_get_more_threads() {
        super::super::init().expect("gstreamer starts");
        let (decoder, _) = make(&H264[5]).expect("libav is installed");
        tune(&decoder, 1920, 1080);
        assert_eq!(decoder.property::<i32>("max-threads"), 1);
        tune(&decoder, 3840, 2160);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let expected = i32::try_from(cores.min(MOST_THREADS)).expect("a few");
        assert_eq!(decoder.property::<i32>("max-threads"), expected);
    }
}
