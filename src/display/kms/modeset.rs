//! Activates a monitor: chooses a CRTC, and the first mode and arrangement of planes that the kernel accepts.

use std::io;
use std::sync::Arc;

use drm::control::AtomicCommitFlags;
use tracing::{debug, info};

use super::card::Card;
use super::choice::choices;
use super::connector::ConnectorFacts;
use super::geometry::Geometry;
use super::hardware;
use super::head_registry::DrmObjects;
use super::layer::{Layer, PropertyBlob, Side, disable};
use super::mode::Mode;
use super::planner::{PlaneFacts, PlaneRequest, Proposal, proposals};
use super::properties::{Name, Properties, Request, is_final};
use crate::config::{HeadSettings, RangeChoice, Rotation};
use crate::display::DisplayError;
use crate::render::Rect;

/// The objects and settings of an active monitor.
pub(super) struct Modeset {
    pub connector: ConnectorFacts,
    pub connector_properties: Properties,
    pub crtc: Properties,
    pub crtc_index: u32,
    pub mode: Mode,
    /// Kept while the mode is in use.
    _mode_blob: PropertyBlob,
    pub geometry: Geometry,
    /// All planes that no other head uses.
    pub planes: Vec<(PlaneFacts, Properties)>,
    pub plan: Proposal,
    /// From the lowest plane to the highest. Their buffers are black, or transparent.
    pub layers: Vec<Layer>,
    /// Arrangements that the kernel refused before, for reports.
    pub refused: Vec<String>,
}

impl Modeset {
    /// Adds an arrangement or a frame that was refused to the report.
    pub(super) fn note_refused(&mut self, what: String) {
        /// Limit of the list, which people read.
        const MOST: usize = 16;
        if self.refused.len() < MOST && !self.refused.contains(&what) {
            debug!(what, "refused");
            self.refused.push(what);
        }
    }
}

/// The common parameters of all attempts.
struct Attempts<'a> {
    card: &'a Arc<Card>,
    settings: &'a HeadSettings,
    connector: u32,
    objects: &'a Objects,
}

/// The objects that can be used for a connector.
struct Objects {
    connector_properties: Properties,
    crtc: Properties,
    crtc_index: u32,
    /// All planes that no other head uses.
    planes: Vec<(PlaneFacts, Properties)>,
    /// The objects of other heads.
    taken: DrmObjects,
}

impl Objects {
    /// Reads the objects of a card and chooses a CRTC.
    fn choose(card: &Card, head: usize, connector: &ConnectorFacts) -> Result<Self, DisplayError> {
        let broken = |err: io::Error| card.refused("read its state", &err);
        let taken = card.heads().objects_of_others(head);
        let crtcs = hardware::crtcs(card).map_err(broken)?;
        let (crtc_index, crtc_id) = choose_crtc(connector, &crtcs, &taken).ok_or_else(|| {
            card.failed(format_args!(
                "no CRTC is left for {}; other heads use all of them",
                connector.name
            ))
        })?;
        let crtc = properties_of_crtc(card, crtc_id)?;
        let handle = hardware::connector_handle(connector.id)
            .ok_or_else(|| card.failed("a connector without an id"))?;
        let connector_properties = Properties::read(card, handle).map_err(broken)?;
        let mut planes = hardware::planes(card).map_err(broken)?;
        planes.retain(|(facts, _)| !taken.planes.contains(&facts.id));
        Ok(Self {
            connector_properties,
            crtc,
            crtc_index,
            planes,
            taken,
        })
    }

    /// The arrangements to try, best first, without moving pictures.
    fn arrangements(&self, rotation: Rotation) -> Vec<Proposal> {
        let facts: Vec<PlaneFacts> = self.planes.iter().map(|(facts, _)| facts.clone()).collect();
        let request = PlaneRequest {
            crtc: self.crtc_index,
            rotation,
            pictures: &[],
        };
        proposals(&facts, request)
    }
}

