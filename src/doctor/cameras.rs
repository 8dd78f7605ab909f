//! V4L2 devices: which are cameras, and their formats. Network cameras are tested with `nvr camera probe`.

use super::board::Kind;
use super::{Emit, FileTree, Line, Machine, State};
use crate::base::{Size, first_names};
use crate::media::{V4l2Device, V4l2Formats, list_v4l2};

/// Up to this number, all sizes of a format are named; of more, the smallest and the largest. A camera may list fifty.
const NAMED_SIZES: usize = 4;

/// Unusable formats that are named. A device may list eighty.
const NAMED_UNUSABLE: usize = 6;

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let devices = list_v4l2(&machine.tree.at("/dev"));
    if devices.is_empty() {
        let found = "none (/dev/video*); test a network camera with `nvr camera probe URI`";
        emit(Line::ok("V4L2 devices", found));
    }
    devices.iter().map(line).for_each(&mut *emit);
    if Kind::of(&machine.tree) == Kind::Jetson {
        emit(argus(&machine.tree));
    }
}

/// Whether the processors that run reach the daemon of a Jetson's CSI cameras. Its socket is in /tmp, and units have a /tmp of their own.
fn argus(tree: &FileTree) -> Line {
    let processes = tree.folders("/proc", "").into_iter();
    let named = processes.filter_map(|(id, process)| Some((process.read("comm")?, id, process)));
    let named = Vec::from_iter(named);
    if !named.iter().any(|(name, ..)| name == "nvargus-daemon") {
        let start = "`systemctl start nvargus-daemon`";
        return Line::ok(
            "Argus",
            format!("nvargus-daemon does not run, which CSI cameras (csi:N) need: {start}"),
        );
    }
    let is_blind = |name: &str, process: &FileTree| {
        let is_processor = name == "nvr" && process.text("cmdline").contains("processor");
        is_processor && process.has("root/tmp") && !process.has("root/tmp/argus_socket")
    };
    let mut named = named.iter();
    match named.find(|(name, _, process)| is_blind(name, process)) {
        Some((_, id, _)) => Line::warning(
            "Argus",
            format!(
                "the processor with the id {id} sees no /tmp/argus_socket: CSI cameras give it no picture"
            ),
            "set PrivateTmp=yes in both units, and JoinsNamespaceOf=nvargus-daemon.service in that of nvr",
        ),
        None => Line::ok(
            "Argus",
            "nvargus-daemon runs, and each processor that runs sees its socket",
        ),
    }
}

fn line(device: &V4l2Device) -> Line {
    let what = device.path.display();
    if let Some(problem) = &device.problem {
        let remedy =
            "unplug the camera and plug it in again; `dmesg` shows the messages of its driver";
        return Line::of_error(State::Warning, what, problem, remedy);
    }
    let name = format!("{} ({})", device.card, device.driver);
    if !device.is_camera {
        let kinds = "a codec, an output, or the second device of a camera";
        return Line::ok(what, format!("{name}: no camera ({kinds})"));
    }
    if device.formats.is_empty() {
        let probe = format!("`nvr camera probe v4l2://{what}`");
        let found = format!("{name}: camera, whose formats only GStreamer can read: {probe}");
        return Line::ok(what, found);
    }
    let formats = device.formats.iter();
    let (usable, unusable): (Vec<_>, Vec<_>) = formats.partition(|format| format.usable);
    let mut found = format!("{name}: camera");
    if !usable.is_empty() {
        found += &format!(", {}", by_sizes(&usable));
    }
    if !unusable.is_empty() {
        let named = first_names(fourccs(&unusable), NAMED_UNUSABLE, " ");
        found += &format!("; not usable: {named}");
    }
    Line::new(
        State::of(false, usable.is_empty()),
        what,
        found,
        "usable formats are NV12, YU12, YUYV, UYVY, RGB3, BGR3, MJPG, H264 and GREY; raw Bayer cameras of a Jetson need nvarguscamerasrc",
    )
}

/// Formats with equal sizes are grouped; most formats have equal sizes.
fn by_sizes(formats: &[&V4l2Formats]) -> String {
    let mut groups: Vec<(&[Size], Vec<&V4l2Formats>)> = Vec::new();
    for format in formats {
        match groups.iter_mut().find(|(sizes, _)| *sizes == format.sizes) {
            Some((_, group)) => group.push(format),
            None => groups.push((&format.sizes, vec![format])),
        }
    }
    let groups = groups
        .iter()
        .map(|(sizes, group)| format!("{} {}", fourccs(group).join(" "), range(sizes)));
    Vec::from_iter(groups).join("; ")
}

fn fourccs<'a>(formats: &[&'a V4l2Formats]) -> Vec<&'a str> {
    formats.iter().map(|format| &*format.fourcc).collect()
}

fn range(sizes: &[Size]) -> String {
    let size = |size: &Size| format!("{}x{}", size.width, size.height);
    match sizes {
        [] => "of an unknown size".to_owned(),
        [first, .., last] if sizes.len() > NAMED_SIZES => {
            format!("{} to {}, {} sizes", size(first), size(last), sizes.len())
        }
        few => Vec::from_iter(few.iter().map(size)).join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::full;
    use super::*;

    fn camera(formats: &[V4l2Formats]) -> V4l2Device {
        V4l2Device {
            path: "/dev/video0".into(),
            card: "HD Webcam".to_owned(),
            driver: "uvcvideo".to_owned(),
            is_camera: true,
            formats: formats.to_vec(),
            problem: None,
        }
    }

    fn format(fourcc: &str, usable: bool, sizes: &[Size]) -> V4l2Formats {
        V4l2Formats {
            fourcc: fourcc.to_owned(),
            usable,
            sizes: sizes.to_vec(),
        }
    }

    #[test]
    fn a_camera_s_formats_are_listed_briefly() {
        let many: Vec<Size> = (1..=9).map(|n| Size::new(n * 160, n * 90)).collect();
        let device = camera(&[
            format("YUYV", true, &[Size::new(640, 480)]),
            format("MJPG", true, &many),
            format("H264", true, &many),
            format("Y10", false, &many),
        ]);
        assert_eq!(
            full(&line(&device)),
            "Ok | /dev/video0 | HD Webcam (uvcvideo): camera, YUYV 640x480; MJPG H264 160x90 to 1440x810, 9 sizes; not usable: Y10"
        );
    }

    #[test]
    fn an_unusable_camera_is_a_warning_and_a_codec_is_none() {
        let raw = camera(&[format("RG10", false, &[Size::new(1920, 1080)])]);
        assert_eq!(line(&raw).state, State::Warning);
        let mut codec = camera(&[]);
        codec.is_camera = false;
        assert_eq!(line(&codec).state, State::Ok);
        let mut busy = camera(&[]);
        let found = "/dev/video0 may not be opened: denied";
        let remedy = "add the user to the group video";
        busy.problem = Some(format!("{found}; {remedy}"));
        let expected = format!("Warning | /dev/video0 | {found} | {remedy}");
        assert_eq!(full(&line(&busy)), expected);
    }
}
