//! V4L2 devices: which are cameras, and what they offer. Network cameras are looked at by `nvr camera probe`.

use super::check::Emit;
use super::machine::Machine;
use super::report::{Line, State};
use crate::base::Size;
use crate::media::{V4l2Device, V4l2Formats, list_v4l2};

/// A camera may list fifty sizes; the smallest and the largest tell enough.
const SIZES: usize = 4;

/// Formats that can't be used anyway, of which a device may list eighty.
const OTHERS: usize = 6;

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let devices = list_v4l2(&machine.tree.at("/dev"));
    if devices.is_empty() {
        emit(Line::ok(
            "V4L2 devices",
            "none (/dev/video*); network cameras are looked at with `nvr camera probe URI`",
        ));
    }
    devices.iter().map(line).for_each(emit);
}

fn line(device: &V4l2Device) -> Line {
    let what = device.path.display().to_string();
    if let Some(problem) = &device.problem {
        return Line::of_error(
            State::Warning,
            what,
            problem,
            "unplug the camera and plug it in again; `dmesg` tells what its driver says",
        );
    }
    let name = format!("{} ({})", device.card, device.driver);
    if !device.is_camera {
        return Line::ok(
            what,
            format!("{name}: no camera (a codec, an output, or a camera's second device)"),
        );
    }
    if device.formats.is_empty() {
        return Line::ok(
            what,
            format!(
                "{name}: camera, whose formats only GStreamer can tell: `nvr camera probe v4l2://{}`",
                device.path.display()
            ),
        );
    }
    let (usable, others): (Vec<&V4l2Formats>, Vec<&V4l2Formats>) =
        device.formats.iter().partition(|format| format.usable);
    let found = format!("{name}: camera");
    let others = match named(&others) {
        others if others.is_empty() => String::new(),
        others => format!("; not usable: {others}"),
    };
    if usable.is_empty() {
        Line::warning(
            what,
            format!("{found}{others}"),
            "usable are NV12, YU12, YUYV, UYVY, RGB3, BGR3, MJPG, H264 and GREY; on a Jetson raw Bayer cameras need nvarguscamerasrc",
        )
    } else {
        Line::ok(what, format!("{found}, {}{others}", by_sizes(&usable)))
    }
}

/// Formats of the same sizes together, which are most.
fn by_sizes(formats: &[&V4l2Formats]) -> String {
    let mut groups: Vec<(&[Size], Vec<&V4l2Formats>)> = Vec::new();
    for format in formats {
        match groups.iter_mut().find(|(sizes, _)| *sizes == format.sizes) {
            Some((_, group)) => group.push(format),
            None => groups.push((&format.sizes, vec![format])),
        }
    }
    let groups: Vec<String> = groups
        .iter()
        .map(|(sizes, group)| {
            let names: Vec<&str> = group.iter().map(|format| &*format.fourcc).collect();
            format!("{} {}", names.join(" "), described(sizes))
        })
        .collect();
    groups.join("; ")
}

fn named(formats: &[&V4l2Formats]) -> String {
    let names: Vec<&str> = formats
        .iter()
        .take(OTHERS)
        .map(|format| &*format.fourcc)
        .collect();
    let names = names.join(" ");
    match formats.len().saturating_sub(OTHERS) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

fn described(sizes: &[Size]) -> String {
    let size = |size: &Size| format!("{}x{}", size.width, size.height);
    match sizes {
        [] => "of an unknown size".to_owned(),
        few if few.len() <= SIZES => few.iter().map(size).collect::<Vec<_>>().join(" "),
        [first, .., last] => format!("{} to {}, {} sizes", size(first), size(last), sizes.len()),
        [one] => size(one),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::lines_of;
    use super::super::machine::tests::fixture;
    use super::*;

    fn camera(formats: Vec<V4l2Formats>) -> V4l2Device {
        V4l2Device {
            path: "/dev/video0".into(),
            card: "HD Webcam".to_owned(),
            driver: "uvcvideo".to_owned(),
            is_camera: true,
            formats,
            problem: None,
        }
    }

    fn format(fourcc: &str, usable: bool, sizes: &[(u32, u32)]) -> V4l2Formats {
        V4l2Formats {
            fourcc: fourcc.to_owned(),
            usable,
            sizes: sizes
                .iter()
                .map(|(width, height)| Size::new(*width, *height))
                .collect(),
        }
    }

    #[test]
    fn a_camera_s_formats_are_told_shortly() {
        let many: Vec<(u32, u32)> = (1..=9).map(|n| (n * 160, n * 90)).collect();
        let device = camera(vec![
            format("YUYV", true, &[(640, 480)]),
            format("MJPG", true, &many),
            format("H264", true, &many),
            format("Y10", false, &many),
        ]);
        assert_eq!(
            line(&device),
            Line::ok(
                "/dev/video0",
                "HD Webcam (uvcvideo): camera, YUYV 640x480; MJPG H264 160x90 to 1440x810, 9 sizes; not usable: Y10"
            )
        );
    }

    #[test]
    fn what_can_not_be_used_is_a_warning_and_what_is_no_camera_is_none() {
        let raw = camera(vec![format("RG10", false, &[(1920, 1080)])]);
        assert_eq!(line(&raw).state, State::Warning);
        let codec = V4l2Device {
            is_camera: false,
            ..camera(Vec::new())
        };
        assert_eq!(line(&codec).state, State::Ok);
        let busy = V4l2Device {
            problem: Some(
                "/dev/video0 may not be opened: denied; add the user to the group video".to_owned(),
            ),
            ..camera(Vec::new())
        };
        assert_eq!(
            line(&busy),
            Line::warning(
                "/dev/video0",
                "/dev/video0 may not be opened: denied",
                "add the user to the group video"
            )
        );
        let (_dir, machine) = fixture(&[("/dev/null0", "")]);
        let lines = lines_of(check, &machine);
        assert_eq!((lines.len(), lines[0].state), (1, State::Ok));
    }
}
