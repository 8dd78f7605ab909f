//! A cache of drawn labels. Names, rates and box labels are the same in most frames, and copying a label takes a tenth of the
//! time of drawing it.

use std::collections::HashMap;

use super::super::{Canvas, Color};

/// Maximum size of the cache: the labels of a dozen tiles. When it is full it is cleared, because the labels of tracks are
/// never used again after the track has ended.
const MOST_BYTES: usize = 1536 * 1024;
/// Wider labels are not cached, so that long class names can't take much memory.
pub(super) const WIDEST_PX: u32 = 1024;

/// Drawn labels by text and style.
#[derive(Default)]
pub(super) struct LabelCache {
    by_text: HashMap<String, Vec<(Style, Canvas)>>,
    bytes: usize,
}

/// The style of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) size_px: u32,
    pub(super) ground: Color,
    pub(super) ink: Color,
}

impl LabelCache {
    /// The label with this text and style, if cached.
    pub(super) fn find(&self, text: &str, style: Style) -> Option<&Canvas> {
        let kept = self.by_text.get(text)?;
        kept.iter()
            .find(|(of, _)| *of == style)
            .map(|(_, label)| label)
    }

    /// Adds a label that is not in the cache.
    pub(super) fn keep(&mut self, text: &str, style: Style, label: Canvas) {
        let bytes = label.bytes().len();
        if self.bytes + bytes > MOST_BYTES {
            self.by_text.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        let kept = self.by_text.entry(text.to_owned()).or_default();
        kept.push((style, label));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Size;

    const STYLE: Style = Style {
        size_px: 12,
        ground: Color::BLACK,
        ink: Color::WHITE,
    };

    #[test]
    fn a_plate_is_found_by_its_text_and_its_style() {
        let mut labels = LabelCache::default();
        let label = Canvas::new(Size::new(60, 14), Color::BLACK);
        labels.keep("7 Dock", STYLE, label.clone());
        assert_eq!(labels.find("7 Dock", STYLE), Some(&label));
        assert_eq!(labels.find("8 Dock", STYLE), None);
        let larger = Style {
            size_px: 14,
            ..STYLE
        };
        assert_eq!(labels.find("7 Dock", larger), None);
    }

    #[test]
    fn memory_is_bounded_whatever_is_written() {
        let mut labels = LabelCache::default();
        let label = Canvas::new(Size::new(100, 20), Color::BLACK);
        let most = MOST_BYTES / label.bytes().len();
        for number in 0..2 * most {
            labels.keep(&number.to_string(), STYLE, label.clone());
            let kept: usize = labels.by_text.values().map(Vec::len).sum();
            assert!(kept <= most && kept * label.bytes().len() == labels.bytes);
        }
    }
}
