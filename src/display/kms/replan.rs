//! Plans the planes of an active monitor again after the positions of its moving pictures have changed.

use std::io;
use std::sync::Arc;

use drm::control::AtomicCommitFlags;
use tracing::info;

use super::card::Card;
use super::layer::{Layer, Side, disable_layer};
use super::modeset::{Modeset, new_layers};
use super::planner::{PlaneFacts, PlaneRequest, PlaneRole, Proposal, proposals};
use super::properties::{Request, is_final};
use crate::config::Rotation;
use crate::display::DisplayError;
use crate::render::Rect;

/// The new pictures of a head.
pub(super) struct Replan<'a> {
    pub card: &'a Arc<Card>,
    pub head: usize,
    pub rotation: Rotation,
    pub pictures: &'a [Rect],
}

impl Replan<'_> {
    /// Finds the best arrangement that the kernel accepts, with its new layers. If there is none, everything is composed into
    /// the base, because planes must not show pictures at old positions.
    ///
    /// # Errors
    /// If the card is gone, or another program is its master.
    pub(super) fn find(
        &self,
        modeset: &mut Modeset,
    ) -> Result<(Proposal, Vec<Layer>), DisplayError> {
        for plan in self.fitting(modeset) {
            let parts = without_kept(modeset, &plan);
            let Ok(fresh) = new_layers(
                self.card,
                &modeset.planes,
                &parts,
                modeset.geometry,
                self.pictures,
            ) else {
                modeset.note_refused(format!("{plan}: no memory for its buffers"));
                continue;
            };
            match self.test(modeset, &plan, &fresh) {
                Ok(()) => {
                    if plan != modeset.plan {
                        info!(connector = modeset.connector.name, %plan, "planes planned");
                    }
                    return Ok((plan, fresh));
                }
                Err(err) if is_final(&err) => {
                    return Err(self.card.refused("test an arrangement", &err));
                }
                Err(err) => modeset.note_refused(format!("{plan}: {err}")),
            }
        }
        let mut plan = modeset.plan.clone();
        plan.assignments
            .retain(|part| !matches!(part.role, PlaneRole::Picture(_)));
        Ok((plan, Vec::new()))
    }

    /// The proposals with the same presence of an overlay and the same way of rotation, because the scenes are already composed
    /// for them.
    fn fitting(&self, modeset: &Modeset) -> Vec<Proposal> {
        let taken = self.card.heads().objects_of_others(self.head);
        let facts = modeset.planes.iter().map(|(facts, _)| facts);
        let free: Vec<PlaneFacts> = facts
            .filter(|facts| !taken.planes.contains(&facts.id))
            .cloned()
            .collect();
        let request = PlaneRequest {
            crtc: modeset.crtc_index,
            rotation: self.rotation,
            pictures: self.pictures,
        };
        proposals(&free, request)
            .into_iter()
            .filter(|plan| {
                plan.has_overlay() == modeset.plan.has_overlay()
                    && plan.turned_by_planes == modeset.plan.turned_by_planes
            })
            .collect()
    }

    /// Asks the kernel whether it accepts a plan, without a change.
    fn test(&self, modeset: &Modeset, plan: &Proposal, fresh: &[Layer]) -> io::Result<()> {
        let mut request = Request::default();
        for layer in &modeset.layers {
            disable_layer(layer, &mut request);
        }
        let kept = modeset.layers.iter().filter(|layer| is_kept(layer, plan));
        for layer in fresh.iter().chain(kept) {
            layer.request(self.card, modeset.crtc.id(), Side::Front, &mut request);
        }
        request.commit(self.card, AtomicCommitFlags::TEST_ONLY)
    }
}

/// Whether a layer stays: base and overlay do if their plane stays. Pictures get new buffers because their positions change.
pub(super) fn is_kept(layer: &Layer, plan: &Proposal) -> bool {
    plan.assignments
        .iter()
        .any(|part| part.plane == layer.plane_id() && is_same_role(layer, part.role))
}

fn is_same_role(layer: &Layer, role: PlaneRole) -> bool {
    layer.role() == role && !matches!(role, PlaneRole::Picture(_))
}

/// The assignments of a plan that need new buffers.
fn without_kept(modeset: &Modeset, plan: &Proposal) -> Proposal {
    let mut fresh = plan.clone();
    fresh.assignments.retain(|part| {
        !modeset
            .layers
            .iter()
            .any(|layer| layer.plane_id() == part.plane && is_same_role(layer, part.role))
    });
    fresh
}
