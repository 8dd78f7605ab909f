//! Reads the connectors, CRTCs and planes of a card.

use std::io;

use drm::control::connector::{Interface, State};
use drm::control::{Device as _, ResourceHandles, connector, crtc, plane};

use super::card::Card;
use super::connector::{ConnectorFacts, ConnectorStatus};
use super::formats::{Format, parse_in_formats};
use super::mode::Mode;
use super::planner::{PlaneFacts, PlaneKind};
use super::properties::{Name, Properties};

/// All rotations and reflections. The kernel decides which of them a plane accepts.
const ANY_ROTATION: u32 = 0x3f;

/// All connectors. With `probe` the kernel queries the monitors, which takes time and needs the master right. Otherwise it
/// gives the last known state.
pub(super) fn connectors(card: &Card, probe: bool) -> io::Result<Vec<ConnectorFacts>> {
    let resources = card.resource_handles()?;
    resources
        .connectors()
        .iter()
        .filter_map(
            |handle| match connector_facts(card, &resources, *handle, probe) {
                // A connector of a DisplayPort hub disappears with the hub.
                Err(err) if err.kind() == io::ErrorKind::NotFound => None,
                facts => Some(facts),
            },
        )
        .collect()
}

/// The ids of all CRTCs, ordered by index.
pub(super) fn crtcs(card: &Card) -> io::Result<Vec<u32>> {
    Ok(card
        .resource_handles()?
        .crtcs()
        .iter()
        .map(|handle| u32::from(*handle))
        .collect())
}

/// All planes with their properties.
pub(super) fn planes(card: &Card) -> io::Result<Vec<(PlaneFacts, Properties)>> {
    let resources = card.resource_handles()?;
    card.plane_handles()?
        .into_iter()
        .map(|handle| plane_facts(card, &resources, handle))
        .collect()
}

/// The handle of an id from the kernel.
pub(super) fn crtc_handle(id: u32) -> Option<crtc::Handle> {
    drm::control::from_u32(id)
}

/// As [`crtc_handle`].
pub(super) fn connector_handle(id: u32) -> Option<connector::Handle> {
    drm::control::from_u32(id)
}

fn connector_facts(
    card: &Card,
    resources: &ResourceHandles,
    handle: connector::Handle,
    probe: bool,
) -> io::Result<ConnectorFacts> {
    let info = card.get_connector(handle, probe)?;
    let properties = Properties::read(card, handle)?;
    let mut crtcs = 0;
    for encoder in info.encoders() {
        let encoder = card.get_encoder(*encoder)?;
        crtcs |= mask(resources, encoder.possible_crtcs());
    }
    Ok(ConnectorFacts {
        id: handle.into(),
        name: info.to_string(),
        is_writeback: info.interface() == Interface::Writeback,
        status: match info.state() {
            State::Connected => ConnectorStatus::Connected,
            State::Disconnected => ConnectorStatus::Disconnected,
            State::Unknown => ConnectorStatus::Unknown,
        },
        modes: info.modes().iter().map(Mode::from).collect(),
        edid: properties.blob(card, Name::Edid),
        crtcs,
        crtc: properties
            .value(Name::CrtcId)
            .map(|id| id as u32)
            .filter(|id| *id != 0),
        link_is_bad: properties.label(Name::LinkStatus) == Some("Bad"),
    })
}

fn plane_facts(
    card: &Card,
    resources: &ResourceHandles,
    handle: plane::Handle,
) -> io::Result<(PlaneFacts, Properties)> {
    let info = card.get_plane(handle)?;
    let properties = Properties::read(card, handle)?;
    let in_formats = properties
        .blob(card, Name::InFormats)
        .and_then(|blob| parse_in_formats(&blob));
    let formats = in_formats.unwrap_or_else(|| {
        let codes = info.formats().iter();
        codes
            .map(|fourcc| Format {
                fourcc: *fourcc,
                modifiers: Vec::new(),
            })
            .collect()
    });
    let facts = PlaneFacts {
        id: handle.into(),
        kind: match properties.label(Name::Type) {
            Some("Primary") => PlaneKind::Primary,
            Some("Cursor") => PlaneKind::Cursor,
            _ => PlaneKind::Overlay,
        },
        crtcs: mask(resources, info.possible_crtcs()),
        formats,
        zpos: properties.zpos(),
        rotations: if properties.can_set(Name::Rotation) {
            ANY_ROTATION
        } else {
            0
        },
    };
    Ok((facts, properties))
}

fn mask(resources: &ResourceHandles, filter: drm::control::CrtcListFilter) -> u32 {
    let possible = resources.filter_crtcs(filter);
    resources
        .crtcs()
        .iter()
        .enumerate()
        .filter(|(_, handle)| possible.contains(handle))
        .fold(0, |mask, (index, _)| {
            mask | 1_u32.checked_shl(index as u32).unwrap_or(0)
        })
}
