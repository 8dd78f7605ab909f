//! A look's boxes, labels and words, drawn above its picture.
//!
//! Sizes follow the screen, not the tile alone: what is said has to be read from three metres.

use super::paint::{Painter, Type, class_color};
use super::state::{Analysis, Reason};
use super::tile_content::TileContent;
use super::{Color, Rect};

/// The ground of everything that is said about a tile; pictures of any brightness shine through a little.
const PLATE: Color = Color::rgb(0, 0, 0);
const PLATE_ALPHA: u8 = 190;
const WARNING: Color = Color::rgb(230, 159, 0);
/// The vermilion of the palette, lighter: it stands on black.
const FAULT: Color = Color::rgb(255, 140, 60);
/// `label_font_scale` of a label of the usual size.
const USUAL_SCALE: f32 = 0.6;
/// Rows of the tile that `box_thickness` is meant for.
const USUAL_TILE_PX: u32 = 360;

/// Sizes of what is drawn on one tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sizes {
    /// Letters of labels, names and figures.
    text_px: u32,
    /// Letters of states.
    state_px: u32,
    /// Lines of boxes.
    line_px: u32,
}

impl Sizes {
    /// Of a tile on a screen whose shorter side has `screen_px` pixels.
    pub(super) fn new(tile: &Rect, screen_px: u32, font_scale: f32, box_thickness: u32) -> Self {
        // A fortieth of the screen is 1 cm on a monitor of 24 inches; but a tile is not for letters alone.
        let usual = (screen_px / 45).clamp(tile.height / 24, tile.height / 12);
        let text_px = (usual as f32 * font_scale / USUAL_SCALE).round() as u32;
        let state_px = (screen_px / 24).clamp(tile.height / 14, tile.height / 7);
        Self {
            text_px: text_px.max(9),
            state_px: state_px.min(tile.width / 10).max(11),
            // Rounded up: a line that is thinner than it was asked for is not seen from afar.
            line_px: (box_thickness * tile.height).div_ceil(USUAL_TILE_PX).max(1),
        }
    }

    /// Between what is said and the tile's edge, so that the words of neighbours do not run into one.
    fn margin_px(self) -> u32 {
        (self.text_px / 4).max(1)
    }
}

/// Draws everything of `look` but its picture.
pub(super) fn dress(painter: &mut Painter<'_>, look: &TileContent, sizes: Sizes) {
    let tile = painter.clip();
    for found in &look.boxes {
        let rect = found.rect.shifted(tile.x, tile.y);
        painter.outline(
            &rect,
            sizes.line_px,
            class_color(&found.class_name),
            found.dashed,
        );
    }
    // Words and labels after all boxes, so that no line crosses one; the largest boxes' labels may give way.
    let mut taken = words(painter, look, sizes, &tile);
    let mut by_size: Vec<_> = look.boxes.iter().collect();
    by_size.sort_by_key(|found| u64::from(found.rect.width) * u64::from(found.rect.height));
    for found in by_size {
        let rect = found.rect.shifted(tile.x, tile.y);
        label(
            painter,
            &mut taken,
            &rect,
            &found.label,
            class_color(&found.class_name),
            sizes,
        );
    }
}

/// Name, figures and states; gives the places that labels have to leave alone.
fn words(painter: &mut Painter<'_>, look: &TileContent, sizes: Sizes, tile: &Rect) -> Vec<Rect> {
    let mut taken = Vec::new();
    let tile = &tile.inset(sizes.margin_px());
    let line = Type::line_px(sizes.text_px);
    let bottom = tile.bottom() - line as i32;
    let mut room = tile.width;
    if let Some(figures) = &look.figures {
        let rect = painter.plate_rect(0, 0, figures, sizes.text_px);
        let x = tile.right() - rect.width as i32;
        room = room.saturating_sub(rect.width);
        taken.push(dark(painter, x, bottom, figures, sizes.text_px));
    }
    if let Some(title) = &look.title {
        let letters = painter.letters();
        let title = if letters.can_write(title, sizes.text_px) {
            title
        } else {
            &look.number
        };
        let title = letters.fitted(title, sizes.text_px, room.saturating_sub(sizes.text_px));
        taken.push(dark(painter, tile.x, bottom, &title, sizes.text_px));
    }
    let mut right = tile.right();
    if let Some(corner) = &look.corner {
        let rect = painter.plate_rect(0, 0, corner, sizes.text_px);
        right -= rect.width as i32;
        taken.push(dark(painter, right, tile.y, corner, sizes.text_px));
    }
    if look.unsynchronised {
        const MARK: &str = "unsynchronised";
        let rect = painter.plate_rect(0, 0, MARK, sizes.text_px);
        taken.push(dark(
            painter,
            right - rect.width as i32,
            tile.y,
            MARK,
            sizes.text_px,
        ));
    }
    if let Some(headline) = look.analysis.headline() {
        let ground = match look.analysis {
            Analysis::Paused => Color::rgb(86, 180, 233),
            _ => WARNING,
        };
        let size_px = sizes.state_px * 2 / 3;
        let rect = painter.plate_rect(tile.x, tile.y, headline, size_px);
        painter.plate(tile.x, tile.y, headline, size_px, ground, ground.ink());
        taken.push(rect);
    }
    if let Some(headline) = look.video.headline() {
        taken.push(video_state(painter, look, &headline, sizes, tile));
    }
    taken
}

