//! Tests every decoder of the table on this machine: whether it is installed, opens and decodes, and how fast it is.

use std::sync::Arc;

use super::codec::Codec;
use super::decoder::LINES;
use super::output::Output;
use super::plan::{DecoderEntry, DecoderPlan, Elements, Registry, StreamShape};
use super::probe::{self, OnLateSuccess};

/// Repetitions of the built-in clip for measuring the decode rate: 240 pictures.
const ROUNDS: usize = 20;

/// The result for one decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderFinding {
    /// The codec.
    pub codec: Codec,
    /// The element's name.
    pub decoder: &'static str,
    /// The pipeline of a session for `gst-launch-1.0`, with a file in the place of the camera. Empty if the decoder is
    /// not installed.
    pub launch: String,
    /// The result of the test.
    pub outcome: DecoderOutcome,
}

/// The result of testing a decoder.
#[derive(Debug, Clone, PartialEq)]
pub enum DecoderOutcome {
    /// No such element is registered.
    NotInstalled,
    /// It is registered but gives no picture.
    Failed {
        /// The reason.
        reason: String,
    },
    /// It decodes.
    Works {
        /// Pictures of 320×240 per second.
        fps: f64,
    },
}

/// Tests every entry of the decoder table, codec by codec, in the order of preference, and calls `tell` with each
/// result as soon as it is known. Earlier results are ignored. Blocks: a driver that hangs costs twelve seconds.
pub fn survey_decoders(mut tell: impl FnMut(DecoderFinding)) {
    for codec in Codec::ALL {
        for line in LINES[codec as usize] {
            tell(survey(codec, line));
        }
    }
}

fn survey(codec: Codec, line: &'static DecoderEntry) -> DecoderFinding {
    let mut finding = DecoderFinding {
        codec,
        decoder: line.element,
        launch: String::new(),
        outcome: DecoderOutcome::NotInstalled,
    };
    if !Registry.has(line.element) {
        return finding;
    }
    let nobody: OnLateSuccess = Arc::new(|_| ());
    let tried = probe::first_that_decodes(codec, line, &nobody);
    let candidate = DecoderPlan::candidates(line, &Registry).into_iter().next();
    if let Some(plan) = tried.as_ref().ok().copied().or(candidate) {
        let (shape, output) = (StreamShape::default(), Output::default());
        let launch = plan.launch(&Registry, codec, &shape, &output);
        let launch = launch.replace(" ! appsink", " ! fakesink");
        finding.launch = format!("filesrc location=clip.{} ! {launch}", codec.name());
    }
    finding.outcome = match tried.and_then(|plan| probe::decodes(codec, plan, ROUNDS, &nobody)) {
        Ok(rate) => DecoderOutcome::Works {
            fps: rate.frames as f64 / rate.elapsed.as_secs_f64().max(1e-6),
        },
        Err(fault) => DecoderOutcome::Failed {
            reason: fault.to_string(),
        },
    };
    finding
}

/// GStreamer's version, `1.22.0`.
pub fn gstreamer_version() -> String {
    let (major, minor, micro, _) = gstreamer::version();
    format!("{major}.{minor}.{micro}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_decoders_are_found_to_work_and_the_others_to_be_missing() {
        super::super::init().expect("GStreamer starts");
        let mut findings = Vec::new();
        survey_decoders(|finding| findings.push(finding));
        assert_eq!(findings.len(), 16);
        for finding in findings {
            let software = ["avdec_h264", "avdec_h265", "jpegdec"].contains(&finding.decoder);
            match finding.outcome {
                DecoderOutcome::Works { fps } if software => {
                    assert!(fps > 25.0, "{fps}");
                    let decoder = format!(" ! {} ", finding.decoder);
                    assert!(finding.launch.contains(&decoder), "{}", finding.launch);
                }
                DecoderOutcome::NotInstalled if !software => assert!(finding.launch.is_empty()),
                other => panic!("{}: {other:?}", finding.decoder),
            }
        }
    }
}
