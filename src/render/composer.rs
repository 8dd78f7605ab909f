//! Composes tile contents into a scene in cached memory and records the damaged rectangles.
//!
//! A tile is painted again only when its content has changed. Boxes and labels go onto a separate layer if the display has
//! one. Otherwise they go into the picture, which is then painted again below them.

use std::sync::Arc;

use super::banner::Banner;
use super::overlay::{self, OverlaySizes};
use super::paint::{Painter, Typeface};
use super::tile_content::TileContent;
use super::{Canvas, Color, DisplayInfo, Rect, Scene};
use crate::config::WallSettings;

/// The colour behind and between pictures.
const BACKGROUND: Color = Color::rgb(12, 14, 16);
/// The colour that dims a stale picture, with its alpha.
const DIM_COLOR: Color = Color::BLACK;
const DIM_ALPHA: u8 = 150;

/// The composed pixels of one screen.
pub(crate) struct Composer {
    base: Canvas,
    overlay: Option<Canvas>,
    letters: Typeface,
    tiles: Vec<Tile>,
    base_damage: Vec<Rect>,
    overlay_damage: Vec<Rect>,
    pictures: Vec<Rect>,
    welcome: Option<Vec<String>>,
    notice: Banner,
    /// Whether the notice is on the screen.
    has_notice: bool,
    font_scale: f32,
    box_thickness: u32,
}

struct Tile {
    rect: Rect,
    content: Option<TileContent>,
    /// The rectangles of the overlay that the present content was drawn on.
    overlay_rects: Vec<Rect>,
}

impl Composer {
    /// A composer for a display with this info. The whole screen is damaged.
    pub(crate) fn new(info: &DisplayInfo, settings: &WallSettings) -> Self {
        let mut composer = Self {
            base: Canvas::new(info.size, BACKGROUND),
            overlay: info.overlay.then(|| Canvas::new(info.size, Color::CLEAR)),
            letters: Typeface::default(),
            tiles: Vec::new(),
            base_damage: Vec::new(),
            overlay_damage: Vec::new(),
            pictures: Vec::new(),
            welcome: None,
            notice: Banner::default(),
            has_notice: false,
            font_scale: settings.label_font_scale,
            box_thickness: settings.box_thickness,
        };
        composer.lay_out(&[]);
        composer
    }

    /// Divides the screen into these tiles. Everything is painted again.
    pub(crate) fn lay_out(&mut self, tiles: &[Rect]) {
        let screen = Rect::of(self.base.size());
        self.base.fill(&screen, BACKGROUND);
        self.base_damage = vec![screen];
        if let Some(overlay) = &mut self.overlay {
            overlay.fill(&screen, Color::CLEAR);
            self.overlay_damage = vec![screen];
        }
        self.welcome = None;
        self.has_notice = false;
        self.pictures.clear();
        self.tiles = tiles
            .iter()
            .map(|rect| Tile {
                rect: rect.intersection(&screen),
                content: None,
                overlay_rects: Vec::new(),
            })
            .collect();
    }

    /// Fills the screen with these lines of text, for a wall without cameras.
    pub(crate) fn welcome(&mut self, lines: Vec<String>) {
        if self.welcome.as_ref() == Some(&lines) {
            return;
        }
        let screen = Rect::of(self.base.size());
        overlay::draw_welcome(
            &mut Painter::new(&mut self.base, &mut self.letters, screen),
            &lines,
        );
        self.welcome = Some(lines);
        self.base_damage = vec![screen];
    }

    /// Sets the lines of the notice at the bottom of the screen, and gives its height in pixels: 0 without lines. The tiles have to
    /// be laid out above it.
    pub(crate) fn set_notice(&mut self, lines: Arc<[String]>) -> u32 {
        if !self.notice.shows(&lines) {
            if self.has_notice {
                self.base.fill(&self.notice.rect, BACKGROUND);
                self.base_damage.push(self.notice.rect);
                self.has_notice = false;
            }
            self.notice = Banner::new(lines, self.base.size(), &mut self.letters);
        }
        self.notice.rect.height
    }

    /// Draws the notice, unless it is there.
    pub(crate) fn show_notice(&mut self) {
        let rect = self.notice.rect;
        if self.has_notice || rect.is_empty() {
            return;
        }
        let mut painter = Painter::new(&mut self.base, &mut self.letters, rect);
        self.notice.draw(&mut painter);
        self.base_damage.push(rect);
        self.has_notice = true;
    }