/// The headline in the middle of the tile, with the reason below it.
fn video_state(
    painter: &mut Painter<'_>,
    look: &TileContent,
    headline: &str,
    sizes: Sizes,
    tile: &Rect,
) -> Rect {
    let room = tile.width.saturating_sub(2 * sizes.text_px);
    let reason = look.video.reason();
    let lines = reason.map_or_else(Vec::new, |reason| {
        let mut lines = painter
            .letters()
            .wrapped(&sentence(reason), sizes.text_px, room, 3);
        lines.push(format!("since {}", local_time(reason)));
        lines
    });
    let (head_px, line_px) = (Type::line_px(sizes.state_px), Type::line_px(sizes.text_px));
    let height = head_px + line_px * lines.len() as u32;
    let width = painter.letters().width(headline, sizes.state_px);
    let widest = lines
        .iter()
        .map(|line| painter.letters().width(line, sizes.text_px))
        .fold(width, u32::max);
    let middle = tile.x + (tile.width / 2) as i32;
    let mut y = tile.y + (tile.height.saturating_sub(height) / 2) as i32;
    let ground = Rect::new(
        middle - (widest / 2 + sizes.text_px / 2) as i32,
        y,
        widest + sizes.text_px,
        height,
    );
    painter.cover(&ground, PLATE.covering(PLATE_ALPHA));
    let ink = match look.video {
        super::state::Video::Connecting => Color::WHITE,
        super::state::Video::NoCamera(_) => FAULT,
        _ => WARNING,
    };
    painter.text(
        middle - (width / 2) as i32,
        y,
        headline,
        sizes.state_px,
        ink,
    );
    y += head_px as i32;
    for line in lines {
        let width = painter.letters().width(&line, sizes.text_px);
        painter.text(
            middle - (width / 2) as i32,
            y,
            &line,
            sizes.text_px,
            Color::WHITE,
        );
        y += line_px as i32;
    }
    ground
}

fn dark(painter: &mut Painter<'_>, x: i32, y: i32, text: &str, size_px: u32) -> Rect {
    painter.plate(
        x,
        y,
        text,
        size_px,
        PLATE.covering(PLATE_ALPHA),
        Color::WHITE,
    );
    painter.plate_rect(x, y, text, size_px)
}

/// A box's label: above it, else inside its top edge, else below; left out where all of these are taken.
fn label(
    painter: &mut Painter<'_>,
    taken: &mut Vec<Rect>,
    of: &Rect,
    text: &str,
    ground: Color,
    sizes: Sizes,
) {
    let tile = painter.clip();
    let size = painter.plate_rect(0, 0, text, sizes.text_px);
    let height = size.height as i32;
    let x = of.x.min(tile.right() - size.width as i32).max(tile.x);
    let place = [
        of.y - height,
        of.y,
        of.bottom(),
        of.bottom() - height,
        of.y + height,
    ]
    .into_iter()
    .map(|y| Rect::new(x, y, size.width, size.height))
    .find(|place| tile.covers(place) && !taken.iter().any(|other| other.meets(place)));
    if let Some(place) = place {
        painter.plate(place.x, place.y, text, sizes.text_px, ground, ground.ink());
        taken.push(place);
    }
}

fn sentence(reason: &Reason) -> String {
    // The remedy stands behind the semicolon: it is for whoever reads the log or the page.
    let text = reason.message.split(';').next().unwrap_or_default();
    text.trim().to_owned()
}

fn local_time(reason: &Reason) -> String {
    let zoned = reason.since.to_zoned(jiff::tz::TimeZone::system());
    zoned.strftime("%H:%M:%S").to_string()
}

/// The whole screen of a wall that shows no camera yet.
pub(super) fn welcome(painter: &mut Painter<'_>, lines: &[String]) {
    let screen = painter.clip();
    painter.cover(&screen, Color::rgb(16, 24, 32));
    let mut y = screen.y + (screen.height / 4) as i32;
    for (index, line) in lines.iter().enumerate() {
        let size_px = if index == 0 {
            screen.height / 16
        } else {
            screen.height / 32
        };
        let size_px = size_px.max(11);
        let room = screen.width.saturating_sub(2 * size_px);
        for part in painter.letters().wrapped(line, size_px, room, 4) {
            let width = painter.letters().width(&part, size_px);
            let x = screen.x + (screen.width.saturating_sub(width) / 2) as i32;
            painter.text(x, y, &part, size_px, Color::WHITE);
            y += Type::line_px(size_px) as i32;
        }
        y += (size_px / 2) as i32;
    }
}
