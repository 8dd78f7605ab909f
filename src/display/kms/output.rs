//! A lit monitor: one connector, one CRTC, one mode and the planes that carry the scene.

use std::sync::Arc;

use drm::control::AtomicCommitFlags;
use rustix::io::Errno;
use serde_json::{Value, json};
use tracing::{debug, info};

use super::card::{Card, Parts};
use super::connector::ConnectorFacts;
use super::edid::monitor_name;
use super::formats;
use super::geometry::Geometry;
use super::import::Imported;
use super::layer::{Blob, Layer, Side, disable_layer};
use super::mode::Mode;
use super::modeset::{Modeset, light, new_layers};
use super::planner::{Carries, PlaneFacts, PlaneRequest, Proposal, proposals};
use super::properties::{Name, Request, is_final};
use crate::base::Frame;
use crate::config::{HeadSettings, Rotation};
use crate::display::DisplayError;
use crate::render::{Rect, Scene};

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commit {
    /// On its way; a flip event will come.
    Done,
    /// The CRTC is busy with somebody else's commit: to be tried again soon.
    Busy,
}

/// One monitor at work.
pub(super) struct Output {
    card: Arc<Card>,
    head: usize,
    lit: Modeset,
    rotation: Rotation,
    pictures: Vec<Rect>,
    /// No longer planned, to be taken off at the next commit.
    leaving: Vec<Layer>,
    /// Taken off by the last commit, and read by the monitor until that is complete.
    gone: Vec<Layer>,
}

impl Output {
    /// Sets a mode and shows black. The card's `lighting` lock has to be held.
    ///
    /// # Errors
    /// As [`light`].
    pub(super) fn light(
        card: &Arc<Card>,
        head: usize,
        connector: &ConnectorFacts,
        settings: &HeadSettings,
    ) -> Result<Self, DisplayError> {
        Ok(Self {
            lit: light(card, head, connector, settings)?,
            card: Arc::clone(card),
            head,
            rotation: settings.rotate,
            pictures: Vec::new(),
            leaving: Vec::new(),
            gone: Vec::new(),
        })
    }

    pub(super) fn connector(&self) -> &ConnectorFacts {
        &self.lit.connector
    }

    pub(super) fn mode(&self) -> &Mode {
        &self.lit.mode
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.lit.geometry
    }

    pub(super) fn has_overlay(&self) -> bool {
        self.lit.plan.has_overlay()
    }

    /// Notes a scene's damage. Where moving pictures are elsewhere than before, planes are planned anew, unless `is_busy`.
    ///
    /// # Errors
    /// When the card is gone or another program its master.
    pub(super) fn absorb(&mut self, scene: &Scene<'_>, is_busy: bool) -> Result<(), DisplayError> {
        if self.pictures != scene.pictures {
            if is_busy {
                // The next scene finds the difference again, or the old places: both are written anew.
                self.lit.layers.iter_mut().for_each(Layer::damage_all);
                return Ok(());
            }
            self.plan_pictures(scene.pictures)?;
        }
        let elsewhere: Vec<Rect> = self
            .lit
            .layers
            .iter()
            .filter_map(|layer| match layer.carries() {
                Carries::Picture(index) => self.pictures.get(index).copied(),
                Carries::Base | Carries::Overlay => None,
            })
            .collect();
        for layer in &mut self.lit.layers {
            layer.damage(scene, &elsewhere);
        }
        Ok(())
    }

    /// Copies what changed into the buffers that are shown next.
    pub(super) fn write(&mut self, scene: &Scene<'_>) {
        self.lit
            .layers
            .iter_mut()
            .for_each(|layer| layer.write(scene));
    }

    /// Whether there is something that the monitor does not show yet.
    pub(super) fn is_due(&self) -> bool {
        !self.leaving.is_empty() || self.lit.layers.iter().any(Layer::is_due)
    }

