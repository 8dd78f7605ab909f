//! Chooses the format, size and rate of a V4L2 device.
//!
//! Detection needs at most 1280×720 and steady 25 frames per second: models have inputs of 640 pixels or fewer, and
//! more pixels cost bandwidth on the bus and time for conversion. Therefore the largest size within 1280×720 that
//! reaches the rate is chosen, and raw pictures before JPEG if both reach it: a USB 2 camera gives raw 640×480 and JPEG
//! 1280×720, and the latter wins by size.

use crate::base::Size;

/// A format, size and rate that a device offers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Offer {
    /// Its pixel format.
    pub(super) format: V4l2Format,
    /// Its picture size.
    pub(super) size: Size,
    /// Frames per second as a fraction; none if the device does not state it.
    pub(super) rate: Option<(u32, u32)>,
}

/// Supported pixel formats, best first: the less conversion, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum V4l2Format {
    /// `NV12`.
    Nv12,
    /// `YU12`, I420.
    Yu12,
    /// `YUYV`, 4:2:2.
    Yuyv,
    /// `UYVY`, 4:2:2.
    Uyvy,
    /// `RGB3`.
    Rgb3,
    /// `BGR3`.
    Bgr3,
    /// `MJPG`, or `JPEG`.
    Mjpeg,
    /// `H264`.
    H264,
    /// `GREY`, infrared cameras.
    Grey,
}

/// The largest picture that is asked for, if the device has a choice.
const LARGEST: Size = Size::new(1280, 720);
/// A sufficient rate. Cameras state 24.99 or 29.97 and mean 25 and 30.
const ENOUGH_FPS: f64 = 24.5;
/// The assumed rate of a device that states none.
const ASSUMED_FPS: f64 = 25.0;

impl V4l2Format {
    /// The format of a four-character code.
    pub(super) fn of(fourcc: [u8; 4]) -> Option<Self> {
        Some(match &fourcc {
            b"NV12" => Self::Nv12,
            b"YU12" => Self::Yu12,
            b"YUYV" => Self::Yuyv,
            b"UYVY" => Self::Uyvy,
            b"RGB3" => Self::Rgb3,
            b"BGR3" => Self::Bgr3,
            b"MJPG" | b"JPEG" => Self::Mjpeg,
            b"H264" => Self::H264,
            b"GREY" => Self::Grey,
            _ => return None,
        })
    }

    /// GStreamer's caps without size and rate.
    pub(super) fn caps(self) -> &'static str {
        match self {
            Self::Nv12 => "video/x-raw,format=NV12",
            Self::Yu12 => "video/x-raw,format=I420",
            Self::Yuyv => "video/x-raw,format=YUY2",
            Self::Uyvy => "video/x-raw,format=UYVY",
            Self::Rgb3 => "video/x-raw,format=RGB",
            Self::Bgr3 => "video/x-raw,format=BGR",
            Self::Grey => "video/x-raw,format=GRAY8",
            Self::Mjpeg => "image/jpeg",
            Self::H264 => "video/x-h264",
        }
    }
}

impl Offer {
    fn fps(&self) -> f64 {
        match self.rate {
            Some((count, seconds)) if seconds > 0 => f64::from(count) / f64::from(seconds),
            _ => ASSUMED_FPS,
        }
    }

    /// The rank of an offer; larger is better.
    fn rank(&self) -> impl PartialOrd + use<> {
        let fits = self.size.width <= LARGEST.width && self.size.height <= LARGEST.height;
        let area = i64::from(self.size.width) * i64::from(self.size.height);
        let fps = self.fps();
        (
            fits,
            // Below a sufficient rate, higher rates count, in steps of five.
            (fps.min(ENOUGH_FPS) / 5.0) as i64,
            // If all sizes are too large, the smallest one.
            if fits { area } else { -area },
            std::cmp::Reverse(self.format),
            // Above a sufficient rate, lower rates are better.
            if fps < ENOUGH_FPS { fps } else { -fps },
        )
    }
}

/// The best of `offers`; none if there are none.
pub(super) fn choose(offers: &[Offer]) -> Option<Offer> {
    offers.iter().copied().reduce(|best, offer| {
        if offer.rank() > best.rank() {
            offer
        } else {
            best
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use V4l2Format::{Grey, Mjpeg, Nv12, Yuyv};

    fn offer(format: V4l2Format, width: u32, height: u32, fps: u32) -> Offer {
        Offer {
            format,
            size: Size::new(width, height),
            rate: Some((fps, 1)),
        }
    }

    #[test]
    fn a_usb_webcam_gives_jpeg_at_720p() {
        // A Logitech C920, shortened.
        let offers = [
            offer(Yuyv, 640, 480, 30),
            offer(Yuyv, 1280, 720, 10),
            offer(Yuyv, 1920, 1080, 5),
            offer(Mjpeg, 640, 480, 30),
            offer(Mjpeg, 1280, 720, 60),
            offer(Mjpeg, 1280, 720, 30),
            offer(Mjpeg, 1920, 1080, 30),
        ];
        assert_eq!(choose(&offers), Some(offer(Mjpeg, 1280, 720, 30)));
    }

    #[test]
    fn raw_pictures_come_before_jpeg_at_the_same_size() {
        let offers = [
            offer(Mjpeg, 1280, 720, 30),
            offer(Yuyv, 1280, 720, 30),
            offer(Nv12, 1280, 720, 30),
        ];
        assert_eq!(choose(&offers), Some(offer(Nv12, 1280, 720, 30)));
    }

    #[test]
    fn a_slow_device_gives_what_is_fastest() {
        let offers = [offer(Yuyv, 1280, 720, 5), offer(Yuyv, 640, 480, 15)];
        assert_eq!(choose(&offers), Some(offer(Yuyv, 640, 480, 15)));
    }

    #[test]
    fn of_sizes_that_are_all_too_large_the_smallest_is_taken() {
        let offers = [offer(Nv12, 3840, 2160, 30), offer(Nv12, 1920, 1080, 30)];
        assert_eq!(choose(&offers), Some(offer(Nv12, 1920, 1080, 30)));
    }

    #[test]
    fn a_rate_that_is_not_told_is_taken_for_a_usual_one() {
        let untold = Offer {
            rate: None,
            ..offer(Yuyv, 640, 480, 0)
        };
        assert_eq!(choose(&[untold, offer(Grey, 640, 480, 30)]), Some(untold));
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn only_formats_that_can_be_used_have_a_name() {
        assert_eq!(V4l2Format::of(*b"YUYV"), Some(Yuyv));
        assert_eq!(V4l2Format::of(*b"JPEG"), Some(Mjpeg));
        assert_eq!(V4l2Format::of(*b"BA81"), None);
    }
}