/// Sets a mode and shows black. The caller holds [`Card::modeset_lock`].
///
/// # Errors
/// If the kernel accepts no mode and arrangement, or another program has become master.
pub(super) fn set_mode(
    card: &Arc<Card>,
    head: usize,
    connector: &ConnectorFacts,
    settings: &HeadSettings,
) -> Result<Modeset, DisplayError> {
    let objects = Objects::choose(card, head, connector)?;
    let arrangements = objects.arrangements(settings.rotate);
    if arrangements.is_empty() {
        return Err(card.failed(format_args!(
            "there is no primary plane with linear XRGB8888 for {}",
            connector.name
        )));
    }
    let attempts = Attempts {
        card,
        settings,
        connector: connector.id,
        objects: &objects,
    };
    let mut refused = Vec::new();
    for mode in choices(connector.offered(), settings.mode) {
        let mode_blob = PropertyBlob::new(card, &mode.to_blob())
            .map_err(|err| card.refused("make a mode", &err))?;
        for plan in &arrangements {
            let (geometry, layers) = match attempts.attempt(&mode, &mode_blob, plan)? {
                Ok(accepted) => accepted,
                Err(err) => {
                    debug!(%mode, %plan, %err, "refused by the kernel");
                    refused.push(format!("{mode}: {plan}: {err}"));
                    continue;
                }
            };
            card.heads().set_objects(
                head,
                DrmObjects {
                    connectors: vec![connector.id],
                    crtcs: vec![objects.crtc.id()],
                    planes: layers.iter().map(Layer::plane_id).collect(),
                },
            );
            info!(
                card = %card.path().display(), driver = card.driver(), connector = connector.name,
                %mode, %plan, "mode set"
            );
            return Ok(Modeset {
                connector: connector.clone(),
                connector_properties: objects.connector_properties,
                crtc: objects.crtc,
                crtc_index: objects.crtc_index,
                mode,
                _mode_blob: mode_blob,
                geometry,
                plan: plan.clone(),
                planes: objects.planes,
                layers,
                refused,
            });
        }
    }
    Err(no_mode(card, connector, refused))
}

/// The error for a monitor of which the kernel refused every mode and arrangement.
fn no_mode(card: &Card, connector: &ConnectorFacts, mut refused: Vec<String>) -> DisplayError {
    /// Limit of the list, which people read.
    const MAX_LISTED: usize = 4;
    refused.truncate(MAX_LISTED);
    card.failed(format_args!(
        "its driver {} accepts no mode for {}; {}; refused: {}",
        card.driver(),
        connector.name,
        card.mode_remedy(),
        refused.join("; ")
    ))
}

impl Attempts<'_> {
    /// Activates the monitor with this mode and plan. The inner error says why the kernel refused it. The outer error ends all
    /// attempts.
    fn attempt(
        &self,
        mode: &Mode,
        mode_blob: &PropertyBlob,
        plan: &Proposal,
    ) -> Result<io::Result<(Geometry, Vec<Layer>)>, DisplayError> {
        let Self {
            card,
            settings,
            objects,
            ..
        } = self;
        let geometry = Geometry::new(
            mode.size(),
            settings.rotate,
            settings.overscan,
            plan.turned_by_planes,
        );
        let layers = match new_layers(card, &objects.planes, plan, geometry, &[]) {
            Ok(layers) => layers,
            Err(err) => return Ok(Err(err)),
        };
        let mut request = Request::default();
        self.clear_all_else(&layers, &mut request)?;
        request_mode(
            &objects.connector_properties,
            &objects.crtc,
            mode_blob,
            settings.range,
            &mut request,
        );
        for layer in &layers {
            layer.request(card, objects.crtc.id(), Side::Front, &mut request);
        }
        let set = AtomicCommitFlags::ALLOW_MODESET;
        let outcome = request
            .commit(card, set | AtomicCommitFlags::TEST_ONLY)
            .and_then(|()| request.commit(card, set));
        match outcome {
            Ok(()) => Ok(Ok((geometry, layers))),
            Err(err) if is_final(&err) => Err(card.refused("set a mode", &err)),
            Err(err) => Ok(Err(err)),
        }
    }

    /// Switches off everything that our heads do not use, such as the text console on other monitors, or the cursor of a desktop.
    fn clear_all_else(&self, layers: &[Layer], request: &mut Request) -> Result<(), DisplayError> {
        let Self { card, objects, .. } = self;
        let taken = &objects.taken;
        let broken = |err: io::Error| card.refused("read its state", &err);
        for other in hardware::connectors(card, false).map_err(broken)? {
            let is_ours = other.id == self.connector || taken.connectors.contains(&other.id);
            let handle =
                hardware::connector_handle(other.id).filter(|_| other.crtc.is_some() && !is_ours);
            if let Some(handle) = handle {
                let properties = Properties::read(card, handle).map_err(broken)?;
                request.set(&properties, Name::CrtcId, 0);
            }
        }
        for other in hardware::crtcs(card).map_err(broken)? {
            if other == objects.crtc.id() || taken.crtcs.contains(&other) {
                continue;
            }
            let properties = properties_of_crtc(card, other)?;
            let has = |name| properties.value(name).is_some_and(|value| value != 0);
            if has(Name::Active) || has(Name::ModeId) {
                request.set(&properties, Name::Active, 0);
                request.set(&properties, Name::ModeId, 0);
            }
        }
        for (facts, properties) in &objects.planes {
            let is_used = layers.iter().any(|layer| layer.plane_id() == facts.id);
            if !is_used && properties.value(Name::CrtcId).is_some_and(|crtc| crtc != 0) {
                disable(properties, request);
            }
        }
        Ok(())
    }
}

