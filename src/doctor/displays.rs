//! DRM cards, connectors, modes and planes, and the wall's plan for them.

use super::check::Emit;
use super::machine::Machine;
use super::report::{Line, State, counted};
use crate::display::kms::{CardReport, ConnectorReport, PlaneReport, available};

/// Modes that are named. A monitor may list a hundred.
const NAMED_MODES: usize = 6;

pub(super) fn check(_: &Machine, emit: Emit<'_>) {
    report(&available(), emit);
}

fn report(cards: &[CardReport], emit: Emit<'_>) {
    if cards.is_empty() {
        emit(Line::ok(
            "DRM cards",
            "none (/dev/dri/card*): a processor needs none; a wall runs here with --output headless",
        ));
        return;
    }
    for card in cards {
        let name = card.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        emit(card_line(&name, card));
        for connector in &card.connectors {
            connector_lines(&format!("{name} {}", connector.name), connector, emit);
        }
        for plane in &card.planes {
            emit(plane_line(&name, plane));
        }
    }
    if cards
        .iter()
        .all(|card| card.problem.is_none() && !card.has_monitor())
    {
        emit(Line::ok(
            "monitors",
            "none is connected: a processor needs none; a wall waits for one, `nvr display` lists the connectors",
        ));
    }
}

fn card_line(name: &str, card: &CardReport) -> Line {
    let connectors = counted(card.connectors.len(), "connector");
    let planes = counted(card.planes.len(), "plane");
    match &card.problem {
        None => Line::ok(name, format!("{}, {connectors}, {planes}", card.driver)),
        Some(problem) => Line::of_error(
            State::Warning,
            name,
            problem,
            "end other programs that use the display, such as a desktop or another wall, and run this as root",
        ),
    }
}

fn connector_lines(what: &str, connector: &ConnectorReport, emit: Emit<'_>) {
    let mut found = connector.state.clone();
    if let Some(monitor) = connector.monitor.as_deref().filter(|name| !name.is_empty()) {
        found += &format!(" {monitor}");
    }
    let Some(chosen) = &connector.chosen_mode else {
        emit(if connector.state == "connected" {
            Line::warning(
                what,
                format!("{found}, but none of its modes can be shown"),
                "try another cable, and name a mode with --mode 1920x1080@60",
            )
        } else {
            Line::ok(what, connector.state.clone())
        });
        return;
    };
    let named = connector.modes.len().min(NAMED_MODES);
    let modes = match connector.modes[..named].join(" ") {
        none if none.is_empty() => "none listed".to_owned(),
        modes => modes,
    };
    let more = match connector.modes.len() - named {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    emit(Line::ok(
        what,
        format!("{found}; mode {chosen}, of {modes}{more}"),
    ));
    let what = format!("{what} plan");
    emit(if connector.plans.is_empty() {
        Line::warning(
            what,
            "no plane can show a wall here",
            "update the kernel's display driver, or use another connector",
        )
    } else {
        Line::ok(what, connector.plans.join("; else "))
    });
}

fn plane_line(card: &str, plane: &PlaneReport) -> Line {
    let crtcs: Vec<String> = plane.crtcs.iter().map(u32::to_string).collect();
    let (kind, crtcs, formats) = (&plane.kind, crtcs.join(" "), plane.formats.join(" "));
    Line::ok(
        format!("{card} plane {}", plane.id),
        format!("{kind}, CRTC {crtcs}, {formats}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> CardReport {
        CardReport {
            path: "/dev/dri/card1".into(),
            driver: "tegra".to_owned(),
            problem: None,
            connectors: vec![ConnectorReport {
                name: "HDMI-A-1".to_owned(),
                state: "connected".to_owned(),
                monitor: Some("DEL U2720Q".to_owned()),
                modes: (0..8).map(|n| format!("{}x720@60", 1280 - n)).collect(),
                chosen_mode: Some("1280x720@60".to_owned()),
                plans: vec!["base".to_owned(), "all in one".to_owned()],
            }],
            planes: vec![PlaneReport {
                id: 31,
                kind: "primary".to_owned(),
                formats: vec!["XR24".to_owned(), "NV12+2".to_owned()],
                crtcs: vec![0, 1],
                zpos: Some(0),
            }],
        }
    }

    fn reported(cards: &[CardReport]) -> Vec<Line> {
        let mut lines = Vec::new();
        report(cards, &mut |line| lines.push(line));
        lines
    }

    #[test]
    fn a_card_s_connectors_modes_plans_and_planes_are_lines() {
        assert_eq!(
            reported(&[card()]),
            [
                Line::ok("card1", "tegra, 1 connector, 1 plane"),
                Line::ok(
                    "card1 HDMI-A-1",
                    "connected DEL U2720Q; mode 1280x720@60, of 1280x720@60 1279x720@60 1278x720@60 1277x720@60 1276x720@60 1275x720@60 and 2 more"
                ),
                Line::ok("card1 HDMI-A-1 plan", "base; else all in one"),
                Line::ok("card1 plane 31", "primary, CRTC 0 1, XR24 NV12+2"),
            ]
        );
    }

    #[test]
    fn no_card_and_no_monitor_are_ok_and_a_card_in_use_is_a_warning() {
        assert_eq!(reported(&[])[0].state, State::Ok);
        let mut dark = card();
        dark.connectors[0].state = "no monitor".to_owned();
        dark.connectors[0].chosen_mode = None;
        let lines = reported(&[dark]);
        assert!(lines.iter().all(|line| line.state == State::Ok));
        assert_eq!(lines.last().expect("a line").what, "monitors");
        let used = CardReport {
            problem: Some("another program shows; end it".to_owned()),
            ..card()
        };
        assert_eq!(
            reported(&[used])[0],
            Line::warning("card1", "another program shows", "end it")
        );
    }

    #[test]
    fn a_monitor_that_no_plane_can_serve_is_a_warning() {
        let mut blind = card();
        blind.connectors[0].plans.clear();
        let lines = reported(&[blind]);
        let states: Vec<State> = lines.iter().map(|line| line.state).collect();
        assert_eq!(states, [State::Ok, State::Ok, State::Warning, State::Ok]);
    }
}
