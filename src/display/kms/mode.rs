//! A mode: size, rate and timings, converted from and to the kernel's structure.

use std::time::Duration;

use crate::base::Size;

/// A mode's timings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mode {
    /// Pixel clock.
    pub clock_khz: u32,
    /// Pixels: visible, start of sync, end of sync, total.
    pub horizontal: [u32; 4],
    /// Lines: visible, start of sync, end of sync, total.
    pub vertical: [u32; 4],
    /// Flags as in the kernel's `drm_mode_modeinfo`.
    pub flags: u32,
    /// Whether the monitor prefers it.
    pub preferred: bool,
}

impl Mode {
    pub(super) const POSITIVE_HSYNC: u32 = 1;
    pub(super) const NEGATIVE_HSYNC: u32 = 1 << 1;
    pub(super) const POSITIVE_VSYNC: u32 = 1 << 2;
    pub(super) const NEGATIVE_VSYNC: u32 = 1 << 3;
    pub(super) const INTERLACED: u32 = 1 << 4;
    const DOUBLE_SCAN: u32 = 1 << 5;
    const STEREO: u32 = 0x1f << 14;
    const PREFERRED_TYPE: u32 = 1 << 3;
    const USER_TYPE: u32 = 1 << 5;

    /// The visible size.
    pub(super) fn size(&self) -> Size {
        Size::new(self.horizontal[0], self.vertical[0])
    }

    /// Refresh rate.
    pub(super) fn refresh_hz(&self) -> f64 {
        let pixels = f64::from(self.horizontal[3]) * f64::from(self.vertical[3]);
        if pixels == 0.0 {
            return 0.0;
        }
        let fields = if self.flags & Self::INTERLACED != 0 {
            2.0
        } else {
            1.0
        };
        let scans = if self.flags & Self::DOUBLE_SCAN != 0 {
            2.0
        } else {
            1.0
        };
        f64::from(self.clock_khz) * 1000.0 / pixels * fields / scans
    }

    /// Refresh interval. Modes without timings, which virtual machines have, count as 60 Hz.
    pub(super) fn interval(&self) -> Duration {
        let hz = self.refresh_hz();
        Duration::from_secs_f64(
            1.0 / if (1.0..=1000.0).contains(&hz) {
                hz
            } else {
                60.0
            },
        )
    }

    /// Whether the mode is neither interlaced nor double scan nor stereo.
    pub(super) fn is_plain(&self) -> bool {
        self.flags & (Self::INTERLACED | Self::DOUBLE_SCAN | Self::STEREO) == 0
    }

    /// The mode as the kernel's `struct drm_mode_modeinfo`, for a property blob.
    pub(super) fn to_blob(self) -> [u8; 68] {
        let mut blob = [0; 68];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            blob[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        let short = |value: u32| (value as u16).to_ne_bytes();
        put(&self.clock_khz.to_ne_bytes());
        for value in self.horizontal {
            put(&short(value));
        }
        put(&short(0));
        for value in self.vertical {
            put(&short(value));
        }
        put(&short(0));
        put(&(self.refresh_hz().round() as u32).to_ne_bytes());
        put(&self.flags.to_ne_bytes());
        let kind = if self.preferred {
            Self::PREFERRED_TYPE
        } else {
            Self::USER_TYPE
        };
        put(&kind.to_ne_bytes());
        let name = format!("{}x{}", self.horizontal[0], self.vertical[0]);
        put(&name.as_bytes()[..name.len().min(31)]);
        blob
    }
}

impl From<&drm::control::Mode> for Mode {
    fn from(mode: &drm::control::Mode) -> Self {
        let wide = |(start, end, total): (u16, u16, u16), visible: u16| {
            [visible, start, end, total].map(u32::from)
        };
        let (width, height) = mode.size();
        Self {
            clock_khz: mode.clock(),
            horizontal: wide(mode.hsync(), width),
            vertical: wide(mode.vsync(), height),
            flags: mode.flags().bits(),
            preferred: mode
                .mode_type()
                .contains(drm::control::ModeTypeFlags::PREFERRED),
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hz = self.refresh_hz();
        let size = self.size();
        let mark = if self.flags & Self::INTERLACED != 0 {
            "i"
        } else {
            ""
        };
        if (hz - hz.round()).abs() < 0.01 {
            write!(f, "{size}{mark}@{}", hz.round())
        } else {
            write!(f, "{size}{mark}@{hz:.2}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cvt::{Blanking, cvt};
    use super::*;

    #[test]
    fn a_blob_lies_in_memory_as_the_kernel_reads_it() {
        let blob = cvt(Size::new(1920, 1080), 60.0, Blanking::Standard).to_blob();
        assert_eq!(blob[..4], 173_000_u32.to_ne_bytes());
        assert_eq!(blob[4..6], 1920_u16.to_ne_bytes());
        assert_eq!(blob[10..12], 2576_u16.to_ne_bytes());
        assert_eq!(blob[14..16], 1080_u16.to_ne_bytes());
        assert_eq!(blob[20..22], 1120_u16.to_ne_bytes());
        assert_eq!(blob[24..28], 60_u32.to_ne_bytes());
        assert_eq!(blob[28..32], 6_u32.to_ne_bytes());
        assert_eq!(&blob[36..46], b"1920x1080\0");
    }

    #[test]
    fn a_mode_without_timings_counts_as_60_hz() {
        let empty = Mode {
            clock_khz: 0,
            horizontal: [8, 0, 0, 0],
            vertical: [8, 0, 0, 0],
            flags: 0,
            preferred: false,
        };
        assert_eq!(empty.interval(), Duration::from_secs_f64(1.0 / 60.0));
    }
}
