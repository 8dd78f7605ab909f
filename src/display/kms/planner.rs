//! Proposes roles for planes, best proposal first. The kernel accepts or refuses one after the other.
//!
//! Pure functions of the descriptions of planes. Moving pictures get separate planes if there are enough, and boxes and labels
//! a transparent plane above. Without further planes, everything is composed into the buffer of the primary plane.

use super::formats::{ARGB8888, Format, XRGB8888, takes_linear};
use crate::config::Rotation;
use crate::render::Rect;

/// The type of a plane according to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaneKind {
    Primary,
    Overlay,
    Cursor,
}

/// The position of a plane in the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zpos {
    pub value: u64,
    pub min: u64,
    pub max: u64,
    pub mutable: bool,
}

/// A plane as the driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlaneFacts {
    pub id: u32,
    pub kind: PlaneKind,
    /// Bit mask of the CRTCs, by index, that can use it.
    pub crtcs: u32,
    pub formats: Vec<Format>,
    /// `None` if the driver has no such property. Planes are then stacked in the order of their ids.
    pub zpos: Option<Zpos>,
    /// The kernel's rotation bits (counter-clockwise). 0 if the driver has no such property.
    pub rotations: u32,
}

/// The planes that are needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaneRequest<'a> {
    /// Index of the CRTC.
    pub crtc: u32,
    /// Rotation of the picture.
    pub rotation: Rotation,
    /// Moving pictures, in pixels of the canvas.
    pub pictures: &'a [Rect],
}

/// The role of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaneRole {
    /// The composed picture, without the parts on other planes.
    Base,
    /// One of [`PlaneRequest::pictures`].
    Picture(usize),
    /// Boxes and labels.
    Overlay,
}

/// The assignment of one plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Assignment {
    pub plane: u32,
    pub role: PlaneRole,
    pub fourcc: u32,
    /// Position in the stack to set. `None` if it can't be set.
    pub zpos: Option<u64>,
}

/// An arrangement of planes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proposal {
    /// From the lowest plane to the highest.
    pub assignments: Vec<Assignment>,
    /// Whether planes rotate the picture. Otherwise it is rotated while it is copied.
    pub turned_by_planes: bool,
}

impl Proposal {
    /// Whether boxes and labels have a separate plane.
    pub(super) fn has_overlay(&self) -> bool {
        self.assignments
            .iter()
            .any(|part| part.role == PlaneRole::Overlay)
    }

    /// The number of pictures on separate planes.
    pub(super) fn pictures(&self) -> usize {
        self.assignments
            .iter()
            .filter(|part| matches!(part.role, PlaneRole::Picture(_)))
            .count()
    }
}

impl std::fmt::Display for Proposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.pictures(), self.has_overlay()) {
            (0, true) => write!(f, "all tiles on the primary plane, boxes on a plane above")?,
            (0, false) => write!(f, "everything on the primary plane")?,
            (1, _) => write!(f, "1 tile on a separate plane, boxes on a plane above")?,
            (count, _) => write!(
                f,
                "{count} tiles on separate planes, boxes on a plane above"
            )?,
        }
        if self.turned_by_planes {
            write!(f, ", turned by the planes")?;
        }
        Ok(())
    }
}

/// The kernel's bit for a rotation. The kernel counts counter-clockwise.
pub(super) fn rotation_bit(rotation: Rotation) -> u32 {
    match rotation {
        Rotation::None => 1,
        Rotation::ThreeQuarters => 1 << 1,
        Rotation::Half => 1 << 2,
        Rotation::Quarter => 1 << 3,
    }
}