    /// Sends what is due on its way, without waiting for it.
    ///
    /// # Errors
    /// When the card is gone, another program its master, or the driver refuses what it accepted before.
    pub(super) fn commit(&mut self) -> Result<Commit, DisplayError> {
        let mut request = Request::default();
        for layer in &self.leaving {
            disable_layer(layer, &mut request);
        }
        let clips: Vec<Option<Blob>> = self
            .lit
            .layers
            .iter()
            .filter(|layer| layer.is_due())
            .map(|layer| layer.request(&self.card, self.lit.crtc.id(), Side::Back, &mut request))
            .collect();
        let flags = AtomicCommitFlags::NONBLOCK | AtomicCommitFlags::PAGE_FLIP_EVENT;
        let outcome = request.commit(&self.card, flags);
        drop(clips);
        match outcome {
            Ok(()) => {
                self.lit
                    .layers
                    .iter_mut()
                    .filter(|layer| layer.is_due())
                    .for_each(Layer::committed);
                self.gone.append(&mut self.leaving);
                Ok(Commit::Done)
            }
            Err(err) if Errno::from_io_error(&err) == Some(Errno::BUSY) => Ok(Commit::Busy),
            Err(err) => Err(self.card.refused("show a scene", &err)),
        }
    }

    /// The last commit is on the monitor.
    pub(super) fn flipped(&mut self) {
        self.gone.clear();
        self.lit.layers.iter_mut().for_each(Layer::flipped);
    }

    /// Switches the monitor off or on; waits for it.
    ///
    /// # Errors
    /// As [`Output::commit`].
    pub(super) fn power(&self, on: bool) -> Result<(), DisplayError> {
        let mut request = Request::default();
        request.set(&self.lit.crtc, Name::Active, on.into());
        request
            .commit(&self.card, AtomicCommitFlags::ALLOW_MODESET)
            .map_err(|err| self.card.refused("switch the monitor on or off", &err))
    }

