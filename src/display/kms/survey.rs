//! Reports cards, connectors, planes and the plans of the planner, for people and for the choice of an output.

use std::path::PathBuf;

use super::card::{Card, holders};
use super::choice::choices;
use super::connector::{ConnectorFacts, ConnectorStatus, in_order};
use super::edid::monitor_name;
use super::planner::{PlaneFacts, PlaneKind, PlaneRequest, proposals};
use super::report::{CardReport, ConnectorReport, PlaneReport};
use super::sysfs::{is_nvidia, report_of_nvidia};
use super::{formats, hardware};
use crate::base::Size;
use crate::config::Rotation;
use crate::render::Rect;

/// Reports all cards, usable or not. No mode is set: the master right is requested and given up again. NVIDIA's driver then
/// switches its outputs off, if no other program was its master.
pub fn available() -> Vec<CardReport> {
    Card::nodes().into_iter().map(report).collect()
}

/// Reports all cards as [`available`] does, but opens none whose picture would go dark.
pub fn observed() -> Vec<CardReport> {
    let observe = |node: PathBuf| report_of_nvidia(&node).unwrap_or_else(|| report(node));
    Card::nodes().into_iter().map(observe).collect()
}

/// The cards whose picture [`available`] may switch off: NVIDIA's, which no other program has open.
pub fn endangered() -> Vec<PathBuf> {
    let is_free = |node: &PathBuf| is_nvidia(node) && holders(node).is_empty();
    Card::nodes().into_iter().filter(is_free).collect()
}

fn report(path: PathBuf) -> CardReport {
    let mut report = CardReport {
        path,
        driver: String::new(),
        problem: None,
        connectors: Vec::new(),
        planes: None,
    };
    let card = match Card::open(&report.path) {
        Ok(card) => card,
        Err(err) => {
            report.problem = Some(err.to_string());
            return report;
        }
    };
    report.driver = card.driver().to_owned();
    let is_master = card.become_master();
    // Only a master may probe the monitors. Another master has already done so.
    match describe(&card, is_master.is_ok()) {
        Ok((connectors, planes)) => {
            (report.connectors, report.planes) = (connectors, Some(planes));
        }
        Err(err) => report.problem = Some(card.refused("be read", &err).to_string()),
    }
    if let Err(err) = is_master {
        report.problem = Some(err.to_string());
    }
    report
}

fn describe(card: &Card, probe: bool) -> std::io::Result<(Vec<ConnectorReport>, Vec<PlaneReport>)> {
    let connectors = hardware::connectors(card, probe)?;
    let planes: Vec<PlaneFacts> = hardware::planes(card)?
        .into_iter()
        .map(|(facts, _)| facts)
        .collect();
    let described = in_order(&connectors)
        .into_iter()
        .map(|connector| of_connector(connector, &planes));
    let described = described.collect();
    Ok((described, planes.iter().map(of_plane).collect()))
}

fn of_connector(connector: &ConnectorFacts, planes: &[PlaneFacts]) -> ConnectorReport {
    let is_lit = connector.status != ConnectorStatus::Disconnected;
    let mode = is_lit
        .then(|| choices(connector.offered(), None))
        .and_then(|modes| modes.first().copied());
    let plans = mode.map_or_else(Vec::new, |mode| {
        let pictures = six_tiles(mode.size());
        let crtc = connector.crtcs.trailing_zeros();
        let request = PlaneRequest {
            crtc,
            rotation: Rotation::None,
            pictures: &pictures,
        };
        proposals(planes, request)
            .iter()
            .map(ToString::to_string)
            .collect()
    });
    ConnectorReport {
        name: connector.name.clone(),
        state: connector.status.name().to_owned(),
        monitor: connector.edid.as_deref().and_then(monitor_name),
        modes: connector.modes.iter().map(ToString::to_string).collect(),
        chosen_mode: mode.map(|mode| mode.to_string()),
        plans,
    }
}

fn of_plane(plane: &PlaneFacts) -> PlaneReport {
    PlaneReport {
        id: plane.id,
        kind: match plane.kind {
            PlaneKind::Primary => "primary",
            PlaneKind::Overlay => "overlay",
            PlaneKind::Cursor => "cursor",
        }
        .to_owned(),
        formats: plane
            .formats
            .iter()
            .map(|format| {
                let tilings = format
                    .modifiers
                    .iter()
                    .filter(|modifier| **modifier != formats::LINEAR)
                    .count();
                let name = formats::name(format.fourcc);
                if tilings == 0 {
                    name
                } else {
                    format!("{name}+{tilings}")
                }
            })
            .collect(),
        crtcs: (0..u32::BITS)
            .filter(|index| plane.crtcs >> index & 1 == 1)
            .collect(),
        zpos: plane.zpos.map(|zpos| zpos.value),
    }
}

/// Two rows of three tiles, as in a grid of six cameras.
fn six_tiles(size: Size) -> Vec<Rect> {
    let (width, height) = (size.width / 3, size.height / 2);
    (0..6)
        .map(|index| {
            Rect::new(
                (index % 3 * width) as i32,
                (index / 3 * height) as i32,
                width,
                height,
            )
        })
        .collect()
}
