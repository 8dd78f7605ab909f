//! Draws boxes, labels and texts above the picture of a tile.
//!
//! Text sizes depend on the screen as well as the tile, so that texts are legible from three metres.

use super::paint::{Painter, Typeface, class_color};
use super::state::{Analysis, Reason};
use super::tile_content::{ContentBox, TileContent};
use super::{Color, Rect};

/// The background of texts. It is slightly transparent.
const LABEL_GROUND: Color = Color::rgb(0, 0, 0);
const LABEL_ALPHA: u8 = 190;
const WARNING: Color = Color::rgb(230, 159, 0);
/// A lighter form of the palette's vermilion, legible on black.
const FAULT: Color = Color::rgb(255, 140, 60);
/// The default of `label_font_scale`.
const DEFAULT_SCALE: f32 = 0.6;
/// Height of the tile that `box_thickness` refers to.
const DEFAULT_TILE_PX: u32 = 360;

/// Sizes of the texts and lines on one tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OverlaySizes {
    /// Letters of labels, names and rates.
    text_px: u32,
    /// Letters of states.
    state_px: u32,
    /// Lines around boxes.
    line_px: u32,
}

impl OverlaySizes {
    /// Sizes for a tile on a screen whose shorter side has `screen_px` pixels.
    pub(super) fn new(tile: &Rect, screen_px: u32, font_scale: f32, box_thickness: u32) -> Self {
        // 1/40 of the screen is 1 cm on a monitor of 24 inches. The tile limits it, so that text does not fill the tile.
        let usual = (screen_px / 45).clamp(tile.height / 24, tile.height / 12);
        let text_px = (usual as f32 * font_scale / DEFAULT_SCALE).round() as u32;
        let state_px = (screen_px / 24).clamp(tile.height / 14, tile.height / 7);
        Self {
            text_px: text_px.max(9),
            state_px: state_px.min(tile.width / 10).max(11),
            // Rounded up: a thinner line is not visible from a distance.
            line_px: (box_thickness * tile.height)
                .div_ceil(DEFAULT_TILE_PX)
                .max(1),
        }
    }

    /// The margin between texts and the edge of the tile. It separates texts of neighbouring tiles.
    fn margin_px(self) -> u32 {
        (self.text_px / 4).max(1)
    }
}

/// Draws everything in `content` except the picture.
pub(super) fn draw(painter: &mut Painter<'_>, content: &TileContent, sizes: OverlaySizes) {
    let tile = painter.clip();
    draw_outlines(painter, &content.boxes, sizes);
    // Texts and labels come after all boxes, so that no line crosses them.
    let taken = draw_texts(painter, content, sizes, &tile);
    draw_labels(painter, &content.boxes, sizes, taken);
}

/// Draws the outlines of boxes.
pub(super) fn draw_outlines(painter: &mut Painter<'_>, boxes: &[ContentBox], sizes: OverlaySizes) {
    let tile = painter.clip();
    for found in boxes {
        let rect = found.rect.shifted(tile.x, tile.y);
        painter.outline(
            &rect,
            sizes.line_px,
            class_color(&found.class_name),
            found.dashed,
        );
    }
}

/// Draws the labels of boxes, but none over the rectangles that are `taken`. Small boxes get their labels first.
pub(super) fn draw_labels(
    painter: &mut Painter<'_>,
    boxes: &[ContentBox],
    sizes: OverlaySizes,
    mut taken: Vec<Rect>,
) {
    let tile = painter.clip();
    let mut by_size: Vec<_> = boxes.iter().collect();
    by_size.sort_by_key(|found| u64::from(found.rect.width) * u64::from(found.rect.height));
    for found in by_size {
        let rect = found.rect.shifted(tile.x, tile.y);
        box_label(
            painter,
            &mut taken,
            &rect,
            &found.label,
            class_color(&found.class_name),
            sizes,
        );
    }
}

