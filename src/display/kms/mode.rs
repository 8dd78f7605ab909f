//! Which mode a monitor gets.
//!
//! The monitor's preferred one, or what was asked for. A monitor that says nothing (no EDID, a broken one, a switch in
//! between) gets what was asked for or 1920×1080 at 60 Hz by CVT. The kernel has the last word: the choices are tried in
//! their order until it accepts one.

use std::time::Duration;

use super::cvt::{Blanking, cvt};
use crate::base::Size;
use crate::config::ModeRequest;

/// What stands in for a mode that nobody names.
const USUAL: (Size, f64) = (Size::new(1920, 1080), 60.0);

/// A mode's timings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mode {
    /// Pixel clock.
    pub clock_khz: u32,
    /// Pixels: visible, start of sync, end of sync, all.
    pub horizontal: [u32; 4],
    /// Lines: visible, start of sync, end of sync, all.
    pub vertical: [u32; 4],
    /// As in the kernel's `drm_mode_modeinfo`.
    pub flags: u32,
    /// Whether the monitor prefers it.
    pub preferred: bool,
}

impl Mode {
    pub(super) const POSITIVE_HSYNC: u32 = 1;
    pub(super) const NEGATIVE_HSYNC: u32 = 1 << 1;
    pub(super) const POSITIVE_VSYNC: u32 = 1 << 2;
    pub(super) const NEGATIVE_VSYNC: u32 = 1 << 3;
    const INTERLACED: u32 = 1 << 4;
    const DOUBLE_SCAN: u32 = 1 << 5;
    const STEREO: u32 = 0x1f << 14;
    const PREFERRED_TYPE: u32 = 1 << 3;
    const USER_TYPE: u32 = 1 << 5;

    /// Visible pixels.
    pub(super) fn size(&self) -> Size {
        Size::new(self.horizontal[0], self.vertical[0])
    }

    /// Pictures a second.
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

    /// Time from one picture to the next; virtual machines' modes without timings count as 60 Hz.
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

    /// Whether every line is drawn once a picture, for one eye.
    fn is_plain(&self) -> bool {
        self.flags & (Self::INTERLACED | Self::DOUBLE_SCAN | Self::STEREO) == 0
    }

    /// The kernel's `struct drm_mode_modeinfo`, as a property blob holds it.
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

/// What a connector knows of its monitor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offered<'a> {
    /// The modes that the kernel lists for it.
    pub modes: &'a [Mode],
    /// Whether they are the monitor's own words, or the driver's of a panel it knows; else they are the kernel's guess.
    pub trusted: bool,
}

/// The modes to try, best first; never empty.
pub(super) fn choices(offered: Offered<'_>, request: Option<ModeRequest>) -> Vec<Mode> {
    let plain: Vec<Mode> = offered
        .modes
        .iter()
        .copied()
        .filter(Mode::is_plain)
        .collect();
    let mut choices = Vec::new();
    let mut add = |mode: Mode| {
        if !choices.contains(&mode) {
            choices.push(mode);
        }
    };
    match request {
        Some(request) => {
            if let Some(listed) = nearest(&plain, request) {
                add(listed);
            }
            let hz = request.refresh_hz.unwrap_or(USUAL.1);
            add(cvt(request.size, hz, Blanking::Standard));
            add(cvt(request.size, hz, Blanking::Reduced));
        }
        None if !offered.trusted => {
            let usual = ModeRequest {
                size: USUAL.0,
                refresh_hz: Some(USUAL.1),
            };
            if let Some(listed) = nearest(&plain, usual) {
                add(listed);
            }
            add(cvt(USUAL.0, USUAL.1, Blanking::Standard));
            add(cvt(USUAL.0, USUAL.1, Blanking::Reduced));
        }
        None => {}
    }
    let mut listed = plain;
    // A stable sort: drivers list what they like best first among equals.
    listed.sort_by_key(|mode| {
        let pixels = u64::from(mode.size().width) * u64::from(mode.size().height);
        (!mode.preferred, std::cmp::Reverse(pixels))
    });
    listed.into_iter().for_each(&mut add);
    offered.modes.iter().copied().for_each(&mut add);
    add(cvt(USUAL.0, USUAL.1, Blanking::Standard));
    choices
}

