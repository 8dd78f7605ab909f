//! GStreamer, and every decoder of the table with the built-in clip.

use super::board::Kind;
use super::check::Emit;
use super::machine::Machine;
use super::report::Line;
use crate::media::{DecoderFinding, DecoderOutcome, gstreamer_version, init, survey_decoders};

/// What runs on the processor begins so.
const SOFTWARE: [&str; 2] = ["avdec_", "jpegdec"];

/// Pictures a second of one camera.
const CAMERA_FPS: f64 = 25.0;

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    if let Err(error) = init() {
        emit(Line::of_error(
            super::report::State::Fault,
            "GStreamer",
            &error,
            "install GStreamer 1.16 or later (`apt install gstreamer1.0-plugins-base gstreamer1.0-plugins-good`)",
        ));
        return;
    }
    emit(Line::ok("GStreamer", gstreamer_version()));
    let mut found = Vec::new();
    survey_decoders(|finding| {
        emit(line(&finding));
        found.push(finding);
    });
    judge(&found, Kind::of(&machine.tree), emit);
}

/// What the lines come to, codec by codec.
fn judge(found: &[DecoderFinding], kind: Kind, emit: Emit<'_>) {
    let mut codecs: Vec<&str> = found.iter().map(|finding| finding.codec.name()).collect();
    codecs.dedup();
    for codec in codecs {
        emit(summary(codec, found, kind));
    }
}

fn line(finding: &DecoderFinding) -> Line {
    let what = format!("{} {}", finding.codec.name(), finding.decoder);
    match &finding.outcome {
        DecoderOutcome::NotInstalled => Line::ok(what, "not installed"),
        DecoderOutcome::Failed { reason } => Line::warning(
            what,
            format!("installed, and does not decode: {reason}"),
            format!(
                "it is passed over; to see why: GST_DEBUG=3 gst-launch-1.0 {}",
                finding.launch
            ),
        ),
        DecoderOutcome::Works { fps } => {
            Line::ok(what, format!("decodes the built-in clip, {fps:.0} fps"))
        }
    }
    .with_fps(&finding.outcome)
}

impl Line {
    fn with_fps(self, outcome: &DecoderOutcome) -> Self {
        match outcome {
            DecoderOutcome::Works { fps } => self.with_figure("fps", *fps),
            _ => self,
        }
    }
}

/// Which line of a codec is taken, and whether it is the one that this machine should have.
fn summary(codec: &str, found: &[DecoderFinding], kind: Kind) -> Line {
    let what = format!("{codec}: used");
    let works = found.iter().find(|finding| {
        finding.codec.name() == codec && matches!(finding.outcome, DecoderOutcome::Works { .. })
    });
    let Some(works) = works else {
        let install = match kind {
            Kind::Jetson => {
                "install nvidia-l4t-gstreamer and gstreamer1.0-libav, and pass the devices into the container (--runtime nvidia)"
            }
            _ => "install gstreamer1.0-libav and gstreamer1.0-plugins-good (`apt install …`)",
        };
        let none = format!("no decoder decodes {codec} here");
        // Nearly every camera sends H.264; of the others each does without.
        return if codec == "h264" {
            Line::fault(what, none, install)
        } else {
            Line::warning(
                what,
                format!("{none}: cameras that send it are not seen"),
                install,
            )
        };
    };
    let decoder = works.decoder;
    let software = SOFTWARE.iter().any(|name| decoder.starts_with(name));
    let slow = matches!(works.outcome, DecoderOutcome::Works { fps } if fps < CAMERA_FPS);
    // Not every Jetson's NVDEC takes JPEG (Thor's does not), and few cameras send it.
    if software && kind == Kind::Jetson && codec != "mjpeg" {
        return Line::warning(
            what,
            format!("{decoder}: the processor decodes, and this Jetson's NVDEC is not used"),
            "install nvidia-l4t-gstreamer for nvv4l2decoder; in a container start it with --runtime nvidia; then `rm -rf ~/.cache/gstreamer-1.0`",
        );
    }
    if slow {
        return Line::warning(
            what,
            format!("{decoder}, which is slower than one camera at {CAMERA_FPS:.0} fps"),
            "another program has the processor or the decoder: see `top`",
        );
    }
    let how = if software {
        "on the processor"
    } else {
        "in hardware"
    };
    Line::ok(what, format!("{decoder}, {how}"))
}

#[cfg(test)]
mod tests {
    use super::super::report::State;
    use super::*;
    use crate::media::Codec;

    fn finding(codec: Codec, decoder: &'static str, outcome: DecoderOutcome) -> DecoderFinding {
        DecoderFinding {
            codec,
            decoder,
            launch: format!("filesrc location=clip ! {decoder} ! fakesink"),
            outcome,
        }
    }

    fn last(found: &[DecoderFinding], kind: Kind) -> Line {
        let mut lines = Vec::new();
        judge(found, kind, &mut |line| lines.push(line));
        lines.pop().expect("a summary")
    }

    const WORKS: DecoderOutcome = DecoderOutcome::Works { fps: 800.0 };

    #[test]
    fn software_is_well_on_a_pc_and_a_warning_on_a_jetson() {
        let found = [
            finding(Codec::H264, "nvv4l2decoder", DecoderOutcome::NotInstalled),
            finding(Codec::H264, "avdec_h264", WORKS),
        ];
        assert_eq!(
            last(&found, Kind::Other),
            Line::ok("h264: used", "avdec_h264, on the processor")
        );
        let line = last(&found, Kind::Jetson);
        assert_eq!(line.state, State::Warning);
        assert_eq!(
            line.found,
            "avdec_h264: the processor decodes, and this Jetson's NVDEC is not used"
        );
        let found = [finding(Codec::H264, "nvv4l2decoder", WORKS)];
        assert_eq!(
            last(&found, Kind::Jetson),
            Line::ok("h264: used", "nvv4l2decoder, in hardware")
        );
    }

    #[test]
    fn jpeg_on_the_processor_is_no_reason_to_worry() {
        let found = [finding(Codec::Mjpeg, "jpegdec", WORKS)];
        assert_eq!(
            last(&found, Kind::Jetson),
            Line::ok("mjpeg: used", "jpegdec, on the processor")
        );
    }

    #[test]
    fn no_decoder_for_h264_is_a_fault_and_for_others_a_warning() {
        for (codec, state) in [(Codec::H264, State::Fault), (Codec::H265, State::Warning)] {
            let found = [finding(codec, "vah264dec", DecoderOutcome::NotInstalled)];
            assert_eq!(last(&found, Kind::Other).state, state);
        }
    }

    #[test]
    fn a_decoder_that_is_there_and_fails_is_a_warning_with_a_command_to_see_why() {
        let failed = DecoderOutcome::Failed {
            reason: "no device".to_owned(),
        };
        let line = line(&finding(Codec::H264, "v4l2h264dec", failed));
        assert_eq!(
            line,
            Line::warning(
                "h264 v4l2h264dec",
                "installed, and does not decode: no device",
                "it is passed over; to see why: GST_DEBUG=3 gst-launch-1.0 filesrc location=clip ! v4l2h264dec ! fakesink"
            )
        );
    }

    #[test]
    fn a_decoder_slower_than_a_camera_is_a_warning() {
        let found = [finding(
            Codec::H264,
            "avdec_h264",
            DecoderOutcome::Works { fps: 11.0 },
        )];
        assert_eq!(last(&found, Kind::Other).state, State::Warning);
    }
}
