//! Chooses the mode of a monitor.
//!
//! The mode is the configured one or the monitor's preferred one. A monitor without a readable EDID (none, a broken one, a KVM
//! switch in between) gets the configured mode or 1920×1080 at 60 Hz by CVT. The choices are tried in order until the kernel
//! accepts one.

use super::cvt::{Blanking, cvt};
use super::mode::Mode;
use crate::base::Size;
use crate::config::ModeRequest;

/// The default size and refresh rate.
const DEFAULT_MODE: (Size, f64) = (Size::new(1920, 1080), 60.0);

/// The modes of a connector.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfferedModes<'a> {
    /// The modes that the kernel lists.
    pub modes: &'a [Mode],
    /// Whether the modes come from the monitor, or from the driver of a known panel. Otherwise they are guesses of the kernel.
    pub trusted: bool,
}

/// The modes to try, best first; never empty.
pub(super) fn choices(offered: OfferedModes<'_>, request: Option<ModeRequest>) -> Vec<Mode> {
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
            let hz = request.refresh_hz.unwrap_or(DEFAULT_MODE.1);
            add(cvt(request.size, hz, Blanking::Standard));
            add(cvt(request.size, hz, Blanking::Reduced));
        }
        None if !offered.trusted => {
            let usual = ModeRequest {
                size: DEFAULT_MODE.0,
                refresh_hz: Some(DEFAULT_MODE.1),
            };
            if let Some(listed) = nearest(&plain, usual) {
                add(listed);
            }
            add(cvt(DEFAULT_MODE.0, DEFAULT_MODE.1, Blanking::Standard));
            add(cvt(DEFAULT_MODE.0, DEFAULT_MODE.1, Blanking::Reduced));
        }
        None => {}
    }
    let mut listed = plain;
    // The sort is stable, because drivers list the best of equal modes first.
    listed.sort_by_key(|mode| {
        let pixels = u64::from(mode.size().width) * u64::from(mode.size().height);
        (!mode.preferred, std::cmp::Reverse(pixels))
    });
    listed.into_iter().for_each(&mut add);
    offered.modes.iter().copied().for_each(&mut add);
    add(cvt(DEFAULT_MODE.0, DEFAULT_MODE.1, Blanking::Standard));
    choices
}

/// The listed mode of the requested size with the nearest rate, or the fastest one without a requested rate.
fn nearest(modes: &[Mode], request: ModeRequest) -> Option<Mode> {
    let of_size = modes.iter().filter(|mode| mode.size() == request.size);
    match request.refresh_hz {
        Some(hz) => of_size.min_by(|a, b| {
            (a.refresh_hz() - hz)
                .abs()
                .total_cmp(&(b.refresh_hz() - hz).abs())
        }),
        // The first of equal modes, in the order of the driver.
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
        choices(OfferedModes { modes, trusted }, request)[0].to_string()
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
        let usual = cvt(DEFAULT_MODE.0, 60.0, Blanking::Standard);
        assert_eq!(
            choices(
                OfferedModes {
                    modes: &guessed,
                    trusted: false
                },
                None
            )[0],
            usual
        );
        assert_eq!(
            choices(
                OfferedModes {
                    modes: &[],
                    trusted: true
                },
                None
            ),
            [usual]
        );
        let asked = choices(
            OfferedModes {
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
                OfferedModes {
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
            OfferedModes {
                modes: &modes,
                trusted: true,
            },
            None,
        );
        assert_eq!(tried[0], modes[1]);
        assert!(tried.contains(&interlaced));
    }
}
