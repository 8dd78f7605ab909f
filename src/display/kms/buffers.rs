#![expect(
    unsafe_code,
    reason = "a mapping and its buffer are fields of one value"
)]
//! Scan-out memory: pairs of dumb buffers, one of which is shown while the other is written.

use std::io;
use std::sync::Arc;

use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::dumbbuffer::{DumbBuffer, DumbMapping};
use drm::control::{Device as _, framebuffer};

use super::blit::{Target, blit};
use super::card::Card;
use super::damage::Damage;
use super::formats::ARGB8888;
use crate::base::Size;
use crate::config::Rotation;
use crate::render::{Canvas, Rect};

/// A mapped dumb buffer with its framebuffer. Its first content is zeros: black, or transparent.
struct Buffer {
    card: Arc<Card>,
    /// Unmapped before the buffer is destroyed.
    mapping: Option<DumbMapping<'static>>,
    dumb: DumbBuffer,
    framebuffer: framebuffer::Handle,
}

impl Buffer {
    fn new(card: &Arc<Card>, size: Size, fourcc: u32) -> io::Result<Self> {
        let (format, depth) = if fourcc == ARGB8888 {
            (DrmFourcc::Argb8888, 32)
        } else {
            (DrmFourcc::Xrgb8888, 24)
        };
        let mut dumb = card.create_dumb_buffer((size.width, size.height), format, 32)?;
        let made = card
            .add_framebuffer(&dumb, depth, 32)
            .and_then(|framebuffer| {
                match card.map_dumb_buffer(&mut dumb) {
                    Ok(mapping) => {
                        // SAFETY: the mapping refers to memory from mmap and not to `dumb`. It has the lifetime of `dumb` only so
                        // that it is unmapped before the buffer is destroyed, which Drop below does in this order.
                        let mapping = unsafe {
                            std::mem::transmute::<DumbMapping<'_>, DumbMapping<'static>>(mapping)
                        };
                        Ok((framebuffer, mapping))
                    }
                    Err(err) => {
                        let _ = card.destroy_framebuffer(framebuffer);
                        Err(err)
                    }
                }
            });
        match made {
            Ok((framebuffer, mut mapping)) => {
                // Most drivers give zeros; NVIDIA's promises none.
                mapping.as_mut().fill(0);
                let card = Arc::clone(card);
                Ok(Self {
                    card,
                    mapping: Some(mapping),
                    dumb,
                    framebuffer,
                })
            }
            Err(err) => {
                let _ = card.destroy_dumb_buffer(dumb);
                Err(err)
            }
        }
    }

    fn target(&mut self) -> Option<Target<'_>> {
        let (width, height) = self.dumb.size();
        Some(Target {
            stride: self.dumb.pitch() as usize,
            size: Size::new(width, height),
            bytes: self.mapping.as_mut()?.as_mut(),
        })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.mapping = None;
        // This also removes a framebuffer that is still shown from its plane.
        let _ = self.card.destroy_framebuffer(self.framebuffer);
        let _ = self.card.destroy_dumb_buffer(self.dumb);
    }
}

/// Two buffers that are shown in turn.
pub(super) struct BufferPair {
    buffers: [Buffer; 2],
    size: Size,
    front: usize,
    damage_record: BufferDamage,
}

impl BufferPair {
    /// Makes both buffers: black, or transparent if the format has alpha.
    pub(super) fn new(card: &Arc<Card>, size: Size, fourcc: u32) -> io::Result<Self> {
        let make = || Buffer::new(card, size, fourcc);
        Ok(Self {
            buffers: [make()?, make()?],
            size,
            front: 0,
            damage_record: BufferDamage::default(),
        })
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// The framebuffer that is shown.
    pub(super) fn front(&self) -> u32 {
        self.buffers[self.front].framebuffer.into()
    }

    /// The framebuffer that is shown next.
    pub(super) fn back(&self) -> u32 {
        self.buffers[1 - self.front].framebuffer.into()
    }

    /// Adds a rectangle of the canvas that has changed.
    pub(super) fn damage(&mut self, rect: Rect) {
        self.damage_record.damage(rect);
    }

    /// Whether the shown buffer is out of date.
    pub(super) fn is_due(&self) -> bool {
        self.damage_record.due
    }

    /// Writes the missing changes into the back buffer. `place` gives the position of a rectangle of the canvas in the buffer.
    pub(super) fn write(
        &mut self,
        canvas: &Canvas,
        rotation: Rotation,
        place: impl Fn(&Rect) -> Rect,
    ) {
        let back = 1 - self.front;
        let stale = self.damage_record.take_stale(back);
        let Some(mut target) = self.buffers[back].target() else {
            return;
        };
        for rect in stale.rects() {
            let goes_to = place(rect);
            blit(canvas, rect, &mut target, &goes_to, rotation);
            self.damage_record.written.add(goes_to);
        }
    }

    /// The rectangles written into the back buffer since it was last shown, in its pixels.
    pub(super) fn written(&self) -> &[Rect] {
        self.damage_record.written.rects()
    }

    /// The back buffer was committed.
    pub(super) fn swap(&mut self) {
        self.front = 1 - self.front;
        self.damage_record.shown();
    }
}

/// The changes that each of the two buffers lacks.
#[derive(Debug, Default)]
struct BufferDamage {
    stale: [Damage; 2],
    written: Damage,
    due: bool,
}

impl BufferDamage {
    fn damage(&mut self, rect: Rect) {
        if !rect.is_empty() {
            self.stale.iter_mut().for_each(|stale| stale.add(rect));
            self.due = true;
        }
    }

    fn take_stale(&mut self, buffer: usize) -> Damage {
        self.stale[buffer].take()
    }

    fn shown(&mut self) {
        self.written = Damage::default();
        self.due = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Rect = Rect::new(0, 0, 10, 10);
    const TWO: Rect = Rect::new(100, 0, 10, 10);
    const THREE: Rect = Rect::new(200, 0, 10, 10);

    #[test]
    fn each_buffer_gets_what_it_missed_while_the_other_was_written() {
        let mut damage_record = BufferDamage::default();
        damage_record.damage(ONE);
        assert_eq!(damage_record.take_stale(1).rects(), [ONE]);
        damage_record.shown();
        damage_record.damage(TWO);
        assert_eq!(damage_record.take_stale(0).rects(), [ONE, TWO]);
        damage_record.shown();
        damage_record.damage(THREE);
        assert_eq!(damage_record.take_stale(1).rects(), [TWO, THREE]);
    }

    #[test]
    fn a_buffer_that_lacks_what_is_shown_already_is_no_reason_to_commit() {
        let mut damage_record = BufferDamage::default();
        damage_record.damage(ONE);
        damage_record.take_stale(1);
        damage_record.shown();
        assert!(!damage_record.due);
        assert_eq!(damage_record.stale[0].rects(), [ONE]);
        damage_record.damage(Rect::default());
        assert!(!damage_record.due);
    }

    #[test]
    fn damage_of_scenes_that_were_not_committed_adds_up() {
        let mut damage_record = BufferDamage::default();
        damage_record.damage(ONE);
        damage_record.damage(TWO);
        assert_eq!(damage_record.take_stale(0).rects(), [ONE, TWO]);
        assert_eq!(damage_record.take_stale(1).rects(), [ONE, TWO]);
    }
}
