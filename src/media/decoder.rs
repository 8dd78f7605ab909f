//! The decoder table: the elements that may decode a codec, in order of preference, and their state on this machine.
//!
//! Hardware comes first. A registered element may still fail: NVIDIA's plug-ins register on machines without a driver,
//! and stateless V4L2 decoders without the memory they need. So each entry must decode a small built-in clip once per
//! process before it is used ([`DecoderTable::choose`]). A source that gets no frame from a chosen decoder asks for the
//! next one.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock};

use super::codec::Codec;
use super::plan::{DecoderEntry, DecoderPlan, Elements, HardwareScaler, Registry, Tuning};
use super::probe::{self, DecoderFault, OnLateSuccess};
use crate::base::sync::lock;

/// The state of one entry of the table on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderReport {
    /// The element's name.
    pub decoder: &'static str,
    /// Whether it decoded the clip, or the reason why not; none if no source has asked for it yet.
    pub probed: Option<Result<(), DecoderFault>>,
}

/// Probes by element. The first user of a decoder probes it, while others wait for the result.
type Probes = BTreeMap<&'static str, Arc<Probe>>;

/// The result of a probe.
#[derive(Default)]
struct Probe {
    answer: OnceLock<Result<DecoderPlan, DecoderFault>>,
    /// The plan of a decoder that answered after the time limit.
    late: OnceLock<DecoderPlan>,
}

impl Probe {
    fn outcome(&self) -> Option<Result<DecoderPlan, DecoderFault>> {
        match (self.answer.get(), self.late.get()) {
            (_, Some(plan)) => Some(Ok(*plan)),
            (answer, None) => answer.cloned(),
        }
    }
}

/// The entries of one codec, and the results of their probes.
pub(super) struct DecoderTable {
    codec: Codec,
    lines: &'static [DecoderEntry],
    probed: Mutex<Probes>,
}

/// The VIC of a Jetson: the only way out of NVMM memory. It also scales and converts.
pub(super) const VIC: &[HardwareScaler] = &[HardwareScaler {
    restarts: true,
    columns: 16,
    ..in_host_memory("nvvidconv")
}];
/// NVIDIA's scalers on a PC work in the GPU's memory: one element since 1.22, before that separate elements.
const CUDA: &[HardwareScaler] = &[
    HardwareScaler {
        element: "cudaconvertscale",
        memory: "memory:CUDAMemory",
        after: &["cudadownload"],
        restarts: false,
        columns: 1,
    },
    HardwareScaler {
        element: "cudascale",
        memory: "memory:CUDAMemory",
        after: &["cudadownload"],
        restarts: false,
        columns: 1,
    },
];
/// The image processor of a Raspberry Pi and similar boards; it is registered where it exists.
const V4L2: &[HardwareScaler] = &[in_host_memory("v4l2convert")];
const VA: &[HardwareScaler] = &[in_host_memory("vapostproc")];

const fn in_host_memory(element: &'static str) -> HardwareScaler {
    HardwareScaler {
        element,
        memory: "",
        after: &[],
        restarts: false,
        columns: 1,
    }
}

const fn decoder(
    element: &'static str,
    tuning: Tuning,
    scalers: &'static [HardwareScaler],
) -> DecoderEntry {
    DecoderEntry {
        element,
        tuning,
        scalers,
        bare: true,
    }
}

const fn plain(element: &'static str, scalers: &'static [HardwareScaler]) -> DecoderEntry {
    decoder(element, Tuning::Plain, scalers)
}

/// Its pictures are in NVMM memory, which only nvvidconv can read.
const NVV4L2: DecoderEntry = DecoderEntry {
    bare: false,
    ..decoder("nvv4l2decoder", Tuning::L4t, VIC)
};

/// In the order of the variants of [`Codec`].
pub(super) static LINES: [&[DecoderEntry]; 3] = [&H264, &H265, &MJPEG];

static H264: [DecoderEntry; 6] = [
    NVV4L2,
    plain("nvh264dec", CUDA),
    plain("v4l2slh264dec", V4L2),
    plain("v4l2h264dec", V4L2),
    plain("vah264dec", VA),
    decoder("avdec_h264", Tuning::Libav, &[]),
];

static H265: [DecoderEntry; 6] = [
    NVV4L2,
    plain("nvh265dec", CUDA),
    plain("v4l2slh265dec", V4L2),
    plain("v4l2h265dec", V4L2),
    plain("vah265dec", VA),
    decoder("avdec_h265", Tuning::Libav, &[]),
];

/// Desktop NVIDIA's nvjpegdec is omitted: a Jetson has another element of that name, and decoding the pictures of a USB
/// camera costs less than copying them to the card and back.
static MJPEG: [DecoderEntry; 4] = [
    NVV4L2,
    plain("v4l2jpegdec", V4L2),
    plain("vajpegdec", VA),
    plain("jpegdec", &[]),
];

impl Codec {
    /// The table of this process.
    pub(super) fn decoders(self) -> &'static DecoderTable {
        static TABLES: LazyLock<[DecoderTable; 3]> =
            LazyLock::new(|| Codec::ALL.map(|codec| DecoderTable::new(codec, codec.lines())));
        &TABLES[self as usize]
    }

    fn lines(self) -> &'static [DecoderEntry] {
        LINES[self as usize]
    }
}

/// The known state of `codec`'s decoders on this machine, in the order of preference.
pub fn decoder_report(codec: Codec) -> Vec<DecoderReport> {
    codec.decoders().report()
}

/// The first decoder of `codec` that decodes the built-in clip here; none if there is none. Blocks while decoders are tried.
pub fn working_decoder(codec: Codec) -> Option<String> {
    codec.decoders().choose(&[]).map(|plan| plan.to_string())
}

