//! A lit monitor: one connector, one CRTC, one mode and the planes that carry the scene.

use std::sync::Arc;

use drm::control::AtomicCommitFlags;
use rustix::io::Errno;
use serde_json::{Value, json};
use tracing::{debug, info};

use super::card::{Card, DrmObjects};
use super::connector::ConnectorFacts;
use super::edid::monitor_name;
use super::formats;
use super::geometry::Geometry;
use super::import::ImportedFrame;
use super::layer::{Layer, PropertyBlob, Side, disable_layer};
use super::mode::Mode;
use super::modeset::{Modeset, new_layers, set_mode};
use super::planner::{PlaneFacts, PlaneRequest, PlaneRole, Proposal, proposals};
use super::properties::{Name, Request, is_final};
use crate::base::Frame;
use crate::config::{HeadSettings, Rotation};
use crate::display::DisplayError;
use crate::render::{Rect, Scene};

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitOutcome {
    /// On its way; a flip event will come.
    Done,
    /// The CRTC is busy with somebody else's commit: to be tried again soon.
    Busy,
}

/// One monitor at work.
pub(super) struct Output {
    card: Arc<Card>,
    head: usize,
    modeset: Modeset,
    rotation: Rotation,
    pictures: Vec<Rect>,
    /// No longer planned, to be taken off at the next commit.
    removed: Vec<Layer>,
    /// Taken off by the last commit, and read by the monitor until that is complete.
    retired: Vec<Layer>,
}

impl Output {
    /// Sets a mode and shows black. The card's `lighting` lock has to be held.
    ///
    /// # Errors
    /// As [`light`].
    pub(super) fn start(
        card: &Arc<Card>,
        head: usize,
        connector: &ConnectorFacts,
        settings: &HeadSettings,
    ) -> Result<Self, DisplayError> {
        Ok(Self {
            modeset: set_mode(card, head, connector, settings)?,
            card: Arc::clone(card),
            head,
            rotation: settings.rotate,
            pictures: Vec::new(),
            removed: Vec::new(),
            retired: Vec::new(),
        })
    }

    pub(super) fn connector(&self) -> &ConnectorFacts {
        &self.modeset.connector
    }

    pub(super) fn mode(&self) -> &Mode {
        &self.modeset.mode
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.modeset.geometry
    }

    pub(super) fn has_overlay(&self) -> bool {
        self.modeset.plan.has_overlay()
    }

    /// Notes a scene's damage. Where moving pictures are elsewhere than before, planes are planned anew, unless `is_busy`.
    ///
    /// # Errors
    /// When the card is gone or another program its master.
    pub(super) fn note_damage(
        &mut self,
        scene: &Scene<'_>,
        is_busy: bool,
    ) -> Result<(), DisplayError> {
        if self.pictures != scene.pictures {
            if is_busy {
                // The next scene finds the difference again, or the old places: both are written anew.
                self.modeset.layers.iter_mut().for_each(Layer::damage_all);
                return Ok(());
            }
            self.plan_pictures(scene.pictures)?;
        }
        let elsewhere: Vec<Rect> = self
            .modeset
            .layers
            .iter()
            .filter_map(|layer| match layer.role() {
                PlaneRole::Picture(index) => self.pictures.get(index).copied(),
                PlaneRole::Base | PlaneRole::Overlay => None,
            })
            .collect();
        for layer in &mut self.modeset.layers {
            layer.damage(scene, &elsewhere);
        }
        Ok(())
    }

    /// Copies what changed into the buffers that are shown next.
    pub(super) fn write(&mut self, scene: &Scene<'_>) {
        self.modeset
            .layers
            .iter_mut()
            .for_each(|layer| layer.write(scene));
    }

    /// Whether there is something that the monitor does not show yet.
    pub(super) fn is_due(&self) -> bool {
        !self.removed.is_empty() || self.modeset.layers.iter().any(Layer::is_due)
    }

    /// Sends what is due on its way, without waiting for it.
    ///
    /// # Errors
    /// When the card is gone, another program its master, or the driver refuses what it accepted before.
    pub(super) fn commit(&mut self) -> Result<CommitOutcome, DisplayError> {
        let mut request = Request::default();
        for layer in &self.removed {
            disable_layer(layer, &mut request);
        }
        let clips: Vec<Option<PropertyBlob>> = self
            .modeset
            .layers
            .iter()
            .filter(|layer| layer.is_due())
            .map(|layer| {
                layer.request(&self.card, self.modeset.crtc.id(), Side::Back, &mut request)
            })
            .collect();
        let flags = AtomicCommitFlags::NONBLOCK | AtomicCommitFlags::PAGE_FLIP_EVENT;
        let outcome = request.commit(&self.card, flags);
        drop(clips);
        match outcome {
            Ok(()) => {
                self.modeset
                    .layers
                    .iter_mut()
                    .filter(|layer| layer.is_due())
                    .for_each(Layer::committed);
                self.retired.append(&mut self.removed);
                Ok(CommitOutcome::Done)
            }
            Err(err) if Errno::from_io_error(&err) == Some(Errno::BUSY) => Ok(CommitOutcome::Busy),
            Err(err) => Err(self.card.refused("show a scene", &err)),
        }
    }

