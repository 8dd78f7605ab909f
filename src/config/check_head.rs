//! The checks of a wall's monitors and layouts.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Checker, name_list};
use super::layers::StreamSelection;
use super::serde_message::did_you_mean;
use super::{HeadSettings, Layout, Layouts, ModeRequest, RawHead, RawSettings};
use crate::base::{Size, SourceId};

/// Tolerance for overlaps: rectangles with three decimal digits may touch.
const SLACK: f64 = 0.001;
/// Maximum number of tiles of a custom layout.
const MOST_TILES: usize = 256;
const BUILT_IN: [&str; 2] = ["grid", "focus"];

impl Checker<'_> {
    /// Every named layout, also invalid ones, so that a head that names one causes no second problem.
    pub(super) fn layouts(&mut self, raw: &RawSettings) -> Layouts {
        let mut layouts = BTreeMap::new();
        for (name, layout) in &raw.wall.layout {
            let path = format!("wall.layout.{name}");
            if BUILT_IN.contains(&name.as_str()) {
                self.report(&path, "is a built-in layout; choose another name");
            } else if name.is_empty() || !name.chars().all(super::identity::is_allowed) {
                self.report(
                    &path,
                    "the name of a layout must consist of letters, digits, `-`, `_` and `.`",
                );
            }
            let at = format!("{path}.tiles");
            if layout.tiles.is_empty() {
                self.report(
                    &at,
                    "is missing or empty; give rectangles such as [[0.0, 0.0, 1.0, 0.6]]",
                );
            } else if layout.tiles.len() > MOST_TILES {
                let given = layout.tiles.len();
                self.report(&at, format!("at most {MOST_TILES} tiles, got {given}"));
            } else {
                self.tiles(&at, &layout.tiles);
            }
            if !BUILT_IN.contains(&name.as_str()) {
                let tiles = layout.tiles.iter().map(|tile| tile.map(|edge| edge as f32));
                layouts.insert(name.clone(), tiles.collect());
            }
        }
        layouts
    }

    fn tiles(&mut self, path: &str, tiles: &[[f64; 4]]) {
        for (index, tile) in tiles.iter().enumerate() {
            let [x, y, width, height] = *tile;
            let at = format!("{path}[{index}]");
            let inside = |start: f64, length: f64| start >= 0.0 && start + length <= 1.0 + SLACK;
            if !(width > 0.0 && height > 0.0) {
                let message = format!(
                    "width and height must be above 0, got {width} and {height}; a tile is [x, y, width, height]"
                );
                self.report(&at, message);
            } else if !(inside(x, width) && inside(y, height)) {
                let message = format!(
                    "must be on the screen, 0 to 1 in both directions, got {x} to {} and {y} to {}; a tile is [x, y, width, height]",
                    x + width,
                    y + height
                );
                self.report(&at, message);
            } else if let Some(first) = tiles[..index].iter().position(|other| overlap(tile, other))
            {
                let message = format!("overlaps tile {first}; tiles must not overlap");
                self.report(&at, message);
            }
        }
    }

    /// The monitors; one with defaults if none is configured.
    pub(super) fn heads(
        &mut self,
        raw: &RawSettings,
        selection: Option<&StreamSelection>,
        layouts: &Layouts,
    ) -> Vec<HeadSettings> {
        let cameras = raw.camera.as_deref().unwrap_or_default();
        let known: BTreeSet<i64> = cameras.iter().filter_map(|camera| camera.id).collect();
        let mut heads = Vec::new();
        let mut connectors: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, head) in raw.wall.head.iter().enumerate() {
            let path = format!("wall.head[{index}]");
            if let Some(connector) = &head.connector
                && let Some(first) = connectors.insert(connector, index)
            {
                let message = format!(
                    "{connector} is already the connector of wall.head[{first}]; give each head another one"
                );
                self.report(&format!("{path}.connector"), message);
            }
            heads.push(self.head(&path, head, layouts, &known, selection));
        }
        if heads.is_empty() {
            heads.push(HeadSettings::default());
        }
        heads
    }

    fn head(
        &mut self,
        path: &str,
        raw: &RawHead,
        layouts: &Layouts,
        known: &BTreeSet<i64>,
        selection: Option<&StreamSelection>,
    ) -> HeadSettings {
        let at = |key: &str| format!("{path}.{key}");
        self.filled(&at("connector"), raw.connector.as_deref());
        HeadSettings {
            connector: raw.connector.clone(),
            mode: raw
                .mode
                .as_deref()
                .and_then(|mode| self.mode(&at("mode"), mode)),
            rotate: raw.rotate,
            overscan: self.within(path, raw.overscan()) as f32,
            range: raw.range,
            layout: self.layout(path, raw, layouts),
            cameras: raw
                .cameras
                .as_deref()
                .map(|ids| self.head_cameras(&at("cameras"), ids, known, selection)),
        }
    }

    fn mode(&mut self, path: &str, text: &str) -> Option<ModeRequest> {
        let mode = parse_mode(text);
        if mode.is_none() {
            let message = format!(
                "must be a resolution of 64 to 16384 pixels in both directions and, optionally, a rate of 1 to 1000 Hz, such as \
                 1920x1080@60, got `{text}`"
            );
            self.report(path, message);
        }
        mode
    }

    fn layout(&mut self, path: &str, raw: &RawHead, layouts: &Layouts) -> Layout {
        let columns = self.within(path, raw.grid_columns());
        let columns = columns.map(|columns| columns as u32);
        match (raw.layout.as_str(), layouts.get(&raw.layout)) {
            ("grid", _) => return Layout::Grid { columns },
            ("focus", _) => return Layout::Focus,
            (name, Some(tiles)) => {
                return Layout::Free {
                    name: name.to_owned(),
                    tiles: tiles.clone(),
                };
            }
            (name, None) => {
                let known: Vec<&str> = BUILT_IN
                    .into_iter()
                    .chain(layouts.keys().map(String::as_str))
                    .collect();
                let message = format!(
                    "there is no layout `{name}`; {}known are {}; define others as [wall.layout.NAME]",
                    did_you_mean(name, &known),
                    known.join(", ")
                );
                self.report(&format!("{path}.layout"), message);
            }
        }
        Layout::default()
    }

    fn head_cameras(
        &mut self,
        path: &str,
        ids: &[i64],
        known: &BTreeSet<i64>,
        selection: Option<&StreamSelection>,
    ) -> Vec<SourceId> {
        if ids.is_empty() {
            self.report(
                path,
                "an empty list would show nothing; remove the key for all cameras",
            );
        }
        let mut seen = BTreeSet::new();
        let mut shown = Vec::new();
        let mut unknown = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            let at = format!("{path}[{index}]");
            let range = 0..=i64::from(u32::MAX);
            if !range.contains(id) {
                self.in_range(&at, *id, range);
            } else if !seen.insert(id) {
                self.report(
                    &at,
                    format!("camera {id} is listed twice; list each camera once"),
                );
            } else if !known.contains(id) {
                unknown.push(id);
            } else if selection.is_none_or(|selection| selection.has(*id)) {
                shown.push(SourceId(*id as u32));
            }
        }
        // Only a warning, because cameras come and go and the other tiles should stay visible.
        if !unknown.is_empty() && self.for_wall {
            self.warnings.push(format!(
                "{path}: no camera {} is configured; it is left out",
                name_list(unknown.into_iter())
            ));
        }
        shown
    }
}

