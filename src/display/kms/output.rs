//! An active monitor: one connector, one CRTC, one mode, and the planes with the scene.

use std::sync::Arc;

use drm::control::AtomicCommitFlags;
use rustix::io::Errno;
use serde_json::{Value, json};
use tracing::debug;

use super::card::Card;
use super::connector::ConnectorFacts;
use super::edid::monitor_name;
use super::formats;
use super::geometry::Geometry;
use super::head_registry::DrmObjects;
use super::layer::{Layer, PropertyBlob, Side, disable_layer};
use super::mode::Mode;
use super::modeset::{Modeset, set_mode};
use super::planner::{PlaneRole, Proposal};
use super::properties::{Name, Request};
use super::replan::{Replan, is_kept};
use crate::config::{HeadSettings, Rotation};
use crate::display::DisplayError;
use crate::render::{Rect, Scene};

/// The result of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitOutcome {
    /// Accepted. A flip event will follow.
    Done,
    /// The CRTC is busy with another commit. Try again soon.
    Busy,
}

/// One active monitor.
pub(super) struct Output {
    card: Arc<Card>,
    head: usize,
    modeset: Modeset,
    rotation: Rotation,
    pictures: Vec<Rect>,
    /// Layers that the next commit removes.
    removed: Vec<Layer>,
    /// Layers that the last commit has removed. The monitor reads them until that commit is complete.
    retired: Vec<Layer>,
}

impl Output {
    /// Sets a mode and shows black. The caller holds [`Card::modeset_lock`].
    ///
    /// # Errors
    /// As [`set_mode`].
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

    /// Adds the damage of a scene. If the positions of moving pictures have changed, planes are planned again, unless `is_busy`.
    ///
    /// # Errors
    /// If the card is gone, or another program is its master.
    pub(super) fn note_damage(
        &mut self,
        scene: &Scene<'_>,
        is_busy: bool,
    ) -> Result<(), DisplayError> {
        if self.pictures != scene.pictures {
            if is_busy {
                // The next scene either finds the same difference or has the old positions. Everything is written again.
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

    /// Copies the changes into the buffers that are shown next.
    pub(super) fn write(&mut self, scene: &Scene<'_>) {
        self.modeset
            .layers
            .iter_mut()
            .for_each(|layer| layer.write(scene));
    }

    /// Whether there are changes that the monitor does not show yet.
    pub(super) fn is_due(&self) -> bool {
        !self.removed.is_empty() || self.modeset.layers.iter().any(Layer::is_due)
    }

    /// Commits the changes without waiting for the monitor.
    ///
    /// # Errors
    /// If the card is gone, another program is its master, or the driver refuses an arrangement that it accepted before.
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

    /// The monitor shows the last commit.
    pub(super) fn flipped(&mut self) {
        self.retired.clear();
    }

    /// Switches the monitor off or on, and waits for it.
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

    /// Releases the CRTC after the monitor has been disconnected. Errors are ignored.
    pub(super) fn disable(&self) {
        let mut request = Request::default();
        for layer in self.modeset.layers.iter().chain(&self.removed) {
            disable_layer(layer, &mut request);
        }
        request.set(&self.modeset.connector_properties, Name::CrtcId, 0);
        request.set(&self.modeset.crtc, Name::Active, 0);
        request.set(&self.modeset.crtc, Name::ModeId, 0);
        if let Err(err) = request.commit(&self.card, AtomicCommitFlags::ALLOW_MODESET) {
            debug!(%err, connector = self.modeset.connector.name, "a disconnected monitor can't be switched off");
        }
    }

    /// Details for statuses.
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

    /// Plans the planes again for these pictures.
    fn plan_pictures(&mut self, pictures: &[Rect]) -> Result<(), DisplayError> {
        let replan = Replan {
            card: &self.card,
            head: self.head,
            rotation: self.rotation,
            pictures,
        };
        let (plan, fresh) = replan.find(&mut self.modeset)?;
        self.adopt(plan, fresh);
        self.pictures = pictures.to_vec();
        self.modeset.layers.iter_mut().for_each(Layer::damage_all);
        Ok(())
    }

    /// Uses a plan with its new layers from the next commit on.
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
        self.card.heads().set_objects(
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
