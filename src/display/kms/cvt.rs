//! Timings for a monitor without a list of modes: VESA Coordinated Video Timings, with standard and reduced blanking.
//!
//! Source: "VESA Coordinated Video Timings Standard", version 1.2. Values are rounded as in the kernel and the program `cvt`.

use super::mode::Mode;
use crate::base::Size;

/// Widths are multiples of this many pixels.
const CELL: u32 = 8;
/// Step of the pixel clock in kHz.
const CLOCK_STEP_KHZ: u32 = 250;
/// Minimum number of lines before the sync pulse.
const MIN_PORCH_LINES: u32 = 3;

/// The formula for blanking. Cathode ray tubes need long blanking. Flat panels do not, and a lower pixel clock suits long cables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blanking {
    /// Standard blanking, which every monitor and television accepts.
    Standard,
    /// Reduced blanking, version 1.
    Reduced,
}

/// The mode of `size` at `refresh_hz`. The width is rounded up to a multiple of eight pixels.
pub(super) fn cvt(size: Size, refresh_hz: f64, blanking: Blanking) -> Mode {
    let width = size.width.max(CELL).div_ceil(CELL) * CELL;
    let height = size.height.max(1);
    let sync_lines = sync_lines(width, height);
    match blanking {
        Blanking::Standard => standard(width, height, refresh_hz, sync_lines),
        Blanking::Reduced => reduced(width, height, refresh_hz, sync_lines),
    }
}

/// Number of lines of the vertical sync pulse, which encodes the aspect ratio.
fn sync_lines(width: u32, height: u32) -> u32 {
    let proportion =
        |across: u32, down: u32| height.is_multiple_of(down) && height / down * across == width;
    if proportion(4, 3) {
        4
    } else if proportion(16, 9) {
        5
    } else if proportion(16, 10) {
        6
    } else if proportion(5, 4) || proportion(15, 9) {
        7
    } else {
        10
    }
}

fn standard(width: u32, height: u32, refresh_hz: f64, sync_lines: u32) -> Mode {
    /// Minimum time of vertical sync and back porch together, in µs.
    const MIN_SYNC_AND_BACK_PORCH_US: f64 = 550.0;
    const MIN_BACK_PORCH_LINES: u32 = 6;
    /// Gradient and offset of the blanking formula, in percent.
    const GRADIENT: f64 = 300.0;
    const OFFSET: f64 = 30.0;
    const SYNC_PERCENT: u32 = 8;

    let line_us = (1_000_000.0 / refresh_hz - MIN_SYNC_AND_BACK_PORCH_US)
        / f64::from(height + MIN_PORCH_LINES);
    let sync_and_back_porch =
        ((MIN_SYNC_AND_BACK_PORCH_US / line_us) as u32 + 1).max(sync_lines + MIN_BACK_PORCH_LINES);
    let total_lines = height + sync_and_back_porch + MIN_PORCH_LINES;

    let blank_percent = (OFFSET - GRADIENT * line_us / 1000.0).max(20.0);
    let blank = (f64::from(width) * blank_percent / (100.0 - blank_percent)) as u32;
    let blank = blank - blank % (2 * CELL);
    let total = width + blank;

    let clock_khz = (f64::from(total) * 1000.0 / line_us) as u32;
    let sync_end = width + blank / 2;
    // As in the kernel and `cvt`: rounded up to the next cell, even from the start of a cell.
    let sync_start = sync_end - total * SYNC_PERCENT / 100;
    let sync_start = (sync_start / CELL + 1) * CELL;
    Mode {
        clock_khz: clock_khz - clock_khz % CLOCK_STEP_KHZ,
        horizontal: [width, sync_start, sync_end, total],
        vertical: [
            height,
            height + MIN_PORCH_LINES,
            height + MIN_PORCH_LINES + sync_lines,
            total_lines,
        ],
        flags: Mode::NEGATIVE_HSYNC | Mode::POSITIVE_VSYNC,
        preferred: false,
    }
}