/// Draws name, rates and states. Gives their rectangles, which labels must not cover.
fn draw_texts(
    painter: &mut Painter<'_>,
    content: &TileContent,
    sizes: OverlaySizes,
    tile: &Rect,
) -> Vec<Rect> {
    let mut taken = Vec::new();
    let tile = &tile.inset(sizes.margin_px());
    let line = Typeface::line_px(sizes.text_px);
    let bottom = tile.bottom() - line as i32;
    let mut room = tile.width;
    if let Some(rates) = &content.rates {
        let rect = painter.label_rect(0, 0, rates, sizes.text_px);
        let x = tile.right() - rect.width as i32;
        room = room.saturating_sub(rect.width);
        taken.push(dark_label(painter, x, bottom, rates, sizes.text_px));
    }
    if let Some(title) = &content.title {
        let letters = painter.letters();
        let title = if letters.can_write(title, sizes.text_px) {
            title
        } else {
            &content.number
        };
        let title = letters.fitted(title, sizes.text_px, room.saturating_sub(sizes.text_px));
        taken.push(dark_label(painter, tile.x, bottom, &title, sizes.text_px));
    }
    let mut right = tile.right();
    if let Some(corner) = &content.corner {
        let rect = painter.label_rect(0, 0, corner, sizes.text_px);
        right -= rect.width as i32;
        taken.push(dark_label(painter, right, tile.y, corner, sizes.text_px));
    }
    if content.unsynchronised {
        const MARK: &str = "unsynchronised";
        let rect = painter.label_rect(0, 0, MARK, sizes.text_px);
        taken.push(dark_label(
            painter,
            right - rect.width as i32,
            tile.y,
            MARK,
            sizes.text_px,
        ));
    }
    let analysis = content.analysis.headline().map(|headline| {
        let ground = match content.analysis {
            Analysis::Paused => Color::rgb(86, 180, 233),
            _ => WARNING,
        };
        (headline, ground)
    });
    let recording = content.recording.headline();
    let recording = recording.map(|headline| (headline, WARNING));
    let mut y = tile.y;
    for (headline, ground) in analysis.into_iter().chain(recording) {
        let size_px = sizes.state_px * 2 / 3;
        let rect = painter.label_rect(tile.x, y, headline, size_px);
        painter.label(tile.x, y, headline, size_px, ground, ground.ink());
        y = rect.bottom();
        taken.push(rect);
    }
    if let Some(headline) = content.video.headline() {
        taken.push(draw_video_state(painter, content, &headline, sizes, tile));
    }
    taken
}

