//! Inspects a V4L2 device before it streams: its name, its formats, and the reason if it can't be used.

use std::io;
use std::path::Path;

use v4l::capability::Flags;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;
use v4l::{Device, Format, FourCC};

use super::choice::{Offer, V4l2Format, choose};
use crate::base::Size;

/// How a source opens a device.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CapturePlan {
    /// The name that the device states.
    pub(super) card: String,
    /// The format to ask for; none if only the driver can tell (multi-planar devices).
    pub(super) offer: Option<Offer>,
}

/// Why a device can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeviceError {
    /// The device is missing.
    #[error(
        "{path} is missing; is the camera plugged in? `v4l2-ctl --list-devices` lists the devices"
    )]
    Missing {
        /// The device.
        path: String,
    },
    /// EACCES or EPERM.
    #[error(
        "{path} may not be opened: {error}; add the user to the group that owns it (`usermod -aG video USER`), or the service by SupplementaryGroups=video"
    )]
    Permission {
        /// The device.
        path: String,
        /// The system's error.
        error: io::Error,
    },
    /// EBUSY.
    #[error("{path} is in use by another program; `fuser -v {path}` names it")]
    Busy {
        /// The device.
        path: String,
    },
    /// The device is not a camera.
    #[error("{path} is not a camera: {reason}")]
    NotACamera {
        /// The device.
        path: String,
        /// What the device is instead.
        reason: String,
    },
    /// The device offers no supported format.
    #[error(
        "{path} ({card}) offers no usable format, only {offered}; usable are NV12, YU12, YUYV, UYVY, RGB3, BGR3, MJPG, H264 and GREY"
    )]
    NoFormat {
        /// The device.
        path: String,
        /// The name that the device states.
        card: String,
        /// Its formats.
        offered: String,
    },
    /// Another error.
    #[error("{path} can't be used: {error}")]
    Failed {
        /// The device.
        path: String,
        /// The system's error.
        error: io::Error,
    },
}

/// The sizes that are tried if a device offers every size between two.
const USUAL_SIZES: [Size; 6] = [
    Size::new(1920, 1080),
    Size::new(1280, 720),
    Size::new(1024, 768),
    Size::new(800, 600),
    Size::new(640, 480),
    Size::new(320, 240),
];

impl DeviceError {
    /// The session's code for this error.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::NotACamera { .. } => "not-found",
            Self::Permission { .. } => "permission",
            Self::Busy { .. } => "busy",
            Self::NoFormat { .. } => "no-decoder",
            Self::Failed { .. } => "unreachable",
        }
    }

    /// Translates the system's error for a camera.
    pub(super) fn of(path: &Path, error: io::Error) -> Self {
        let path = path.display().to_string();
        match error
            .raw_os_error()
            .map(rustix::io::Errno::from_raw_os_error)
        {
            Some(rustix::io::Errno::NOENT | rustix::io::Errno::NODEV | rustix::io::Errno::NXIO) => {
                Self::Missing { path }
            }
            Some(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => {
                Self::Permission { path, error }
            }
            Some(rustix::io::Errno::BUSY) => Self::Busy { path },
            Some(
                rustix::io::Errno::NOTTY | rustix::io::Errno::INVAL | rustix::io::Errno::ISDIR,
            ) => Self::NotACamera {
                path,
                reason: "it is not a V4L2 device".to_owned(),
            },
            _ => Self::Failed { path, error },
        }
    }
}

/// Opens the device, chooses a format, tries it, and closes the device again. Blocks as long as the driver takes.
pub(super) fn plan(path: &Path) -> Result<CapturePlan, DeviceError> {
    let failed = |error| DeviceError::of(path, error);
    let device = Device::with_path(path).map_err(failed)?;
    let capabilities = device.query_caps().map_err(failed)?;
    let card = capabilities.card;
    let can = |flag| capabilities.capabilities.contains(flag);
    if !can(Flags::VIDEO_CAPTURE) && can(Flags::VIDEO_CAPTURE_MPLANE) {
        // The crate enumerates single-planar formats only; GStreamer's source negotiates the others itself.
        return Ok(CapturePlan { card, offer: None });
    }
    if !can(Flags::VIDEO_CAPTURE) || !can(Flags::STREAMING) {
        return Err(DeviceError::NotACamera {
            path: path.display().to_string(),
            reason: format!(
                "{card} does not capture video; cameras often have a second device for metadata"
            ),
        });
    }
    let (offers, others) = offers(&device).map_err(failed)?;
    let Some(offer) = choose(&offers) else {
        return Err(DeviceError::NoFormat {
            path: path.display().to_string(),
            card,
            offered: others.join(", "),
        });
    };
    // If the device already streams elsewhere, this fails with EBUSY: a clearer error than that of a pipeline.
    let fourcc = device.format().map_err(failed)?;
    let wanted = Format {
        width: offer.size.width,
        height: offer.size.height,
        fourcc: fourcc_of(&device, offer.format).unwrap_or(fourcc.fourcc),
        ..fourcc
    };
    device.set_format(&wanted).map_err(failed)?;
    Ok(CapturePlan {
        card,
        offer: Some(offer),
    })
}

