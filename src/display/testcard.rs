//! A test card for installers. It shows the position of the picture, whether it moves, and whether it is cut off or rotated.
//!
//! It has colour bars, marked corners (one, two, three and four squares, clockwise from the viewer's top left), a bar that moves
//! inside a rectangle in place of a camera's picture, and a frame on the overlay. The code that shows a wall shows it, too.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use super::{Display, DisplayError, Wait};
use crate::base::{Clock, Size, Stop};
use crate::render::{Canvas, Color, DisplayInfo, Rect, Scene};

/// Colours of the bars from the left: the usual bars at 75 % amplitude.
pub const BARS: [Color; 7] = [
    Color::rgb(191, 191, 191),
    Color::rgb(191, 191, 0),
    Color::rgb(0, 191, 191),
    Color::rgb(0, 191, 0),
    Color::rgb(191, 0, 191),
    Color::rgb(191, 0, 0),
    Color::rgb(0, 0, 191),
];
const GROUND: Color = Color::rgb(40, 40, 48);
const PICTURE: Color = Color::rgb(16, 48, 64);
const MOVER: Color = Color::rgb(240, 228, 66);
const MARK: Color = Color::WHITE;
/// The frame on the overlay: vermilion, which no other part has.
const FRAME: Color = Color::rgb(213, 94, 0);
/// Time in which the bar moves from edge to edge.
const SWEEP: Duration = Duration::from_secs(4);

/// A drawn test card.
pub struct TestCard {
    base: Canvas,
    overlay: Option<Canvas>,
    pictures: Vec<Rect>,
    mover: Rect,
    is_new: bool,
}

impl TestCard {
    /// Draws the card for a display. The frame goes to a separate canvas if the display has an overlay.
    pub fn new(info: &DisplayInfo) -> Self {
        let size = info.size;
        let mut base = Canvas::new(size, GROUND);
        let parts = CardLayout::of(size);
        for (index, color) in (0..).zip(BARS) {
            let left = parts.bars.x + (parts.bars.width * index / BARS.len() as u32) as i32;
            let right = parts.bars.x + (parts.bars.width * (index + 1) / BARS.len() as u32) as i32;
            base.fill(
                &Rect::from_edges(left, parts.bars.y, right, parts.bars.bottom()),
                color,
            );
        }
        for picture in &parts.pictures {
            base.fill(picture, PICTURE);
        }
        corner_marks(&mut base, parts.unit);
        let mut overlay = info.overlay.then(|| Canvas::new(size, Color::CLEAR));
        frame(
            overlay.as_mut().unwrap_or(&mut base),
            &parts.frame,
            parts.unit / 2,
        );
        Self {
            base,
            overlay,
            pictures: parts.pictures,
            mover: Rect::default(),
            is_new: true,
        }
    }

    /// Presents the card at `now`. Draws only the changes since the last call, which are the damage.
    fn present(&mut self, display: &mut dyn Display, now: Duration) -> Result<(), DisplayError> {
        let parts = CardLayout::of(self.base.size());
        let picture = parts.pictures[0];
        let width = picture.width / 8;
        let travel = picture.width - width;
        let phase = now.as_secs_f64() % (2.0 * SWEEP.as_secs_f64()) / SWEEP.as_secs_f64();
        let at = (f64::from(travel) * (1.0 - (phase - 1.0).abs())) as i32;
        let mover = Rect::new(
            picture.x + at,
            picture.y + (picture.height / 4) as i32,
            width,
            picture.height / 2,
        );
        let mut changed = mover.around(&self.mover);
        self.base.fill(&self.mover, PICTURE);
        self.base.fill(&mover, MOVER);
        if self.overlay.is_none() {
            frame(&mut self.base, &parts.frame, parts.unit / 2);
        }
        self.mover = mover;
        if self.is_new {
            changed = self.base.bounds();
        }
        let overlay_damage = if self.is_new {
            vec![changed]
        } else {
            Vec::new()
        };
        self.is_new = false;
        display.present(&Scene {
            base: &self.base,
            base_damage: &[changed],
            overlay: self.overlay.as_ref(),
            overlay_damage: &overlay_damage,
            pictures: &self.pictures,
        })
    }
}

/// Shows the test card until `stop` is raised or `limit` is over. Gives the number of presented scenes.
///
/// # Errors
/// As [`Display::wait`].
pub fn show(
    display: &mut dyn Display,
    clock: &Clock,
    limit: Option<Duration>,
    stop: &Stop,
) -> Result<u64, DisplayError> {
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|err| DisplayError::Device(format!("no eventfd: {err}")))?;
    let start = clock.now();
    let mut card = TestCard::new(&display.info());
    let mut scenes = 0;
    while !stop.is_raised() && limit.is_none_or(|limit| clock.now() - start < limit) {
        // The bar always moves, so that the next scene is due at once.
        let _ = rustix::io::write(&wake, &1_u64.to_ne_bytes());
        match display.wait(wake.as_fd(), Duration::from_millis(500))? {
            Wait::Changed => card = TestCard::new(&display.info()),
            Wait::Busy => {}
            Wait::Ready => {
                card.present(display, clock.now())?;
                scenes += 1;
            }
        }
    }
    Ok(scenes)
}