fn overlap(one: &[f64; 4], other: &[f64; 4]) -> bool {
    let shared = |axis: usize| {
        let end = (one[axis] + one[axis + 2]).min(other[axis] + other[axis + 2]);
        end - one[axis].max(other[axis])
    };
    shared(0) > SLACK && shared(1) > SLACK
}

/// `1920x1080@59.94` or `1920x1080`.
fn parse_mode(text: &str) -> Option<ModeRequest> {
    let (size, refresh) = match text.split_once('@') {
        Some((size, refresh)) => (size, Some(refresh)),
        None => (text, None),
    };
    let (width, height) = size.split_once('x')?;
    let edge = |text: &str| text.parse().ok().filter(|edge| (64..=16384).contains(edge));
    let refresh_hz = match refresh {
        Some(text) => Some(text.parse().ok().filter(|hz| (1.0..=1000.0).contains(hz))?),
        None => None,
    };
    Some(ModeRequest {
        size: Size::new(edge(width)?, edge(height)?),
        refresh_hz,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_a_size_and_perhaps_a_rate() {
        let mode = |width, height, refresh_hz| {
            Some(ModeRequest {
                size: Size::new(width, height),
                refresh_hz,
            })
        };
        assert_eq!(parse_mode("1920x1080@60"), mode(1920, 1080, Some(60.0)));
        assert_eq!(parse_mode("3840x2160@59.94"), mode(3840, 2160, Some(59.94)));
        assert_eq!(parse_mode("1280x720"), mode(1280, 720, None));
        for wrong in [
            "",
            "1080p",
            "1920x",
            "1920x1080@",
            "1920x1080@nan",
            "0x0",
            "-1x5",
            "9x9x9",
            "99999x1080",
        ] {
            assert_eq!(parse_mode(wrong), None, "{wrong}");
        }
    }
}