    /// Sets the content of tile `index` and paints what has changed.
    pub(crate) fn show(&mut self, index: usize, content: TileContent) {
        let Some(tile) = self.tiles.get_mut(index) else {
            return;
        };
        let before = tile.content.as_ref();
        let same_picture = before.is_some_and(|before| before.same_picture(&content));
        let same_overlay = before.is_some_and(|before| before.same_overlay(&content));
        if same_picture && same_overlay {
            return;
        }
        // The shorter side, so that a rotated monitor has text of the same size.
        let screen = self.base.size();
        let sizes = OverlaySizes::new(
            &tile.rect,
            screen.width.min(screen.height),
            self.font_scale,
            self.box_thickness,
        );
        let blended = self.overlay.is_none();
        if !same_picture || blended {
            let moved = before.is_none_or(|before| picture_rect(before) != picture_rect(&content));
            paint_picture(&mut self.base, &tile.rect, &content, moved);
            if blended && !moved {
                // Removes the rest of texts and lines beside the picture.
                for drawn in &tile.overlay_rects {
                    paint_background(&mut self.base, &tile.rect, &content, drawn);
                }
            }
            let damage = match picture_rect(&content) {
                Some(rect) if !moved && !blended => rect.shifted(tile.rect.x, tile.rect.y),
                _ => tile.rect,
            };
            self.base_damage.push(damage);
        }
        match &mut self.overlay {
            None => {
                let mut painter = Painter::new(&mut self.base, &mut self.letters, tile.rect);
                overlay::draw(&mut painter, &content, sizes);
                tile.overlay_rects = painter.into_touched();
            }
            Some(overlay) if !same_overlay => {
                for rect in &tile.overlay_rects {
                    overlay.fill(rect, Color::CLEAR);
                }
                self.overlay_damage.append(&mut tile.overlay_rects);
                let mut painter = Painter::new(overlay, &mut self.letters, tile.rect);
                overlay::draw(&mut painter, &content, sizes);
                tile.overlay_rects = painter.into_touched();
                self.overlay_damage.extend_from_slice(&tile.overlay_rects);
            }
            Some(_) => {}
        }
        tile.content = Some(content);
    }

    /// Whether something has changed since the last presented scene.
    pub(crate) fn is_damaged(&self) -> bool {
        !self.base_damage.is_empty() || !self.overlay_damage.is_empty()
    }

    /// The scene to present, with the damage since the last presented one.
    pub(crate) fn scene(&mut self) -> Scene<'_> {
        self.pictures = self
            .tiles
            .iter()
            .filter_map(|tile| {
                let rect = picture_rect(tile.content.as_ref()?)?;
                Some(rect.shifted(tile.rect.x, tile.rect.y))
            })
            .collect();
        Scene {
            base: &self.base,
            base_damage: &self.base_damage,
            overlay: self.overlay.as_ref(),
            overlay_damage: &self.overlay_damage,
            pictures: &self.pictures,
        }
    }

    /// The scene was presented: clears the damage.
    pub(crate) fn presented(&mut self) {
        self.base_damage.clear();
        self.overlay_damage.clear();
    }

    /// The scene with its overlay as one picture, for snapshots and the page.
    pub(crate) fn flattened(&self) -> Canvas {
        let mut picture = self.base.clone();
        if let Some(overlay) = &self.overlay {
            let all = picture.bounds();
            picture.lay(overlay, &all);
        }
        picture
    }
}

/// The rectangle of the picture in its tile.
fn picture_rect(content: &TileContent) -> Option<Rect> {
    content.picture.as_ref().map(|frame| frame.placement.rect)
}

fn paint_picture(base: &mut Canvas, tile: &Rect, content: &TileContent, with_ground: bool) {
    let Some(frame) = &content.picture else {
        base.fill(tile, BACKGROUND);
        return;
    };
    let rect = frame.placement.rect.shifted(tile.x, tile.y);
    if with_ground {
        paint_background(base, tile, content, tile);
    }
    frame.picture.paint(base, rect.x, rect.y);
    if content.is_dimmed() {
        base.cover(&rect, DIM_COLOR.covering(DIM_ALPHA));
    }
}

/// The bars around the picture, inside `part`.
fn paint_background(base: &mut Canvas, tile: &Rect, content: &TileContent, part: &Rect) {
    let Some(rect) = picture_rect(content).map(|rect| rect.shifted(tile.x, tile.y)) else {
        return;
    };
    let around = [
        Rect::from_edges(tile.x, tile.y, tile.right(), rect.y),
        Rect::from_edges(tile.x, rect.bottom(), tile.right(), tile.bottom()),
        Rect::from_edges(tile.x, rect.y, rect.x, rect.bottom()),
        Rect::from_edges(rect.right(), rect.y, tile.right(), rect.bottom()),
    ];
    for bar in around {
        base.fill(&bar.intersection(part), BACKGROUND);
    }
}

#[cfg(test)]
#[path = "composer_tests.rs"]
mod tests;