/// The positions of all parts on a screen of a given size.
struct CardLayout {
    unit: u32,
    bars: Rect,
    pictures: Vec<Rect>,
    frame: Rect,
}

impl CardLayout {
    fn of(size: Size) -> Self {
        let unit = (size.width.min(size.height) / 60).max(4);
        let at = |fraction: f64, side: u32| (f64::from(side) * fraction) as u32;
        let (left, width) = (at(0.1, size.width) as i32, at(0.8, size.width));
        let top = |fraction: f64| at(fraction, size.height) as i32;
        let half = (width / 2 - unit) & !1;
        let picture = |x: i32| Rect::new(x, top(0.55), half, at(0.35, size.height) & !1);
        let pictures = vec![picture(left), picture(left + (half + 2 * unit) as i32)];
        Self {
            unit,
            bars: Rect::new(left, top(0.15), width, at(0.35, size.height)),
            // Across the bars and both pictures, to show that no plane of a picture hides it.
            frame: Rect::new(
                at(0.4, size.width) as i32,
                top(0.4),
                at(0.2, size.width),
                at(0.3, size.height),
            ),
            pictures,
        }
    }
}

fn frame(canvas: &mut Canvas, rect: &Rect, line: u32) {
    let line = line.max(2);
    let sides = [
        Rect::new(rect.x, rect.y, rect.width, line),
        Rect::new(rect.x, rect.bottom() - line as i32, rect.width, line),
        Rect::new(rect.x, rect.y, line, rect.height),
        Rect::new(rect.right() - line as i32, rect.y, line, rect.height),
    ];
    for side in sides {
        canvas.fill(&side, FRAME);
    }
}

/// Draws a line along every edge, and in each corner as many squares as its number.
fn corner_marks(canvas: &mut Canvas, unit: u32) {
    let bounds = canvas.bounds();
    let (right, bottom) = (bounds.right(), bounds.bottom());
    let sides = [
        Rect::new(0, 0, bounds.width, 1),
        Rect::new(0, bottom - 1, bounds.width, 1),
        Rect::new(0, 0, 1, bounds.height),
        Rect::new(right - 1, 0, 1, bounds.height),
    ];
    for side in sides {
        canvas.fill(&side, MARK);
    }
    let step = 2 * unit as i32;
    let near = unit as i32;
    let corners = [
        (near, near),
        (right - 2 * near, near),
        (right - 2 * near, bottom - 2 * near),
        (near, bottom - 2 * near),
    ];
    for ((x, y), count) in corners.into_iter().zip(1..) {
        let inwards = if x == near { step } else { -step };
        for index in 0..count {
            canvas.fill(&Rect::new(x + index * inwards, y, unit, unit), MARK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(overlay: bool) -> DisplayInfo {
        DisplayInfo {
            size: Size::new(960, 540),
            interval: Duration::from_millis(16),
            overlay,
            exact_tiles: false,
            description: String::new(),
            visible: true,
        }
    }

    #[test]
    fn every_part_is_where_it_is_looked_for() {
        let card = TestCard::new(&info(true));
        let pixel = |x, y| card.base.pixel(x, y);
        assert_eq!(pixel(0, 0), Some(MARK));
        assert_eq!(pixel(959, 539), Some(MARK));
        assert_eq!(pixel(100, 100), Some(BARS[0]));
        assert_eq!(pixel(860, 100), Some(BARS[6]));
        assert_eq!(pixel(13, 13), Some(MARK), "one square at the top left");
        assert_eq!(pixel(31, 13), Some(GROUND));
        assert_eq!(card.pictures.len(), 2);
        assert!(
            card.pictures
                .iter()
                .all(|picture| card.base.bounds().covers(picture))
        );
    }

    #[test]
    fn the_frame_is_on_the_overlay_where_there_is_one() {
        let (x, y) = (384, 216);
        let above = TestCard::new(&info(true));
        assert_ne!(above.base.pixel(x, y), Some(FRAME));
        assert_eq!(above.overlay.expect("an overlay").pixel(x, y), Some(FRAME));
        let blended = TestCard::new(&info(false));
        assert!(blended.overlay.is_none());
        assert_eq!(blended.base.pixel(x, y), Some(FRAME));
    }
}
