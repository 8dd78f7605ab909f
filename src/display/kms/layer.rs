//! One plane in use: its buffers, the part of the canvas that it shows, and its properties in a commit.

use std::io;
use std::sync::Arc;

use drm::control::Device as _;
use drm::control::property::Value;

use super::buffers::BufferPair;
use super::card::Card;
use super::geometry::Geometry;
use super::planner::{Assignment, PlaneRole, rotation_bit};
use super::properties::{Name, Properties, Request};
use crate::base::Size;
use crate::render::{Canvas, Rect, Scene};

/// The buffer of a layer that a commit shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Front,
    Back,
}

/// A plane that shows a part of the scene.
pub(super) struct Layer {
    plane: Properties,
    assignment: Assignment,
    geometry: Geometry,
    /// The rectangle of the canvas that it shows.
    part: Rect,
    buffers: BufferPair,
}

/// A property blob, which a commit or a mode needs.
pub(super) struct PropertyBlob {
    card: Arc<Card>,
    id: u64,
}

impl PropertyBlob {
    /// Creates a blob with these bytes.
    pub(super) fn new(card: &Arc<Card>, bytes: &[u8]) -> io::Result<Self> {
        let value: Value<'_> = card.create_property_blob(bytes)?;
        Ok(Self {
            card: Arc::clone(card),
            id: value.into(),
        })
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for PropertyBlob {
    fn drop(&mut self) {
        let _ = self.card.destroy_property_blob(self.id);
    }
}

impl Layer {
    /// A plane with black, or transparent, buffers.
    ///
    /// # Errors
    /// If the card has no memory for them.
    pub(super) fn new(
        card: &Arc<Card>,
        plane: &Properties,
        assignment: Assignment,
        geometry: Geometry,
        pictures: &[Rect],
    ) -> io::Result<Self> {
        let (part, size) = match assignment.role {
            PlaneRole::Base | PlaneRole::Overlay => {
                (Rect::of(geometry.canvas()), geometry.full_buffer())
            }
            PlaneRole::Picture(index) => {
                let part = pictures.get(index).copied().unwrap_or_default();
                (part, geometry.buffer_size(part.size()))
            }
        };
        Ok(Self {
            plane: plane.clone(),
            assignment,
            geometry,
            part,
            buffers: BufferPair::new(card, size, assignment.fourcc)?,
        })
    }

    pub(super) fn plane_id(&self) -> u32 {
        self.plane.id()
    }

    pub(super) fn role(&self) -> PlaneRole {
        self.assignment.role
    }

    pub(super) fn fourcc(&self) -> u32 {
        self.assignment.fourcc
    }

    /// Changes the assignment of the same plane and buffers. The numbers of pictures change with the page.
    pub(super) fn reassigned(mut self, assignment: Assignment) -> Self {
        self.assignment = assignment;
        self
    }

    /// Marks everything that it shows as changed.
    pub(super) fn damage_all(&mut self) {
        self.buffers.damage(self.part);
    }

    /// Adds the damage of a scene that belongs to this layer. `elsewhere` has the rectangles that other planes show.
    pub(super) fn damage(&mut self, scene: &Scene<'_>, elsewhere: &[Rect]) {
        let (changed, covered): (_, &[Rect]) = match self.assignment.role {
            PlaneRole::Base => (scene.base_damage, elsewhere),
            PlaneRole::Picture(_) => (scene.base_damage, &[]),
            PlaneRole::Overlay => (scene.overlay_damage, &[]),
        };
        for rect in changed {
            if !covered.iter().any(|picture| picture.covers(rect)) {
                self.buffers.damage(rect.intersection(&self.part));
            }
        }
    }

    /// Copies the missing changes into the back buffer.
    pub(super) fn write(&mut self, scene: &Scene<'_>) {
        let canvas: Option<&Canvas> = match self.assignment.role {
            PlaneRole::Overlay => scene.overlay,
            PlaneRole::Base | PlaneRole::Picture(_) => Some(scene.base),
        };
        let Some(canvas) = canvas.filter(|_| self.buffers.is_due()) else {
            return;
        };
        let (geometry, part, role) = (self.geometry, self.part, self.assignment.role);
        self.buffers
            .write(canvas, geometry.copy_rotation(), |rect| match role {
                PlaneRole::Base | PlaneRole::Overlay => geometry.in_full_buffer(rect),
                PlaneRole::Picture(_) => geometry.in_picture_buffer(rect, &part),
            });
    }

    /// Whether there are changes that the monitor does not show.
    pub(super) fn is_due(&self) -> bool {
        self.buffers.is_due()
    }

    /// Adds the properties of this plane to a commit. The returned blob must be kept until the commit was made.
    pub(super) fn request(
        &self,
        card: &Arc<Card>,
        crtc: u32,
        side: Side,
        request: &mut Request,
    ) -> Option<PropertyBlob> {
        let size = self.buffers.size();
        let framebuffer = match side {
            Side::Back => self.buffers.back(),
            Side::Front => self.buffers.front(),
        };
        let plane = &self.plane;
        let Rect {
            x,
            y,
            width,
            height,
        } = match self.assignment.role {
            PlaneRole::Base | PlaneRole::Overlay => Rect::of(self.geometry.monitor()),
            PlaneRole::Picture(_) => self.geometry.on_monitor(&self.part),
        };
        request.set(plane, Name::FramebufferId, framebuffer.into());
        request.set(plane, Name::CrtcId, crtc.into());
        request.set(plane, Name::SourceX, 0);
        request.set(plane, Name::SourceY, 0);
        // 16.16 fixed point.
        request.set(plane, Name::SourceWidth, u64::from(size.width) << 16);
        request.set(plane, Name::SourceHeight, u64::from(size.height) << 16);
        request.set(plane, Name::CrtcX, i64::from(x).cast_unsigned());
        request.set(plane, Name::CrtcY, i64::from(y).cast_unsigned());
        request.set(plane, Name::CrtcWidth, width.into());
        request.set(plane, Name::CrtcHeight, height.into());
        if let Some(zpos) = self.assignment.zpos {
            request.set_where_possible(plane, Name::Zpos, zpos);
        }
        let turn = rotation_bit(self.geometry.plane_rotation());
        request.set_where_possible(plane, Name::Rotation, turn.into());
        request.set_where_possible(plane, Name::Alpha, 0xffff);
        if let Some(mixed) = plane.labelled(Name::BlendMode, "Pre-multiplied") {
            request.set_where_possible(plane, Name::BlendMode, mixed);
        }
        let clips = (side == Side::Back)
            .then(|| self.clips(card, size))
            .flatten();
        request.set(
            plane,
            Name::DamageClips,
            clips.as_ref().map_or(0, PropertyBlob::id),
        );
        clips
    }

    /// The rectangles of this buffer that were written since it was last shown. The changes since the last scene would not be
    /// enough, because drivers that upload buffers keep a copy of each buffer.
    fn clips(&self, card: &Arc<Card>, size: Size) -> Option<PropertyBlob> {
        let written = self.buffers.written();
        if !self.plane.has(Name::DamageClips) || written.is_empty() {
            return None;
        }
        let bytes: Vec<u8> = written
            .iter()
            .map(|rect| rect.intersection(&Rect::of(size)))
            .flat_map(|rect| [rect.x, rect.y, rect.right(), rect.bottom()])
            .flat_map(i32::to_ne_bytes)
            .collect();
        PropertyBlob::new(card, &bytes).ok()
    }

    /// The commit was accepted.
    pub(super) fn committed(&mut self) {
        if self.buffers.is_due() {
            self.buffers.swap();
        }
    }
}

/// Removes a plane from its CRTC.
pub(super) fn disable(plane: &Properties, request: &mut Request) {
    request.set(plane, Name::FramebufferId, 0);
    request.set(plane, Name::CrtcId, 0);
}

/// As [`disable`], for a layer.
pub(super) fn disable_layer(layer: &Layer, request: &mut Request) {
    disable(&layer.plane, request);
}