fn reduced(width: u32, height: u32, refresh_hz: f64, sync_lines: u32) -> Mode {
    const MIN_BLANK_US: f64 = 460.0;
    const MIN_BACK_PORCH_LINES: u32 = 6;
    const BLANK: u32 = 160;
    const SYNC: u32 = 32;

    let line_us = (1_000_000.0 / refresh_hz - MIN_BLANK_US) / f64::from(height);
    let blank_lines = ((MIN_BLANK_US / line_us) as u32 + 1)
        .max(MIN_PORCH_LINES + sync_lines + MIN_BACK_PORCH_LINES);
    let (total, total_lines) = (width + BLANK, height + blank_lines);
    let clock_khz = (f64::from(total) * 1000.0 / line_us) as u32;
    let sync_end = width + BLANK / 2;
    Mode {
        clock_khz: clock_khz - clock_khz % CLOCK_STEP_KHZ,
        horizontal: [width, sync_end - SYNC, sync_end, total],
        vertical: [
            height,
            height + MIN_PORCH_LINES,
            height + MIN_PORCH_LINES + sync_lines,
            total_lines,
        ],
        flags: Mode::POSITIVE_HSYNC | Mode::NEGATIVE_VSYNC,
        preferred: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(mode: &Mode) -> (u32, [u32; 4], [u32; 4]) {
        (mode.clock_khz, mode.horizontal, mode.vertical)
    }

    #[test]
    fn standard_blanking_gives_the_lines_of_the_program_cvt() {
        let known = [
            (
                (800, 480, 60.0),
                (29_500, [800, 824, 896, 992], [480, 483, 493, 500]),
            ),
            (
                (1280, 1024, 75.0),
                (138_750, [1280, 1368, 1504, 1728], [1024, 1027, 1034, 1072]),
            ),
            (
                (1920, 1080, 24.0),
                (63_000, [1920, 1976, 2160, 2400], [1080, 1083, 1088, 1098]),
            ),
            (
                (2560, 1440, 144.0),
                (808_750, [2560, 2792, 3072, 3584], [1440, 1443, 1448, 1568]),
            ),
            (
                (640, 480, 60.0),
                (23_750, [640, 664, 720, 800], [480, 483, 487, 500]),
            ),
            (
                (1024, 768, 60.0),
                (63_500, [1024, 1072, 1176, 1328], [768, 771, 775, 798]),
            ),
            (
                (1280, 720, 60.0),
                (74_500, [1280, 1344, 1472, 1664], [720, 723, 728, 748]),
            ),
            (
                (1366, 768, 60.0),
                (85_250, [1368, 1440, 1576, 1784], [768, 771, 781, 798]),
            ),
            (
                (1600, 1200, 60.0),
                (161_000, [1600, 1712, 1880, 2160], [1200, 1203, 1207, 1245]),
            ),
            (
                (1680, 1050, 60.0),
                (146_250, [1680, 1784, 1960, 2240], [1050, 1053, 1059, 1089]),
            ),
            (
                (1920, 1080, 60.0),
                (173_000, [1920, 2048, 2248, 2576], [1080, 1083, 1088, 1120]),
            ),
            (
                (3840, 2160, 60.0),
                (712_750, [3840, 4160, 4576, 5312], [2160, 2163, 2168, 2237]),
            ),
        ];
        for ((width, height, hz), expected) in known {
            let mode = cvt(Size::new(width, height), hz, Blanking::Standard);
            assert_eq!(line(&mode), expected, "{width}x{height}@{hz}");
            assert_eq!(mode.flags, Mode::NEGATIVE_HSYNC | Mode::POSITIVE_VSYNC);
        }
    }

    #[test]
    fn reduced_blanking_gives_the_lines_of_cvt_r() {
        let known = [
            (
                (1920, 1080),
                (138_500, [1920, 1968, 2000, 2080], [1080, 1083, 1088, 1111]),
            ),
            (
                (1280, 720),
                (63_750, [1280, 1328, 1360, 1440], [720, 723, 728, 741]),
            ),
            (
                (2560, 1440),
                (241_500, [2560, 2608, 2640, 2720], [1440, 1443, 1448, 1481]),
            ),
            (
                (3840, 2160),
                (533_000, [3840, 3888, 3920, 4000], [2160, 2163, 2168, 2222]),
            ),
        ];
        for ((width, height), expected) in known {
            let mode = cvt(Size::new(width, height), 60.0, Blanking::Reduced);
            assert_eq!(line(&mode), expected, "{width}x{height}");
        }
    }

    #[test]
    fn the_refresh_rate_comes_out_as_it_was_asked_for() {
        for hz in [24.0, 50.0, 60.0, 75.0] {
            let mode = cvt(Size::new(1920, 1080), hz, Blanking::Standard);
            assert!(
                (mode.refresh_hz() - hz).abs() < 0.2,
                "{hz}: {}",
                mode.refresh_hz()
            );
        }
    }
}