/// Draws the video state in the middle of the tile, with its reason below.
fn draw_video_state(
    painter: &mut Painter<'_>,
    content: &TileContent,
    headline: &str,
    sizes: OverlaySizes,
    tile: &Rect,
) -> Rect {
    let room = tile.width.saturating_sub(2 * sizes.text_px);
    let reason = content.video.reason();
    let lines = reason.map_or_else(Vec::new, |reason| {
        let mut lines = painter
            .letters()
            .wrapped(&first_part(reason), sizes.text_px, room, 3);
        lines.push(format!("since {}", local_time(reason)));
        lines
    });
    let (head_px, line_px) = (
        Typeface::line_px(sizes.state_px),
        Typeface::line_px(sizes.text_px),
    );
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
    painter.cover(&ground, LABEL_GROUND.covering(LABEL_ALPHA));
    let ink = match content.video {
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

fn dark_label(painter: &mut Painter<'_>, x: i32, y: i32, text: &str, size_px: u32) -> Rect {
    painter.label(
        x,
        y,
        text,
        size_px,
        LABEL_GROUND.covering(LABEL_ALPHA),
        Color::WHITE,
    );
    painter.label_rect(x, y, text, size_px)
}

/// Draws the label of a box: above the box, else inside its top edge, else below. Omits it if all these places are taken.
fn box_label(
    painter: &mut Painter<'_>,
    taken: &mut Vec<Rect>,
    of: &Rect,
    text: &str,
    ground: Color,
    sizes: OverlaySizes,
) {
    let tile = painter.clip();
    let size = painter.label_rect(0, 0, text, sizes.text_px);
    let height = size.height as i32;
    let x = of.x.min(tile.right() - size.width as i32).max(tile.x);
    let position = [
        of.y - height,
        of.y,
        of.bottom(),
        of.bottom() - height,
        of.y + height,
    ]
    .into_iter()
    .map(|y| Rect::new(x, y, size.width, size.height))
    .find(|position| tile.covers(position) && !taken.iter().any(|other| other.meets(position)));
    if let Some(position) = position {
        painter.label(
            position.x,
            position.y,
            text,
            sizes.text_px,
            ground,
            ground.ink(),
        );
        taken.push(position);
    }
}

fn first_part(reason: &Reason) -> String {
    // The remedy follows the semicolon. It is shown in the log and on the page, not on the tile.
    let text = reason.message.split(';').next().unwrap_or_default();
    text.trim().to_owned()
}

fn local_time(reason: &Reason) -> String {
    let zoned = reason.since.to_zoned(jiff::tz::TimeZone::system());
    zoned.strftime("%H:%M:%S").to_string()
}

/// Draws the screen of a wall without cameras: its lines in the middle. The first one is the headline; those that begin with
/// `problem: ` are marked.
pub(super) fn draw_welcome(painter: &mut Painter<'_>, lines: &[String]) {
    let screen = painter.clip();
    painter.cover(&screen, Color::rgb(16, 24, 32));
    // Smaller letters where there are so many lines that the last one, with the next step, would be below the screen.
    let mut rows = Vec::new();
    for part in [32, 40, 48, 56] {
        rows = welcome_rows(painter.letters(), lines, &screen, part);
        if rows_px(&rows) <= screen.height {
            break;
        }
    }
    let above = screen.height.saturating_sub(rows_px(&rows)) / 2;
    let mut y = screen.y + above.min(screen.height / 4) as i32;
    for row in rows {
        let width = painter.letters().width(&row.text, row.size_px);
        let x = screen.x + (screen.width.saturating_sub(width) / 2) as i32;
        painter.text(x, y, &row.text, row.size_px, row.ink);
        y += row.height_px as i32;
    }
}

/// A row of text on the screen of a wall without cameras.
struct WelcomeRow {
    text: String,
    size_px: u32,
    /// With the gap below it.
    height_px: u32,
    ink: Color,
}

fn rows_px(rows: &[WelcomeRow]) -> u32 {
    rows.iter().map(|row| row.height_px).sum()
}

/// The rows of `lines` in letters of a `part` of the screen's height; the headline has twice their size.
fn welcome_rows(
    letters: &mut Typeface,
    lines: &[String],
    screen: &Rect,
    part: u32,
) -> Vec<WelcomeRow> {
    let mut rows: Vec<WelcomeRow> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let scale = if index == 0 { 2 } else { 1 };
        let size_px = (screen.height * scale / part).max(11);
        let room = screen.width.saturating_sub(2 * size_px);
        let ink = match line.starts_with("problem: ") {
            true => FAULT,
            false => Color::WHITE,
        };
        rows.extend(
            letters
                .wrapped(line, size_px, room, 4)
                .into_iter()
                .map(|text| WelcomeRow {
                    text,
                    size_px,
                    height_px: Typeface::line_px(size_px),
                    ink,
                }),
        );
        if let Some(last) = rows.last_mut() {
            last.height_px += size_px / 2;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Size;

    #[test]
    fn the_last_line_is_on_the_screen_however_many_there_are() {
        let mut letters = Typeface::default();
        let screen = Rect::of(Size::new(1920, 1080));
        let mut lines = vec!["NOT SET UP".to_owned(), "device box".to_owned()];
        let px = |letters: &mut Typeface, lines: &[String], part| {
            rows_px(&welcome_rows(letters, lines, &screen, part))
        };
        assert!(px(&mut letters, &lines, 32) < screen.height / 4);
        let long = "problem: nvr-provision.toml: network.address: must be an address with the length of its prefix, such as \
            10.0.0.5/24, got \"10.0.0.5\"";
        lines.extend(vec![long.to_owned(); 10]);
        assert!(px(&mut letters, &lines, 32) > screen.height);
        assert!(px(&mut letters, &lines, 56) <= screen.height);
    }
}
