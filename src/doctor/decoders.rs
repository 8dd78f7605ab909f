//! GStreamer, and every decoder of the table with the built-in clip.

use super::{Emit, Kind, Line, Machine, State, nvcodec};
use crate::media::{DecoderFinding, DecoderOutcome, gstreamer_version, init, survey_decoders};

/// Prefixes of decoders that run on the CPU.
const SOFTWARE: [&str; 2] = ["avdec_", "jpegdec"];

/// Frames per second of one camera.
const CAMERA_FPS: f64 = 25.0;

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    if let Err(error) = init() {
        emit(Line::of_error(
            State::Fault,
            "GStreamer",
            &error,
            "install GStreamer 1.16 or later (`apt install gstreamer1.0-plugins-base gstreamer1.0-plugins-good`)",
        ));
        return;
    }
    emit(Line::ok("GStreamer", gstreamer_version()));
    let (nvcodec_cached, mut found) = (nvcodec::registered(), Vec::new());
    survey_decoders(|finding| {
        emit(decoder_line(&finding));
        found.push(finding);
    });
    summaries(&found, Kind::of(&machine.tree), emit);
    // Last, because NVIDIA's libraries may crash.
    nvcodec::check(machine, nvcodec_cached, emit);
}

fn decoder_line(finding: &DecoderFinding) -> Line {
    let what = format!("{} {}", finding.codec.name(), finding.decoder);
    match &finding.outcome {
        DecoderOutcome::NotInstalled => Line::ok(what, "not installed"),
        DecoderOutcome::Failed { reason } => {
            let found = format!("installed, but does not decode: {reason}");
            let command = format!("GST_DEBUG=3 gst-launch-1.0 {}", finding.launch);
            let remedy = format!("it is not used; to see the reason: {command}");
            Line::warning(what, found, remedy)
        }
        DecoderOutcome::Works { fps } => {
            let found = format!("decodes the built-in clip, {fps:.0} fps");
            Line::ok(what, found).with_figure("fps", *fps)
        }
    }
}

/// One line per codec: the decoder that is used, and whether it suits this machine.
fn summaries(found: &[DecoderFinding], kind: Kind, emit: Emit<'_>) {
    for findings in found.chunk_by(|one, next| one.codec == next.codec) {
        let used = findings.iter().find_map(|finding| match finding.outcome {
            DecoderOutcome::Works { fps } => Some((finding.decoder, fps)),
            _ => None,
        });
        let codec = findings[0].codec.name();
        let (state, found, remedy) = match used {
            Some((decoder, fps)) => judged(codec, decoder, fps, kind),
            None => no_decoder(codec, kind),
        };
        emit(Line::new(state, format!("{codec}: used"), found, remedy));
    }
}

fn no_decoder(codec: &str, kind: Kind) -> (State, String, &'static str) {
    let install = match kind {
        Kind::Jetson => {
            "install nvidia-l4t-gstreamer and gstreamer1.0-libav, and pass the devices into the container (--runtime nvidia)"
        }
        _ => "install gstreamer1.0-libav and gstreamer1.0-plugins-good (`apt install …`)",
    };
    let none = format!("no decoder decodes {codec} here");
    // Nearly every camera sends H.264. The other codecs are not needed.
    if codec == "h264" {
        return (State::Fault, none, install);
    }
    let found = format!("{none}: cameras that send it are not seen");
    (State::Warning, found, install)
}

fn judged(codec: &str, decoder: &str, fps: f64, kind: Kind) -> (State, String, &'static str) {
    let software = SOFTWARE.iter().any(|name| decoder.starts_with(name));
    // Some Jetsons have no JPEG in NVDEC (Thor), and few cameras send it.
    if software && kind == Kind::Jetson && codec != "mjpeg" {
        let found = format!("{decoder}: the CPU decodes, and this Jetson's NVDEC is not used");
        let remedy = "install nvidia-l4t-gstreamer for nvv4l2decoder; start a container with --runtime nvidia; then `rm -rf ~/.cache/gstreamer-1.0`";
        return (State::Warning, found, remedy);
    }
    if fps < CAMERA_FPS {
        let found = format!("{decoder}, which is slower than one camera at {CAMERA_FPS:.0} fps");
        let remedy = "another program uses the CPU or the decoder: see `top`";
        return (State::Warning, found, remedy);
    }
    let place = ["in hardware", "on the CPU"][usize::from(software)];
    (State::Ok, format!("{decoder}, {place}"), "")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{emitted, full, short};
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

    /// The summary of a codec whose first decoder is not installed; the second works if it has a rate.
    fn summary(codec: Codec, decoder: &'static str, fps: Option<f64>, kind: Kind) -> String {
        let absent = DecoderOutcome::NotInstalled;
        let first = finding(codec, "v4l2decoder", absent.clone());
        let works = fps.map_or(absent, |fps| DecoderOutcome::Works { fps });
        let found = [first, finding(codec, decoder, works)];
        let lines = emitted(|emit| summaries(&found, kind, emit));
        lines.iter().map(short).collect()
    }

    #[test]
    fn a_decoder_is_judged_by_codec_and_machine() {
        use Codec::{H264, H265, Mjpeg};
        use Kind::{Jetson, Other};
        assert_eq!(
            [
                summary(H264, "avdec_h264", Some(800.0), Other),
                summary(H264, "avdec_h264", Some(800.0), Jetson),
                summary(H264, "nvv4l2decoder", Some(800.0), Jetson),
                summary(Mjpeg, "jpegdec", Some(800.0), Jetson),
                summary(H264, "vah264dec", None, Other),
                summary(H265, "vah264dec", None, Other),
                summary(H264, "avdec_h264", Some(11.0), Other),
            ],
            [
                "Ok | h264: used | avdec_h264, on the CPU",
                "Warning | h264: used | avdec_h264: the CPU decodes, and this Jetson's NVDEC is not used",
                "Ok | h264: used | nvv4l2decoder, in hardware",
                "Ok | mjpeg: used | jpegdec, on the CPU",
                "Fault | h264: used | no decoder decodes h264 here",
                "Warning | h265: used | no decoder decodes h265 here: cameras that send it are not seen",
                "Warning | h264: used | avdec_h264, which is slower than one camera at 25 fps",
            ]
        );
    }

    #[test]
    fn an_installed_decoder_that_fails_is_a_warning_with_a_command_that_shows_the_reason() {
        let reason = "no device".to_owned();
        let failed = DecoderOutcome::Failed { reason };
        assert_eq!(
            full(&decoder_line(&finding(Codec::H264, "v4l2h264dec", failed))),
            "Warning | h264 v4l2h264dec | installed, but does not decode: no device | it is not used; to see the reason: GST_DEBUG=3 gst-launch-1.0 filesrc location=clip ! v4l2h264dec ! fakesink"
        );
    }
}