impl DecoderTable {
    fn new(codec: Codec, lines: &'static [DecoderEntry]) -> Self {
        Self {
            codec,
            lines,
            probed: Mutex::default(),
        }
    }

    /// The first entry that decodes the clip and is not in `refused`. Blocks while an entry is probed for the first
    /// time.
    pub(super) fn choose(&self, refused: &[&'static str]) -> Option<DecoderPlan> {
        self.lines
            .iter()
            .filter(|line| !refused.contains(&line.element))
            .find_map(|line| self.plan(line))
    }

    /// The state of each entry so far.
    pub(super) fn report(&self) -> Vec<DecoderReport> {
        let probed = self.lock();
        let outcome = |line: &DecoderEntry| probed.get(line.element)?.outcome();
        self.lines
            .iter()
            .map(|line| DecoderReport {
                decoder: line.element,
                probed: outcome(line).map(|outcome| outcome.map(|_| ())),
            })
            .collect()
    }

    fn plan(&self, line: &'static DecoderEntry) -> Option<DecoderPlan> {
        let probe = self.lock().entry(line.element).or_default().clone();
        let too_late = Arc::downgrade(&probe);
        let late: OnLateSuccess = Arc::new(move |plan| {
            if let Some(probe) = too_late.upgrade() {
                let _ = probe.late.set(plan);
            }
        });
        probe.answer.get_or_init(|| {
            let codec = self.codec.name();
            if !Registry.has(line.element) {
                tracing::debug!(codec, decoder = line.element, "decoder is not installed");
                return Err(DecoderFault::NotInstalled);
            }
            let outcome = probe::first_that_decodes(self.codec, line, &late);
            match &outcome {
                Ok(plan) => tracing::info!(codec, decoder = %plan, "decoder works"),
                Err(reason) => {
                    tracing::warn!(codec, decoder = line.element, %reason, "decoder is not used");
                }
            }
            outcome
        });
        probe.outcome()?.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Probes> {
        lock(&self.probed)
    }
}

#[cfg(test)]
mod tests {
    use gstreamer::prelude::*;

    use super::super::element::{element, set};
    use super::*;

    #[test]
    fn software_decodes_the_clip_where_no_hardware_does() {
        super::super::init().expect("gstreamer starts");
        for (codec, software) in [
            (Codec::H264, "avdec_h264"),
            (Codec::H265, "avdec_h265"),
            (Codec::Mjpeg, "jpegdec"),
        ] {
            let table = codec.decoders();
            assert!(table.choose(&[]).is_some());
            let others: Vec<_> = table
                .lines
                .iter()
                .map(|line| line.element)
                .filter(|name| *name != software)
                .collect();
            let chosen = table.choose(&others).expect("software decodes");
            assert_eq!(chosen.decoder.element, software);
            assert_eq!(
                table.report().last(),
                Some(&DecoderReport {
                    decoder: software,
                    probed: Some(Ok(())),
                })
            );
        }
    }

    #[test]
    fn an_element_that_decodes_nothing_is_passed_over_with_its_reason() {
        super::super::init().expect("gstreamer starts");
        static LINES: [DecoderEntry; 3] = [
            plain("no-such-decoder", &[]),
            plain("fakesink", &[]),
            decoder("avdec_h264", Tuning::Libav, &[]),
        ];
        let table = DecoderTable::new(Codec::H264, &LINES);
        let chosen = table.choose(&[]).map(|plan| plan.decoder.element);
        assert_eq!(chosen, Some("avdec_h264"));
        let report = table.report();
        assert_eq!(report[0].probed, Some(Err(DecoderFault::NotInstalled)));
        assert!(
            matches!(&report[1].probed, Some(Err(reason)) if reason.to_string().contains("fakesink"))
        );
        assert_eq!(table.choose(&["avdec_h264"]), None);
    }

    #[test]
    fn an_answer_that_comes_too_late_counts_from_then_on() {
        let probe = Probe::default();
        assert_eq!(probe.outcome(), None);
        let hangs = Err(DecoderFault::Hangs {
            decoder: "avdec_h264",
            limit: std::time::Duration::from_secs(12),
        });
        probe.answer.set(hangs.clone()).expect("the first answer");
        assert_eq!(probe.outcome(), Some(hangs));
        let plan = DecoderPlan {
            decoder: &H264[5],
            scaler: None,
        };
        probe.late.set(plan).expect("the first late one");
        assert_eq!(probe.outcome(), Some(Ok(plan)));
    }

    #[test]
    fn a_scaler_that_does_not_work_is_left_out() {
        super::super::init().expect("gstreamer starts");
        static LINES: [DecoderEntry; 1] = [decoder(
            "avdec_h264",
            Tuning::Libav,
            &[in_host_memory("no-such-scaler"), in_host_memory("fakesink")],
        )];
        let table = DecoderTable::new(Codec::H264, &LINES);
        let plan = table.choose(&[]).expect("the decoder by itself");
        assert_eq!((plan.decoder.element, plan.scaler), ("avdec_h264", None));
    }

    #[test]
    fn properties_that_an_element_lacks_are_left_alone() {
        super::super::init().expect("gstreamer starts");
        let element = element("identity").expect("a core element");
        set(&element, "enable-max-performance", "true");
        set(&element, "drop-probability", "0.5");
        assert_eq!(element.property::<f32>("drop-probability"), 0.5);
        assert!(Registry.has_property("identity", "drop-probability"));
        assert!(!Registry.has_property("identity", "enable-max-performance"));
        assert!(!Registry.has_property("no-such-element", "drop-probability"));
    }
}
