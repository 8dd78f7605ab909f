#![expect(
    unsafe_code,
    reason = "a mapping and the buffer it belongs to live in one value"
)]
//! Scan-out memory of our own: dumb buffers in pairs, one shown while the other is written.

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

/// A dumb buffer with its framebuffer, mapped for as long as it lives. The kernel hands it out black, or clear.
struct Buffer {
    card: Arc<Card>,
    /// Gone before the buffer is.
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
                        // SAFETY: the mapping refers to memory that mmap gave and not to `dumb`, whose lifetime it carries only
                        // to be unmapped before the buffer is destroyed; Drop below does so in this order.
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
            Ok((framebuffer, mapping)) => {
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
        // A framebuffer that is still shown is taken off its plane by this.
        let _ = self.card.destroy_framebuffer(self.framebuffer);
        let _ = self.card.destroy_dumb_buffer(self.dumb);
    }
}

/// Two buffers that take turns.
pub(super) struct Pair {
    buffers: [Buffer; 2],
    size: Size,
    front: usize,
    record: Record,
}

impl Pair {
    /// Both black, or clear where the format has alpha.
    pub(super) fn new(card: &Arc<Card>, size: Size, fourcc: u32) -> io::Result<Self> {
        let make = || Buffer::new(card, size, fourcc);
        Ok(Self {
            buffers: [make()?, make()?],
            size,
            front: 0,
            record: Record::default(),
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

    /// Something of the canvas changed that is shown here.
    pub(super) fn damage(&mut self, rect: Rect) {
        self.record.damage(rect);
    }

    /// Whether what is shown is out of date.
    pub(super) fn is_due(&self) -> bool {
        self.record.due
    }

    /// Writes what the back buffer lacks; `place` says where a rectangle of the canvas goes.
    pub(super) fn write(
        &mut self,
        canvas: &Canvas,
        rotation: Rotation,
        place: impl Fn(&Rect) -> Rect,
    ) {
        let back = 1 - self.front;
        let stale = self.record.take_stale(back);
        let Some(mut target) = self.buffers[back].target() else {
            return;
        };
        for rect in stale.rects() {
            let goes_to = place(rect);
            blit(canvas, rect, &mut target, &goes_to, rotation);
            self.record.written.add(goes_to);
        }
    }

    /// What was written into the back buffer since it was last shown, in its own pixels.
    pub(super) fn written(&self) -> &[Rect] {
        self.record.written.rects()
    }

    /// The back buffer is on its way to the monitor.
    pub(super) fn swap(&mut self) {
        self.front = 1 - self.front;
        self.record.shown();
    }
}

/// What each of the two buffers lacks.
#[derive(Debug, Default)]
struct Record {
    stale: [Damage; 2],
    written: Damage,
    due: bool,
}

impl Record {
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
        let mut record = Record::default();
        record.damage(ONE);
        assert_eq!(record.take_stale(1).rects(), [ONE]);
        record.shown();
        record.damage(TWO);
        assert_eq!(record.take_stale(0).rects(), [ONE, TWO]);
        record.shown();
        record.damage(THREE);
        assert_eq!(record.take_stale(1).rects(), [TWO, THREE]);
    }

    #[test]
    fn a_buffer_that_lacks_what_is_shown_already_is_no_reason_to_commit() {
        let mut record = Record::default();
        record.damage(ONE);
        record.take_stale(1);
        record.shown();
        assert!(!record.due);
        assert_eq!(record.stale[0].rects(), [ONE]);
        record.damage(Rect::default());
        assert!(!record.due);
    }

    #[test]
    fn damage_of_scenes_that_were_not_committed_adds_up() {
        let mut record = Record::default();
        record.damage(ONE);
        record.damage(TWO);
        assert_eq!(record.take_stale(0).rects(), [ONE, TWO]);
        assert_eq!(record.take_stale(1).rects(), [ONE, TWO]);
    }
}