/// Makes layers with new buffers for every assignment of a plan.
///
/// # Errors
/// If the card has no memory for them.
pub(super) fn new_layers(
    card: &Arc<Card>,
    planes: &[(PlaneFacts, Properties)],
    plan: &Proposal,
    geometry: Geometry,
    pictures: &[Rect],
) -> io::Result<Vec<Layer>> {
    plan.assignments
        .iter()
        .filter_map(|part| {
            let (_, plane) = planes.iter().find(|(facts, _)| facts.id == part.plane)?;
            Some(Layer::new(card, plane, *part, geometry, pictures))
        })
        .collect()
}

fn properties_of_crtc(card: &Card, id: u32) -> Result<Properties, DisplayError> {
    let handle = hardware::crtc_handle(id).ok_or_else(|| card.failed("a CRTC without an id"))?;
    Properties::read(card, handle).map_err(|err| card.refused("read its state", &err))
}

/// Chooses the CRTC that already drives the connector, which avoids flicker; else the first free one.
fn choose_crtc(
    connector: &ConnectorFacts,
    crtcs: &[u32],
    taken: &DrmObjects,
) -> Option<(u32, u32)> {
    let possible = (0_u32..).zip(crtcs.iter().copied()).filter(|(index, id)| {
        connector.crtcs & 1_u32.checked_shl(*index).unwrap_or(0) != 0 && !taken.crtcs.contains(id)
    });
    let possible: Vec<(u32, u32)> = possible.collect();
    let current = possible.iter().find(|(_, id)| Some(*id) == connector.crtc);
    current.or(possible.first()).copied()
}

fn request_mode(
    connector: &Properties,
    crtc: &Properties,
    mode: &PropertyBlob,
    range: RangeChoice,
    request: &mut Request,
) {
    request.set(connector, Name::CrtcId, crtc.id().into());
    let wanted = match range {
        RangeChoice::Auto => "Automatic",
        RangeChoice::Full => "Full",
        RangeChoice::Limited => "Limited 16:235",
    };
    match connector.labelled(Name::BroadcastRgb, wanted) {
        Some(value) => request.set_where_possible(connector, Name::BroadcastRgb, value),
        None if range != RangeChoice::Auto => {
            debug!(wanted, "the connector has no setting for the RGB range");
        }
        None => {}
    }
    if let Some(good) = connector.labelled(Name::LinkStatus, "Good") {
        request.set_where_possible(connector, Name::LinkStatus, good);
    }
    request.set(crtc, Name::ModeId, mode.id());
    request.set(crtc, Name::Active, 1);
    // Resets colour settings of a desktop: night colours, calibration.
    for name in [
        Name::Gamma,
        Name::Degamma,
        Name::ColorTransform,
        Name::VariableRefresh,
    ] {
        request.set_where_possible(crtc, name, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::connector::ConnectorStatus;
    use super::super::testing::connector;
    use super::*;

    fn chosen(crtcs: u32, current: Option<u32>, taken: &[u32]) -> Option<(u32, u32)> {
        let connector = ConnectorFacts {
            crtcs,
            crtc: current,
            ..connector(7, "HDMI-A-1", ConnectorStatus::Connected)
        };
        let taken = DrmObjects {
            crtcs: taken.to_vec(),
            ..DrmObjects::default()
        };
        choose_crtc(&connector, &[40, 50, 60], &taken)
    }

    #[test]
    fn a_connector_keeps_the_crtc_that_drives_it() {
        assert_eq!(chosen(0b111, Some(50), &[]), Some((1, 50)));
        assert_eq!(chosen(0b111, None, &[]), Some((0, 40)));
    }

    #[test]
    fn a_crtc_of_another_head_or_that_can_not_drive_it_is_left_alone() {
        assert_eq!(chosen(0b111, Some(50), &[50, 40]), Some((2, 60)));
        assert_eq!(chosen(0b010, None, &[]), Some((1, 50)));
        assert_eq!(chosen(0b010, None, &[50]), None);
    }
}
