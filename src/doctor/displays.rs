//! DRM cards, connectors, modes and planes, and the wall's plan for them.

use super::{Emit, Line, Machine, State};
use crate::base::{counted, first_names};
use crate::display::kms::{CardReport, ConnectorReport, PlaneReport, observed};

/// Modes that are named. A monitor may list a hundred.
const NAMED_MODES: usize = 6;

pub(super) fn check(_: &Machine, emit: Emit<'_>) {
    report(&observed(), emit);
}

fn report(cards: &[CardReport], emit: Emit<'_>) {
    if cards.is_empty() {
        let found = "none (/dev/dri/card*): a processor needs none; a wall runs here with --output headless";
        emit(Line::ok("DRM cards", found));
        return;
    }
    for card in cards {
        let name = card.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        emit(card_line(&name, card));
        let has_planes = card.planes.is_some();
        for connector in &card.connectors {
            let what = format!("{name} {}", connector.name);
            connector_lines(&what, connector, has_planes, emit);
        }
        for plane in card.planes.iter().flatten() {
            emit(plane_line(&name, plane));
        }
    }
    let is_dark = |card: &CardReport| card.problem.is_none() && !card.has_monitor();
    if cards.iter().all(is_dark) {
        let found = "none is connected: a processor needs none; a wall waits for one, `nvr display` lists the connectors";
        emit(Line::ok("monitors", found));
    }
}

fn card_line(name: &str, card: &CardReport) -> Line {
    let connectors = counted(card.connectors.len(), "connector");
    let planes = card.planes.as_ref().map_or_else(
        || "planes not asked for: `nvr display` lists them".to_owned(),
        |planes| counted(planes.len(), "plane"),
    );
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

fn connector_lines(what: &str, connector: &ConnectorReport, has_planes: bool, emit: Emit<'_>) {
    let (state, modes) = (&connector.state, &connector.modes);
    let monitor = connector.monitor.iter().filter(|name| !name.is_empty());
    let monitor: String = monitor.map(|name| format!(" {name}")).collect();
    let Some(chosen) = &connector.chosen_mode else {
        emit(match state.as_str() {
            "connected" if has_planes => Line::warning(
                what,
                format!("{state}{monitor}, but none of its modes can be shown"),
                "try another cable, and name a mode with --mode 1920x1080@60",
            ),
            _ => Line::ok(what, state),
        });
        return;
    };
    let listed = match modes.len() {
        0 => "none listed".to_owned(),
        _ => first_names(modes, NAMED_MODES, " "),
    };
    let found = format!("{state}{monitor}; mode {chosen}, of {listed}");
    emit(Line::ok(what, found));
    if !has_planes {
        return;
    }
    let what = format!("{what} plan");
    emit(match connector.plans.join("; else ") {
        none if none.is_empty() => Line::warning(
            what,
            "no plane can show a wall here",
            "update the kernel's display driver, or use another connector",
        ),
        plans => Line::ok(what, plans),
    });
}

fn plane_line(card: &str, plane: &PlaneReport) -> Line {
    let crtcs = Vec::from_iter(plane.crtcs.iter().map(u32::to_string)).join(" ");
    let (kind, formats) = (&plane.kind, plane.formats.join(" "));
    let found = format!("{kind}, CRTC {crtcs}, {formats}");
    Line::ok(format!("{card} plane {}", plane.id), found)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{emitted, full};
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
            planes: Some(vec![PlaneReport {
                id: 31,
                kind: "primary".to_owned(),
                formats: vec!["XR24".to_owned(), "NV12+2".to_owned()],
                crtcs: vec![0, 1],
                zpos: Some(0),
            }]),
        }
    }

    fn reported(cards: &[CardReport]) -> Vec<String> {
        let lines = emitted(|emit| report(cards, emit));
        lines.iter().map(full).collect()
    }

    #[test]
    fn a_card_s_connectors_modes_plans_and_planes_are_lines() {
        assert_eq!(
            reported(&[card()]),
            [
                "Ok | card1 | tegra, 1 connector, 1 plane",
                "Ok | card1 HDMI-A-1 | connected DEL U2720Q; mode 1280x720@60, of 1280x720@60 1279x720@60 1278x720@60 1277x720@60 1276x720@60 1275x720@60 and 2 more",
                "Ok | card1 HDMI-A-1 plan | base; else all in one",
                "Ok | card1 plane 31 | primary, CRTC 0 1, XR24 NV12+2",
            ]
        );
    }

    #[test]
    fn no_card_and_no_monitor_are_ok_and_a_card_in_use_is_a_warning() {
        let is_ok = |lines: &[String]| lines.iter().all(|line| line.starts_with("Ok"));
        assert!(is_ok(&reported(&[])[..1]));
        let mut dark = card();
        dark.connectors[0].state = "no monitor".to_owned();
        dark.connectors[0].chosen_mode = None;
        let lines = reported(&[dark]);
        assert!(is_ok(&lines), "{lines:?}");
        let last = lines.last().expect("a line");
        assert!(last.starts_with("Ok | monitors |"), "{last}");
        let mut used = card();
        used.problem = Some("another program shows; end it".to_owned());
        let expected = "Warning | card1 | another program shows | end it";
        assert_eq!(reported(&[used])[0], expected);
    }

    #[test]
    fn a_card_that_was_not_opened_has_its_monitor_alone() {
        let mut unopened = card();
        unopened.planes = None;
        unopened.connectors[0].plans.clear();
        assert_eq!(
            reported(&[unopened])[..1],
            ["Ok | card1 | tegra, 1 connector, planes not asked for: `nvr display` lists them"]
        );
    }

    #[test]
    fn a_monitor_that_no_plane_can_serve_is_a_warning() {
        let mut blind = card();
        blind.connectors[0].plans.clear();
        let lines = reported(&[blind]).into_iter();
        let states = lines.map(|line| line.split(' ').next().map(str::to_owned));
        let states: Option<Vec<String>> = states.collect();
        assert_eq!(states.expect("states"), ["Ok", "Ok", "Warning", "Ok"]);
    }
}
