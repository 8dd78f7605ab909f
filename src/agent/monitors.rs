//! Whether the box has the monitors that a document names.

use super::codes;
use super::cycle::ChildRole;
use super::preflight::{Demand, Preflight};
use crate::config::OutputChoice;
use crate::fleet::{DocumentError, OutputAbility};

/// Compares the heads of a wall with the outputs of the box, and with the number of monitors that it drives at once. An output that
/// does not exist refuses the document, unless it has `overcommit`; outputs of a dock appear only with the dock. An output
/// without a monitor is a warning: the monitor may be switched off. Without any output nothing is known, for example because the
/// driver of the card is not loaded yet.
pub(super) fn check(
    demands: &[Demand<'_>],
    outputs: &[OutputAbility],
    heads: Option<u32>,
    overcommit: bool,
) -> Preflight {
    let mut found = Preflight::default();
    let walls = demands
        .iter()
        .filter(|demand| demand.role == ChildRole::Wall);
    let shown = walls.filter(|demand| demand.settings.wall.output != OutputChoice::Headless);
    for demand in shown {
        for (index, head) in demand.settings.wall.heads.iter().enumerate() {
            let mut refuse = |path: String, code, message: String| {
                let problem = DocumentError::new(path, code, message);
                match overcommit {
                    true => found.warnings.push(problem),
                    false => found.errors.push(problem),
                }
            };
            let path = format!("wall.wall.head[{index}]");
            if let Some(heads) = heads.filter(|heads| index >= *heads as usize) {
                let message =
                    format!("this board drives {heads} monitors at once; remove the head");
                refuse(path.clone(), codes::OVER_CAPACITY, message);
            }
            let Some(wanted) = head.connector.as_ref().filter(|_| !outputs.is_empty()) else {
                continue;
            };
            let path = format!("{path}.connector");
            match outputs.iter().find(|output| output.connector == *wanted) {
                None => {
                    let names: Vec<&str> =
                        outputs.iter().map(|output| &*output.connector).collect();
                    let message = format!(
                        "this box has no output {wanted}; it has {}",
                        names.join(", ")
                    );
                    refuse(path, codes::NO_OUTPUT, message);
                }
                Some(output) if !output.connected => {
                    let message = format!(
                        "no monitor is connected to {wanted}, or it is switched off; the wall shows its picture as soon as there is one"
                    );
                    let problem = DocumentError::new(path, codes::NO_MONITOR, message);
                    found.warnings.push(problem);
                }
                Some(_) => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigSource, Environment, Settings, WallFlags};

    fn wall(text: &str) -> Settings {
        let body: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let document = serde_json::json!({"instance_id": "box-1", "camera": [{"id": 1, "uri": "test-pattern:"}], "wall": body});
        let source = ConfigSource::new(WallFlags::default(), Environment::default());
        source
            .with_document(document)
            .load()
            .expect("a good configuration")
    }

    fn output(connector: &str, connected: bool) -> OutputAbility {
        OutputAbility {
            connector: connector.to_owned(),
            connected,
            planes: 0,
        }
    }

    fn found(
        settings: &Settings,
        outputs: &[OutputAbility],
        heads: Option<u32>,
        overcommit: bool,
    ) -> Preflight {
        let demand = Demand {
            role: ChildRole::Wall,
            settings,
            cameras: &[],
        };
        check(&[demand], outputs, heads, overcommit)
    }

    fn told(problems: &[DocumentError]) -> Vec<String> {
        problems
            .iter()
            .map(|one| format!("{} {} {}", one.code, one.path, one.message))
            .collect()
    }

    #[test]
    fn an_output_that_does_not_exist_is_refused_by_name() {
        let two = wall(r#"{"head": [{"connector": "HDMI-A-1"}, {"connector": "DP-9"}]}"#);
        let outputs = [output("DP-1", true), output("HDMI-A-1", true)];
        let expected = "no-output wall.wall.head[1].connector this box has no output DP-9; it has DP-1, HDMI-A-1";
        assert_eq!(told(&found(&two, &outputs, None, false).errors), [expected]);
        let allowed = found(&two, &outputs, None, true);
        assert_eq!(
            (told(&allowed.errors), told(&allowed.warnings)),
            (vec![], vec![expected.to_owned()])
        );
        // Before the driver of the card is loaded.
        assert_eq!(found(&two, &[], None, false), Preflight::default());
        let headless = wall(r#"{"output": "headless", "head": [{"connector": "DP-9"}]}"#);
        assert_eq!(
            found(&headless, &outputs, Some(0), false),
            Preflight::default()
        );
    }

    #[test]
    fn a_monitor_that_is_switched_off_is_a_warning() {
        let one = wall(r#"{"head": [{"connector": "HDMI-A-1"}]}"#);
        let result = found(&one, &[output("HDMI-A-1", false)], Some(1), false);
        assert_eq!(result.errors, []);
        assert_eq!(result.warnings[0].code, codes::NO_MONITOR);
        assert_eq!(result.warnings[0].path, "wall.wall.head[0].connector");
    }

    #[test]
    fn more_heads_than_the_board_drives_are_refused() {
        let two = wall(r#"{"head": [{"connector": "HDMI-A-1"}, {"connector": "DP-1"}]}"#);
        let expected =
            "over-capacity wall.wall.head[1] this board drives 1 monitors at once; remove the head";
        assert_eq!(told(&found(&two, &[], Some(1), false).errors), [expected]);
    }
}
