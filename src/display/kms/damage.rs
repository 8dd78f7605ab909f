//! The outdated rectangles of a buffer.
//!
//! Two buffers are shown in turn, so the buffer that is written now also lacks the last scene. There is a list per buffer with
//! the changes since it was last written.

use crate::render::Rect;

/// Maximum number of rectangles: picture, boxes and texts of two dozen tiles.
const MOST: usize = 64;

/// Rectangles to write again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Damage {
    rects: Vec<Rect>,
}

impl Damage {
    /// Adds a rectangle. It is ignored if it is already covered, and merged with others if that avoids copying pixels twice.
    pub(super) fn add(&mut self, rect: Rect) {
        let mut rect = rect;
        if rect.is_empty() || self.rects.iter().any(|known| known.covers(&rect)) {
            return;
        }
        // A merged rectangle may reach others. Each round removes one rectangle, so the loop ends.
        while let Some(index) = self.rects.iter().position(|known| joins(known, &rect)) {
            rect = rect.around(&self.rects.swap_remove(index));
        }
        self.rects.push(rect);
        if self.rects.len() > MOST {
            let all = self
                .rects
                .iter()
                .fold(Rect::default(), |sum, rect| sum.around(rect));
            self.rects = vec![all];
        }
    }

    /// The rectangles.
    pub(super) fn rects(&self) -> &[Rect] {
        &self.rects
    }

    /// Takes all rectangles out.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

/// Whether the rectangle around both has no more pixels than both together.
fn joins(one: &Rect, other: &Rect) -> bool {
    let area = |rect: &Rect| u64::from(rect.width) * u64::from(rect.height);
    area(&one.around(other)) <= area(one) + area(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_what_overlaps_widely_become_one() {
        let mut damage = Damage::default();
        damage.add(Rect::new(0, 0, 10, 10));
        damage.add(Rect::new(10, 0, 10, 10));
        assert_eq!(damage.rects(), [Rect::new(0, 0, 20, 10)]);
        damage.add(Rect::new(2, 2, 3, 3));
        assert_eq!(damage.rects(), [Rect::new(0, 0, 20, 10)]);
        damage.add(Rect::new(0, 10, 20, 10));
        assert_eq!(damage.rects(), [Rect::new(0, 0, 20, 20)]);
    }

    #[test]
    fn what_lies_apart_stays_apart() {
        let mut damage = Damage::default();
        damage.add(Rect::new(0, 0, 10, 10));
        damage.add(Rect::new(500, 0, 10, 10));
        damage.add(Rect::default());
        assert_eq!(damage.rects().len(), 2);
        assert_eq!(damage.take().rects().len(), 2);
        assert_eq!(damage, Damage::default());
    }

    #[test]
    fn too_many_become_the_one_around_them() {
        let mut damage = Damage::default();
        for index in 0..=MOST as i32 {
            damage.add(Rect::new(index * 20, 0, 1, 1));
        }
        assert_eq!(damage.rects(), [Rect::new(0, 0, MOST as u32 * 20 + 1, 1)]);
    }
}
