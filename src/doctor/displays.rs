//! DRM cards, connectors, modes and planes, and what the wall's planner would do with them.

use super::check::Emit;
use super::machine::Machine;
use super::report::{Line, State, counted};
use crate::display::kms::{CardReport, ConnectorReport, PlaneReport, available};

/// A monitor may list a hundred modes.
const MODES: usize = 6;

pub(super) fn check(_: &Machine, emit: Emit<'_>) {
    judge(&available(), emit);
}

fn judge(cards: &[CardReport], emit: Emit<'_>) {
    if cards.is_empty() {
        emit(Line::ok(
            "DRM cards",
            "none (/dev/dri/card*): well for a processor; a wall runs here with --output headless",
        ));
        return;
    }
    for card in cards {
        emit(of_card(card));
        let name = card_name(card);
        for connector in &card.connectors {
            of_connector(&name, connector, emit);
        }
        for plane in &card.planes {
            emit(of_plane(&name, plane));
        }
    }
    if !cards.iter().any(CardReport::has_monitor) && cards.iter().all(|card| card.problem.is_none())
    {
        emit(Line::ok(
            "monitors",
            "none is connected: well for a processor; a wall waits for one, `nvr display` lists what it sees",
        ));
    }
}

fn card_name(card: &CardReport) -> String {
    let name = card.path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn of_card(card: &CardReport) -> Line {
    let name = card_name(card);
    match &card.problem {
        Some(problem) => Line::of_error(
            State::Warning,
            name,
            problem,
            "end what else shows pictures, a desktop or another wall, and run this as the superuser",
        ),
        None => Line::ok(
            name,
            format!(
                "{}, {}, {}",
                card.driver,
                counted(card.connectors.len(), "connector"),
                counted(card.planes.len(), "plane")
            ),
        ),
    }
}

fn of_connector(card: &str, connector: &ConnectorReport, emit: Emit<'_>) {
    let what = format!("{card} {}", connector.name);
    let monitor = connector.monitor.as_deref().unwrap_or_default();
    let Some(chosen) = &connector.chosen_mode else {
        emit(if connector.state == "connected" {
            Line::warning(
                what,
                format!("connected {monitor}, and no mode of it can be shown"),
                "try another cable, and name a mode with --mode 1920x1080@60",
            )
        } else {
            Line::ok(what, connector.state.clone())
        });
        return;
    };
    let listed: Vec<&str> = connector
        .modes
        .iter()
        .take(MODES)
        .map(String::as_str)
        .collect();
    let more = match connector.modes.len().saturating_sub(MODES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let of = if listed.is_empty() {
        "of none listed".to_owned()
    } else {
        format!("of {}{more}", listed.join(" "))
    };
    let monitor = if monitor.is_empty() {
        String::new()
    } else {
        format!(" {monitor}")
    };
    emit(Line::ok(
        what.clone(),
        format!("{}{monitor}; mode {chosen}, {of}", connector.state),
    ));
    emit(match connector.plans.as_slice() {
        [] => Line::warning(
            format!("{what} plan"),
            "no plane can show a wall here",
            "update the kernel's display driver, or use another connector",
        ),
        [plan, others @ ..] => {
            let others = match others {
                [] => String::new(),
                others => format!("; else {}", others.join("; else ")),
            };
            Line::ok(format!("{what} plan"), format!("{plan}{others}"))
        }
    });
}

fn of_plane(card: &str, plane: &PlaneReport) -> Line {
    let crtcs: Vec<String> = plane.crtcs.iter().map(u32::to_string).collect();
    Line::ok(
        format!("{card} plane {}", plane.id),
        format!(
            "{}, CRTC {}, {}",
            plane.kind,
            crtcs.join(" "),
            plane.formats.join(" ")
        ),
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

    fn judged(cards: &[CardReport]) -> Vec<Line> {
        let mut lines = Vec::new();
        judge(cards, &mut |line| lines.push(line));
        lines
    }

    #[test]
    fn a_card_s_connectors_modes_plans_and_planes_are_lines() {
        assert_eq!(
            judged(&[card()]),
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
    fn no_card_and_no_monitor_are_well_and_a_card_that_is_held_is_a_warning() {
        assert_eq!(judged(&[])[0].state, State::Ok);
        let mut dark = card();
        dark.connectors[0].state = "no monitor".to_owned();
        dark.connectors[0].chosen_mode = None;
        let lines = judged(&[dark]);
        assert!(lines.iter().all(|line| line.state == State::Ok));
        assert_eq!(
            lines.last().map(|line| line.what.as_str()),
            Some("monitors")
        );
        let held = CardReport {
            problem: Some("another program shows; end it".to_owned()),
            ..card()
        };
        assert_eq!(
            judged(&[held])[0],
            Line::warning("card1", "another program shows", "end it")
        );
    }

    #[test]
    fn a_monitor_that_no_plane_can_serve_is_a_warning() {
        let mut blind = card();
        blind.connectors[0].plans.clear();
        let states: Vec<State> = judged(&[blind]).iter().map(|line| line.state).collect();
        assert_eq!(states, [State::Ok, State::Ok, State::Warning, State::Ok]);
    }
}