    /// The last commit is on the monitor.
    pub(super) fn flipped(&mut self) {
        self.retired.clear();
        self.modeset.layers.iter_mut().for_each(Layer::flipped);
    }

    /// Switches the monitor off or on; waits for it.
    ///
    /// # Errors
    /// As [`Output::commit`].
    pub(super) fn power(&self, on: bool) -> Result<(), DisplayError> {
        let mut request = Request::default();
        request.set(&self.modeset.crtc, Name::Active, on.into());
        request
            .commit(&self.card, AtomicCommitFlags::ALLOW_MODESET)
            .map_err(|err| self.card.refused("switch the monitor on or off", &err))
    }

    /// Gives the CRTC back, as the monitor is gone. What the kernel refuses then is of no interest.
    pub(super) fn disable(&self) {
        let mut request = Request::default();
        for layer in self.modeset.layers.iter().chain(&self.removed) {
            disable_layer(layer, &mut request);
        }
        request.set(&self.modeset.connector_properties, Name::CrtcId, 0);
        request.set(&self.modeset.crtc, Name::Active, 0);
        request.set(&self.modeset.crtc, Name::ModeId, 0);
        if let Err(err) = request.commit(&self.card, AtomicCommitFlags::ALLOW_MODESET) {
            debug!(%err, connector = self.modeset.connector.name, "a monitor that is gone can't be switched off");
        }
    }

    /// Shows a decoded frame on the plane of a picture from the next commit on, without a copy; or what is composed again.
    /// Whether that is possible: there is such a plane, and it takes the frame's format, tiling and size.
    ///
    /// # Errors
    /// When the card is gone or another program its master.
    pub(super) fn show_frame(
        &mut self,
        picture: usize,
        frame: Option<&Frame>,
    ) -> Result<bool, DisplayError> {
        let Some(layer) = self
            .modeset
            .layers
            .iter_mut()
            .find(|layer| layer.role() == PlaneRole::Picture(picture))
        else {
            return Ok(false);
        };
        let Some(frame) = frame else {
            layer.show(None);
            return Ok(true);
        };
        let imported = match ImportedFrame::of(&self.card, frame) {
            Ok(Some(imported)) => imported,
            Ok(None) => return Ok(false),
            Err(err) if is_final(&err) => return Err(self.card.refused("take a frame", &err)),
            Err(err) => {
                self.note_refused(format!(
                    "picture {picture}: no framebuffer of a decoded frame: {err}"
                ));
                return Ok(false);
            }
        };
        let layout = &imported.layout;
        if !formats::takes(layer.formats(), layout.fourcc, layout.modifier) {
            let reason = format!(
                "picture {picture}: its plane takes no {}",
                formats::name(layout.fourcc)
            );
            self.note_refused(reason);
            return Ok(false);
        }
        layer.show(Some(imported));
        let mut request = Request::default();
        let clips = layer.request(&self.card, self.modeset.crtc.id(), Side::Back, &mut request);
        let tested = request.commit(&self.card, AtomicCommitFlags::TEST_ONLY);
        drop(clips);
        match tested {
            Ok(()) => Ok(true),
            Err(err) => {
                layer.show(None);
                if is_final(&err) {
                    return Err(self.card.refused("show a frame", &err));
                }
                self.note_refused(format!("picture {picture}: a decoded frame: {err}"));
                Ok(false)
            }
        }
    }

    /// How it does its work.
    pub(super) fn report(&self) -> Value {
        let planes: Vec<Value> = self
            .modeset
            .layers
            .iter()
            .map(|layer| {
                json!({
                    "plane": layer.plane_id(),
                    "carries": match layer.role() {
                        PlaneRole::Base => "base".to_owned(),
                        PlaneRole::Overlay => "overlay".to_owned(),
                        PlaneRole::Picture(index) => format!("picture {index}"),
                    },
                    "format": formats::name(layer.fourcc()),
                    "imports_frames": layer.shows_frames(),
                })
            })
            .collect();
        json!({
            "card": self.card.path(),
            "driver": self.card.driver(),
            "connector": self.modeset.connector.name,
            "monitor": self.modeset.connector.edid.as_deref().and_then(monitor_name),
            "mode": self.modeset.mode.to_string(),
            "crtc": self.modeset.crtc.id(),
            "plan": self.modeset.plan.to_string(),
            "planes": planes,
            "refused": self.modeset.refused,
        })
    }

