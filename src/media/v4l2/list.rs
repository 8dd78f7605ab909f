//! Lists every V4L2 device of this machine for people: its name, its formats, and the reason if it can't be used.

use std::path::{Path, PathBuf};

use serde::Serialize;
use v4l::Device;
use v4l::capability::Flags;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;

use super::choice::V4l2Format;
use super::device::DeviceError;
use crate::base::Size;

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct V4l2Device {
    /// `/dev/video0`.
    pub path: PathBuf,
    /// The name that the device states; empty if it can't be opened.
    pub card: String,
    /// The name of the kernel driver; empty if it can't be opened.
    pub driver: String,
    /// Whether it captures pictures that can be streamed. Codecs, outputs and metadata devices of cameras do not.
    pub is_camera: bool,
    /// The formats of a camera, in its own order; empty for multi-planar devices.
    pub formats: Vec<V4l2Formats>,
    /// Why it can't be opened, with the remedy.
    pub problem: Option<String>,
}

/// A pixel format of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct V4l2Formats {
    /// `YUYV`.
    pub fourcc: String,
    /// Whether a source can use it.
    pub usable: bool,
    /// Its sizes, the largest last; the smallest and largest if the device takes any between.
    pub sizes: Vec<Size>,
}

/// The devices `video0`, `video1` … in the folder `dev`, by number. Opens each of them and streams from none. Blocks as
/// long as the drivers take.
pub fn list_v4l2(dev: &Path) -> Vec<V4l2Device> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(dev)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let number = name.strip_prefix("video")?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, path)| inspect(path)).collect()
}

fn inspect(path: PathBuf) -> V4l2Device {
    let mut report = V4l2Device {
        path,
        card: String::new(),
        driver: String::new(),
        is_camera: false,
        formats: Vec::new(),
        problem: None,
    };
    if let Err(error) = describe(&mut report) {
        let error = DeviceError::of(&report.path, error);
        report.problem = Some(error.to_string());
    }
    report
}

fn describe(report: &mut V4l2Device) -> std::io::Result<()> {
    let device = Device::with_path(&report.path)?;
    let capabilities = device.query_caps()?;
    let can = |flag| capabilities.capabilities.contains(flag);
    let captures = can(Flags::VIDEO_CAPTURE) || can(Flags::VIDEO_CAPTURE_MPLANE);
    report.is_camera = captures && can(Flags::STREAMING);
    report.card = capabilities.card.clone();
    report.driver = capabilities.driver.clone();
    if !can(Flags::VIDEO_CAPTURE) || !report.is_camera {
        return Ok(());
    }
    for format in device.enum_formats()? {
        let sizes = device.enum_framesizes(format.fourcc).unwrap_or_default();
        let mut sizes: Vec<Size> = sizes
            .into_iter()
            .flat_map(|size| match size.size {
                FrameSizeEnum::Discrete(size) => vec![Size::new(size.width, size.height)],
                FrameSizeEnum::Stepwise(steps) => vec![
                    Size::new(steps.min_width, steps.min_height),
                    Size::new(steps.max_width, steps.max_height),
                ],
            })
            .collect();
        sizes.sort_unstable_by_key(|size| (size.width, size.height));
        sizes.dedup();
        report.formats.push(V4l2Formats {
            fourcc: name(format.fourcc.repr),
            usable: V4l2Format::of(format.fourcc.repr).is_some(),
            sizes,
        });
    }
    Ok(())
}

/// The name as the kernel writes it: the highest bit marks big-endian formats.
fn name(mut fourcc: [u8; 4]) -> String {
    let big_endian = fourcc[3] & 0x80 != 0;
    fourcc[3] &= 0x7f;
    let name = String::from_utf8_lossy(&fourcc);
    format!("{}{}", name.trim_end(), if big_endian { "-BE" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_named_as_the_kernel_names_them() {
        assert_eq!(name(*b"YUYV"), "YUYV");
        assert_eq!(name(*b"Y10 "), "Y10");
        assert_eq!(name([b'Y', b'1', b'6', b' ' | 0x80]), "Y16-BE");
    }

    #[test]
    fn devices_come_by_number_and_what_is_none_says_so() {
        let dev = tempfile::tempdir().expect("a folder");
        for name in ["video10", "video2", "videoX", "vbi0"] {
            std::fs::write(dev.path().join(name), "").expect("written");
        }
        let found = list_v4l2(dev.path());
        let names: Vec<_> = found
            .iter()
            .map(|device| device.path.file_name().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names, ["video2", "video10"]);
        let problem = found[0].problem.as_deref().unwrap_or_default();
        assert!(
            problem.ends_with("video2 is not a camera: it is not a V4L2 device"),
            "{problem}"
        );
        assert_eq!(list_v4l2(&dev.path().join("absent")), []);
    }
}
