//! A strip below the cameras, with a message about the box itself.

use std::sync::Arc;

use super::paint::{Painter, Typeface};
use super::{Color, Rect};
use crate::base::Size;

const GROUND: Color = Color::rgb(16, 24, 32);
/// Of the first line, and of the edge towards the cameras.
const HEADLINE: Color = Color::rgb(230, 159, 0);
/// Rows that one line may take.
const ROWS_PER_LINE: usize = 2;

/// Lines of text, broken into rows for a screen.
#[derive(Debug, Default)]
pub(super) struct Banner {
    lines: Arc<[String]>,
    /// The number of rows of the first line.
    headline_rows: usize,
    rows: Vec<String>,
    text_px: u32,
    /// Where it is on the screen; empty without lines.
    pub(super) rect: Rect,
}

impl Banner {
    /// Breaks `lines` for a screen of this size. It takes a third of the screen at most: then lines before the last one, which
    /// has the next step, are left out.
    pub(super) fn new(lines: Arc<[String]>, screen: Size, letters: &mut Typeface) -> Self {
        let Some((last, others)) = lines.split_last() else {
            return Self::default();
        };
        let text_px = (screen.width.min(screen.height) / 38).max(11);
        let line_px = Typeface::line_px(text_px);
        let room = screen.width.saturating_sub(2 * text_px);
        let most = (screen.height / 3).saturating_sub(text_px) / line_px;
        let mut wrap = |line: &String| letters.wrapped(line, text_px, room, ROWS_PER_LINE);
        let end = wrap(last);
        let headline_rows = others.first().map_or(end.len(), |line| wrap(line).len());
        let mut rows: Vec<String> = others.iter().flat_map(&mut wrap).collect();
        rows.truncate((most.max(1) as usize).saturating_sub(end.len()));
        rows.extend(end);
        let height = rows.len() as u32 * line_px + text_px;
        let rect = Rect::of(screen).intersection(&Rect::new(
            0,
            screen.height as i32 - height as i32,
            screen.width,
            height,
        ));
        Self {
            lines,
            headline_rows,
            rows,
            text_px,
            rect,
        }
    }

    /// Whether it shows these lines.
    pub(super) fn shows(&self, lines: &[String]) -> bool {
        *self.lines == *lines
    }

    pub(super) fn draw(&self, painter: &mut Painter<'_>) {
        painter.cover(&self.rect, GROUND);
        let edge = Rect {
            height: (self.text_px / 8).max(1),
            ..self.rect
        };
        painter.cover(&edge, HEADLINE);
        let x = self.rect.x + self.text_px as i32;
        let mut y = self.rect.y + (self.text_px / 2) as i32;
        for (index, row) in self.rows.iter().enumerate() {
            let ink = match index < self.headline_rows {
                true => HEADLINE,
                false => Color::WHITE,
            };
            painter.text(x, y, row, self.text_px, ink);
            y += Typeface::line_px(self.text_px) as i32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(lines: &[&str], screen: Size) -> Banner {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Banner::new(lines, screen, &mut Typeface::default())
    }

    #[test]
    fn it_is_as_high_as_its_rows_and_at_the_bottom() {
        let screen = Size::new(1920, 1080);
        let one = banner(&["refused"], screen);
        let two = banner(&["refused", "next: try again"], screen);
        assert_eq!((one.rows.len(), two.rows.len()), (1, 2));
        assert_eq!((one.rect.x, one.rect.width), (0, 1920));
        assert_eq!((one.rect.bottom(), two.rect.bottom()), (1080, 1080));
        assert_eq!(two.rect.height - one.rect.height, Typeface::line_px(28));
        assert!(banner(&[], screen).rect.is_empty());
    }

    #[test]
    fn many_lines_take_a_third_of_the_screen_and_keep_the_first_and_the_last() {
        for screen in [
            Size::new(480, 360),
            Size::new(1920, 1080),
            Size::new(160, 120),
        ] {
            let mut lines = vec!["refused"];
            lines.extend(["mqtt.port: must be from 1 to 65535, got 0"; 40]);
            lines.push("next");
            let found = banner(&lines, screen);
            assert!(
                found.rect.height <= screen.height.div_ceil(3),
                "{screen:?}: {:?}",
                found.rect
            );
            assert_eq!(found.rows.last().map(String::as_str), Some("next"));
            assert_eq!(found.rows[0], "refused");
        }
    }
}