    fn note_refused(&mut self, what: String) {
        /// A report is read by people.
        const MOST: usize = 16;
        if self.modeset.refused.len() < MOST && !self.modeset.refused.contains(&what) {
            debug!(what, "refused");
            self.modeset.refused.push(what);
        }
    }

    /// Finds the best arrangement for these pictures that keeps what was promised: whether there is an overlay, and how the
    /// canvas is turned.
    fn plan_pictures(&mut self, pictures: &[Rect]) -> Result<(), DisplayError> {
        let taken = self.card.objects_of_others(self.head);
        let facts = self.modeset.planes.iter().map(|(facts, _)| facts);
        let free: Vec<PlaneFacts> = facts
            .filter(|facts| !taken.planes.contains(&facts.id))
            .cloned()
            .collect();
        let request = PlaneRequest {
            crtc: self.modeset.crtc_index,
            rotation: self.rotation,
            pictures,
        };
        let fitting: Vec<Proposal> = proposals(&free, request)
            .into_iter()
            .filter(|plan| {
                plan.has_overlay() == self.modeset.plan.has_overlay()
                    && plan.turned_by_planes == self.modeset.plan.turned_by_planes
            })
            .collect();
        let mut is_planned = false;
        for plan in fitting {
            let Ok(fresh) = new_layers(
                &self.card,
                &self.modeset.planes,
                &self.without_kept(&plan),
                self.modeset.geometry,
                pictures,
            ) else {
                self.note_refused(format!("{plan}: no memory for its buffers"));
                continue;
            };
            let mut request = Request::default();
            for layer in &self.modeset.layers {
                disable_layer(layer, &mut request);
            }
            for layer in fresh.iter().chain(
                self.modeset
                    .layers
                    .iter()
                    .filter(|layer| is_kept(layer, &plan)),
            ) {
                layer.request(
                    &self.card,
                    self.modeset.crtc.id(),
                    Side::Front,
                    &mut request,
                );
            }
            match request.commit(&self.card, AtomicCommitFlags::TEST_ONLY) {
                Ok(()) => {
                    if plan != self.modeset.plan {
                        info!(connector = self.modeset.connector.name, %plan, "planes planned");
                    }
                    self.adopt(plan, fresh);
                    is_planned = true;
                    break;
                }
                Err(err) if is_final(&err) => {
                    return Err(self.card.refused("test an arrangement", &err));
                }
                Err(err) => self.note_refused(format!("{plan}: {err}")),
            }
        }
        if !is_planned {
            // Old planes must not show old places: all is composed into the base.
            let mut plan = self.modeset.plan.clone();
            plan.assignments
                .retain(|part| !matches!(part.role, PlaneRole::Picture(_)));
            self.adopt(plan, Vec::new());
        }
        self.pictures = pictures.to_vec();
        self.modeset.layers.iter_mut().for_each(Layer::damage_all);
        Ok(())
    }

    /// A plan's parts that need buffers of their own.
    fn without_kept(&self, plan: &Proposal) -> Proposal {
        let mut fresh = plan.clone();
        fresh.assignments.retain(|part| {
            !self
                .modeset
                .layers
                .iter()
                .any(|layer| layer.plane_id() == part.plane && is_same_role(layer, part.role))
        });
        fresh
    }

    fn adopt(&mut self, plan: Proposal, fresh: Vec<Layer>) {
        let (kept, removed): (Vec<Layer>, Vec<Layer>) = std::mem::take(&mut self.modeset.layers)
            .into_iter()
            .partition(|layer| is_kept(layer, &plan));
        self.removed.extend(removed);
        let mut layers: Vec<Layer> = fresh.into_iter().chain(kept).collect();
        for part in &plan.assignments {
            if let Some(index) = layers
                .iter()
                .position(|layer| layer.plane_id() == part.plane)
            {
                let layer = layers.remove(index);
                self.modeset.layers.push(layer.reassigned(*part));
            }
        }
        self.card.claim(
            self.head,
            DrmObjects {
                connectors: vec![self.modeset.connector.id],
                crtcs: vec![self.modeset.crtc.id()],
                planes: self
                    .modeset
                    .layers
                    .iter()
                    .chain(&self.removed)
                    .map(Layer::plane_id)
                    .collect(),
            },
        );
        self.modeset.plan = plan;
    }
}

/// Base and overlay stay on their planes; pictures get new buffers, as they have other places.
fn is_kept(layer: &Layer, plan: &Proposal) -> bool {
    plan.assignments
        .iter()
        .any(|part| part.plane == layer.plane_id() && is_same_role(layer, part.role))
}

fn is_same_role(layer: &Layer, role: PlaneRole) -> bool {
    layer.role() == role && !matches!(role, PlaneRole::Picture(_))
}