    /// Gives the CRTC back, as the monitor is gone. What the kernel refuses then is of no interest.
    pub(super) fn extinguish(&self) {
        let mut request = Request::default();
        for layer in self.lit.layers.iter().chain(&self.leaving) {
            disable_layer(layer, &mut request);
        }
        request.set(&self.lit.connector_properties, Name::CrtcId, 0);
        request.set(&self.lit.crtc, Name::Active, 0);
        request.set(&self.lit.crtc, Name::ModeId, 0);
        if let Err(err) = request.commit(&self.card, AtomicCommitFlags::ALLOW_MODESET) {
            debug!(%err, connector = self.lit.connector.name, "a monitor that is gone can't be switched off");
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
            .lit
            .layers
            .iter_mut()
            .find(|layer| layer.carries() == Carries::Picture(picture))
        else {
            return Ok(false);
        };
        let Some(frame) = frame else {
            layer.show(None);
            return Ok(true);
        };
        let imported = match Imported::of(&self.card, frame) {
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
        let clips = layer.request(&self.card, self.lit.crtc.id(), Side::Back, &mut request);
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
            .lit
            .layers
            .iter()
            .map(|layer| {
                json!({
                    "plane": layer.plane_id(),
                    "carries": match layer.carries() {
                        Carries::Base => "base".to_owned(),
                        Carries::Overlay => "overlay".to_owned(),
                        Carries::Picture(index) => format!("picture {index}"),
                    },
                    "format": formats::name(layer.fourcc()),
                    "imports_frames": layer.shows_frames(),
                })
            })
            .collect();
        json!({
            "card": self.card.path(),
            "driver": self.card.driver(),
            "connector": self.lit.connector.name,
            "monitor": self.lit.connector.edid.as_deref().and_then(monitor_name),
            "mode": self.lit.mode.to_string(),
            "crtc": self.lit.crtc.id(),
            "plan": self.lit.plan.to_string(),
            "planes": planes,
            "refused": self.lit.refused,
        })
    }

    fn note_refused(&mut self, what: String) {
        /// A report is read by people.
        const MOST: usize = 16;
        if self.lit.refused.len() < MOST && !self.lit.refused.contains(&what) {
            debug!(what, "refused");
            self.lit.refused.push(what);
        }
    }

    /// Finds the best arrangement for these pictures that keeps what was promised: whether there is an overlay, and how the
    /// canvas is turned.
    fn plan_pictures(&mut self, pictures: &[Rect]) -> Result<(), DisplayError> {
        let taken = self.card.taken_from(self.head);
        let facts = self.lit.planes.iter().map(|(facts, _)| facts);
        let free: Vec<PlaneFacts> = facts
            .filter(|facts| !taken.planes.contains(&facts.id))
            .cloned()
            .collect();
        let wish = PlaneRequest {
            crtc: self.lit.crtc_index,
            rotation: self.rotation,
            pictures,
        };
        let fitting: Vec<Proposal> = proposals(&free, wish)
            .into_iter()
            .filter(|plan| {
                plan.has_overlay() == self.lit.plan.has_overlay()
                    && plan.turned_by_planes == self.lit.plan.turned_by_planes
            })
            .collect();
        let mut is_planned = false;
        for plan in fitting {
            let Ok(fresh) = new_layers(
                &self.card,
                &self.lit.planes,
                &self.without_kept(&plan),
                self.lit.geometry,
                pictures,
            ) else {
                self.note_refused(format!("{plan}: no memory for its buffers"));
                continue;
            };
            let mut request = Request::default();
            for layer in &self.lit.layers {
                disable_layer(layer, &mut request);
            }
            for layer in fresh
                .iter()
                .chain(self.lit.layers.iter().filter(|layer| is_kept(layer, &plan)))
            {
                layer.request(&self.card, self.lit.crtc.id(), Side::Front, &mut request);
            }
            match request.commit(&self.card, AtomicCommitFlags::TEST_ONLY) {
                Ok(()) => {
                    if plan != self.lit.plan {
                        info!(connector = self.lit.connector.name, %plan, "planes planned");
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
            let mut plan = self.lit.plan.clone();
            plan.assignments
                .retain(|part| !matches!(part.carries, Carries::Picture(_)));
            self.adopt(plan, Vec::new());
        }
        self.pictures = pictures.to_vec();
        self.lit.layers.iter_mut().for_each(Layer::damage_all);
        Ok(())
    }

    /// A plan's parts that need buffers of their own.
    fn without_kept(&self, plan: &Proposal) -> Proposal {
        let mut fresh = plan.clone();
        fresh.assignments.retain(|part| {
            !self
                .lit
                .layers
                .iter()
                .any(|layer| layer.plane_id() == part.plane && is_same_role(layer, part.carries))
        });
        fresh
    }

    fn adopt(&mut self, plan: Proposal, fresh: Vec<Layer>) {
        let (kept, leaving): (Vec<Layer>, Vec<Layer>) = std::mem::take(&mut self.lit.layers)
            .into_iter()
            .partition(|layer| is_kept(layer, &plan));
        self.leaving.extend(leaving);
        let mut layers: Vec<Layer> = fresh.into_iter().chain(kept).collect();
        for part in &plan.assignments {
            if let Some(index) = layers
                .iter()
                .position(|layer| layer.plane_id() == part.plane)
            {
                let layer = layers.remove(index);
                self.lit.layers.push(layer.reassigned(*part));
            }
        }
        self.card.claim(
            self.head,
            Parts {
                connectors: vec![self.lit.connector.id],
                crtcs: vec![self.lit.crtc.id()],
                planes: self
                    .lit
                    .layers
                    .iter()
                    .chain(&self.leaving)
                    .map(Layer::plane_id)
                    .collect(),
            },
        );
        self.lit.plan = plan;
    }
}

/// Base and overlay stay on their planes; pictures get new buffers, as they have other places.
fn is_kept(layer: &Layer, plan: &Proposal) -> bool {
    plan.assignments
        .iter()
        .any(|part| part.plane == layer.plane_id() && is_same_role(layer, part.carries))
}

fn is_same_role(layer: &Layer, carries: Carries) -> bool {
    layer.carries() == carries && !matches!(carries, Carries::Picture(_))
}