/// The supported offers of the device, and the names of all its formats.
fn offers(device: &Device) -> io::Result<(Vec<Offer>, Vec<String>)> {
    let (mut offers, mut names) = (Vec::new(), Vec::new());
    for description in device.enum_formats()? {
        names.push(description.fourcc.to_string());
        let Some(format) = V4l2Format::of(description.fourcc.repr) else {
            continue;
        };
        for size in sizes(device, description.fourcc) {
            let rates = rates(device, description.fourcc, size);
            offers.extend(rates.into_iter().map(|rate| Offer { format, size, rate }));
        }
    }
    Ok((offers, names))
}

/// The sizes of a format; the current size if the driver does not enumerate them.
fn sizes(device: &Device, fourcc: FourCC) -> Vec<Size> {
    let Ok(sizes) = device.enum_framesizes(fourcc) else {
        let present = device.format();
        return present
            .map(|present| Size::new(present.width, present.height))
            .into_iter()
            .collect();
    };
    sizes
        .into_iter()
        .flat_map(|size| match size.size {
            FrameSizeEnum::Discrete(size) => vec![Size::new(size.width, size.height)],
            FrameSizeEnum::Stepwise(steps) => {
                let on_step = |length: u32, least: u32, most: u32, step: u32| {
                    (least..=most).contains(&length) && (length - least).is_multiple_of(step.max(1))
                };
                let mut sizes: Vec<Size> = USUAL_SIZES
                    .into_iter()
                    .filter(|size| {
                        on_step(
                            size.width,
                            steps.min_width,
                            steps.max_width,
                            steps.step_width,
                        ) && on_step(
                            size.height,
                            steps.min_height,
                            steps.max_height,
                            steps.step_height,
                        )
                    })
                    .collect();
                if sizes.is_empty() {
                    sizes.push(Size::new(steps.max_width, steps.max_height));
                }
                sizes
            }
        })
        .collect()
}

/// The rates at a size, as frames and seconds; one unknown rate if the driver does not enumerate them.
fn rates(device: &Device, fourcc: FourCC, size: Size) -> Vec<Option<(u32, u32)>> {
    let intervals = device
        .enum_frameintervals(fourcc, size.width, size.height)
        .unwrap_or_default();
    let mut rates: Vec<_> = intervals
        .into_iter()
        .map(|interval| match interval.interval {
            FrameIntervalEnum::Discrete(time) => (time.denominator, time.numerator),
            // The shortest interval is the highest rate. 25 per second may be anywhere between and is asked for.
            FrameIntervalEnum::Stepwise(steps) => {
                let fastest = (steps.min.denominator, steps.min.numerator);
                let reaches = u64::from(fastest.0) >= 25 * u64::from(fastest.1);
                if reaches { (25, 1) } else { fastest }
            }
        })
        .filter(|(count, seconds)| *count > 0 && *seconds > 0)
        .map(Some)
        .collect();
    if rates.is_empty() {
        rates.push(None);
    }
    rates
}

/// The device's code of a format: JPEG has two.
fn fourcc_of(device: &Device, format: V4l2Format) -> Option<FourCC> {
    device
        .enum_formats()
        .ok()?
        .into_iter()
        .map(|description| description.fourcc)
        .find(|fourcc| V4l2Format::of(fourcc.repr) == Some(format))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str) -> DeviceError {
        plan(Path::new(path)).expect_err("no camera")
    }

    #[test]
    fn a_missing_device_is_said_to_be_missing() {
        let error = refused("/dev/video-that-is-not-there");
        assert_eq!(error.code(), "not-found");
        assert_eq!(
            error.to_string(),
            "/dev/video-that-is-not-there is missing; is the camera plugged in? `v4l2-ctl --list-devices` lists the devices"
        );
    }

    #[test]
    fn another_device_is_no_camera() {
        let error = refused("/dev/null");
        assert_eq!(error.code(), "not-found");
        assert_eq!(
            error.to_string(),
            "/dev/null is not a camera: it is not a V4L2 device"
        );
    }

    #[test]
    fn the_system_s_errors_have_their_codes() {
        let path = Path::new("/dev/video0");
        for (number, code) in [
            (rustix::io::Errno::ACCESS, "permission"),
            (rustix::io::Errno::PERM, "permission"),
            (rustix::io::Errno::BUSY, "busy"),
            (rustix::io::Errno::NODEV, "not-found"),
            (rustix::io::Errno::IO, "unreachable"),
        ] {
            let error = io::Error::from_raw_os_error(number.raw_os_error());
            assert_eq!(DeviceError::of(path, error).code(), code, "{number}");
        }
        let error = io::Error::from_raw_os_error(rustix::io::Errno::ACCESS.raw_os_error());
        let message = DeviceError::of(path, error).to_string();
        assert!(message.contains("usermod -aG video"), "{message}");
    }
}