/// All useful proposals, best first. Empty if the CRTC has no usable primary plane.
pub(super) fn proposals(planes: &[PlaneFacts], request: PlaneRequest<'_>) -> Vec<Proposal> {
    let mut found = Vec::new();
    let by_planes: &[bool] = if request.rotation == Rotation::None {
        &[false]
    } else {
        &[true, false]
    };
    let mut largest_first: Vec<usize> = (0..request.pictures.len())
        .filter(|index| !request.pictures[*index].is_empty())
        .collect();
    largest_first.sort_by_key(|index| {
        let picture = &request.pictures[*index];
        std::cmp::Reverse(u64::from(picture.width) * u64::from(picture.height))
    });
    let stacks = by_planes
        .iter()
        .filter_map(|turns| PlaneStack::of(planes, request, *turns));
    let stacks: Vec<PlaneStack<'_>> = stacks.collect();
    let most = stacks
        .iter()
        .map(|stack| stack.upper.len())
        .max()
        .unwrap_or(0);
    // As many pictures as fit. If that exceeds the memory bandwidth, half as many.
    let mut count = largest_first.len().min(most.saturating_sub(1));
    while count > 0 {
        let mut chosen = largest_first[..count].to_vec();
        chosen.sort_unstable();
        found.extend(
            stacks
                .iter()
                .filter_map(|stack| stack.proposal(&chosen, true)),
        );
        count /= 2;
    }
    found.extend(stacks.iter().filter_map(|stack| stack.proposal(&[], true)));
    found.extend(stacks.iter().filter_map(|stack| stack.proposal(&[], false)));
    found
}

/// The usable planes of one CRTC, from the lowest to the highest.
struct PlaneStack<'a> {
    primary: &'a PlaneFacts,
    upper: Vec<&'a PlaneFacts>,
    turned_by_planes: bool,
}

impl<'a> PlaneStack<'a> {
    fn of(
        planes: &'a [PlaneFacts],
        request: PlaneRequest<'_>,
        turned_by_planes: bool,
    ) -> Option<Self> {
        let bit = rotation_bit(request.rotation);
        let usable = |plane: &&PlaneFacts| {
            plane.crtcs & 1_u32.checked_shl(request.crtc).unwrap_or(0) != 0
                && (!turned_by_planes || plane.rotations & bit != 0)
        };
        let primary = planes
            .iter()
            .filter(usable)
            .filter(|plane| {
                plane.kind == PlaneKind::Primary && takes_linear(&plane.formats, XRGB8888)
            })
            // Prefers a plane that no other CRTC can use.
            .min_by_key(|plane| (plane.crtcs.count_ones(), plane.id))?;
        let ground = primary
            .zpos
            .map_or(0, |zpos| if zpos.mutable { zpos.min } else { zpos.value });
        let mut upper: Vec<&PlaneFacts> = planes
            .iter()
            .filter(usable)
            .filter(|plane| plane.kind == PlaneKind::Overlay)
            .filter(|plane| match plane.zpos {
                Some(zpos) if zpos.mutable => zpos.max > ground,
                Some(zpos) => zpos.value > ground,
                None => true,
            })
            .collect();
        upper.sort_unstable_by_key(|plane| (plane.zpos.map_or(0, |zpos| zpos.value), plane.id));
        Some(Self {
            primary,
            upper,
            turned_by_planes,
        })
    }

    fn proposal(&self, pictures: &[usize], with_overlay: bool) -> Option<Proposal> {
        let mut stacked = vec![(self.primary, PlaneRole::Base, XRGB8888)];
        let mut upper = self.upper.clone();
        let overlay = if with_overlay {
            let top = upper
                .iter()
                .rposition(|plane| takes_linear(&plane.formats, ARGB8888))?;
            let plane = upper[top];
            // No plane may be above the boxes.
            upper.truncate(top);
            Some(plane)
        } else {
            None
        };
        let mut free = upper.into_iter().filter_map(|plane| {
            [XRGB8888, ARGB8888]
                .into_iter()
                .find(|fourcc| takes_linear(&plane.formats, *fourcc))
                .map(|fourcc| (plane, fourcc))
        });
        for picture in pictures {
            let (plane, fourcc) = free.next()?;
            stacked.push((plane, PlaneRole::Picture(*picture), fourcc));
        }
        stacked.extend(overlay.map(|plane| (plane, PlaneRole::Overlay, ARGB8888)));
        let mut floor = 0;
        let mut assignments = Vec::new();
        for (plane, role, fourcc) in stacked {
            let zpos = match plane.zpos {
                Some(zpos) if zpos.mutable => {
                    let position = zpos.min.max(floor);
                    if position > zpos.max {
                        return None;
                    }
                    floor = position + 1;
                    Some(position)
                }
                Some(zpos) => {
                    if zpos.value < floor {
                        return None;
                    }
                    floor = zpos.value + 1;
                    None
                }
                None => None,
            };
            assignments.push(Assignment {
                plane: plane.id,
                role,
                fourcc,
                zpos,
            });
        }
        Some(Proposal {
            assignments,
            turned_by_planes: self.turned_by_planes,
        })
    }
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