/// The listed mode of the size asked for whose rate is nearest, or the fastest one.
fn nearest(modes: &[Mode], request: ModeRequest) -> Option<Mode> {
    let of_size = modes.iter().filter(|mode| mode.size() == request.size);
    match request.refresh_hz {
        Some(hz) => of_size.min_by(|a, b| {
            (a.refresh_hz() - hz)
                .abs()
                .total_cmp(&(b.refresh_hz() - hz).abs())
        }),
        // The first of equals: the driver's order.
        None => of_size.min_by(|a, b| b.refresh_hz().total_cmp(&a.refresh_hz())),
    }
    .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(width: u32, height: u32, hz: u32) -> Mode {
        Mode {
            clock_khz: (width + 100) * (height + 50) * hz / 1000,
            horizontal: [width, width + 10, width + 20, width + 100],
            vertical: [height, height + 1, height + 2, height + 50],
            flags: 0,
            preferred: false,
        }
    }

    fn request(width: u32, height: u32, hz: Option<f64>) -> Option<ModeRequest> {
        Some(ModeRequest {
            size: Size::new(width, height),
            refresh_hz: hz,
        })
    }

    fn first(modes: &[Mode], trusted: bool, request: Option<ModeRequest>) -> String {
        choices(Offered { modes, trusted }, request)[0].to_string()
    }

    #[test]
    fn the_monitors_preference_wins_unless_something_is_asked_for() {
        let preferred = Mode {
            preferred: true,
            ..mode(2500, 1950, 60)
        };
        let modes = [
            mode(3900, 1950, 30),
            preferred,
            mode(900, 950, 50),
            mode(900, 950, 60),
        ];
        assert_eq!(first(&modes, true, None), preferred.to_string());
        assert_eq!(
            first(&modes, true, request(900, 950, Some(51.0))),
            "900x950@50"
        );
        assert_eq!(first(&modes, true, request(900, 950, None)), "900x950@60");
        let without = [mode(900, 950, 60), mode(3900, 1950, 30)];
        assert_eq!(first(&without, true, None), "3900x1950@30");
    }

    #[test]
    fn a_monitor_that_says_nothing_gets_1080p_by_cvt_and_one_that_is_asked_gets_that() {
        let guessed = [mode(900, 650, 60)];
        let usual = cvt(USUAL.0, 60.0, Blanking::Standard);
        assert_eq!(
            choices(
                Offered {
                    modes: &guessed,
                    trusted: false
                },
                None
            )[0],
            usual
        );
        assert_eq!(
            choices(
                Offered {
                    modes: &[],
                    trusted: true
                },
                None
            ),
            [usual]
        );
        let asked = choices(
            Offered {
                modes: &[],
                trusted: false,
            },
            request(1280, 720, None),
        );
        assert_eq!(
            asked[0],
            cvt(Size::new(1280, 720), 60.0, Blanking::Standard)
        );
        assert_eq!(asked[1], cvt(Size::new(1280, 720), 60.0, Blanking::Reduced));
    }

    #[test]
    fn what_is_listed_remains_to_fall_back_on() {
        let guessed = [mode(900, 650, 60)];
        assert!(
            choices(
                Offered {
                    modes: &guessed,
                    trusted: false
                },
                None
            )
            .contains(&guessed[0])
        );
    }

    #[test]
    fn interlaced_and_stereo_modes_come_last() {
        let interlaced = Mode {
            flags: Mode::INTERLACED,
            preferred: true,
            ..mode(1900, 1030, 60)
        };
        let modes = [interlaced, mode(900, 650, 60)];
        let tried = choices(
            Offered {
                modes: &modes,
                trusted: true,
            },
            None,
        );
        assert_eq!(tried[0], modes[1]);
        assert!(tried.contains(&interlaced));
    }

    #[test]
    fn a_blob_lies_in_memory_as_the_kernel_reads_it() {
        let blob = cvt(USUAL.0, USUAL.1, Blanking::Standard).to_blob();
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
