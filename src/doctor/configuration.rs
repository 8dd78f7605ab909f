//! The configuration file: whether a processor and a wall could start from it.

use super::check::Emit;
use super::machine::Machine;
use super::report::Line;
use crate::config::ConfigProblems;

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let config = &machine.config;
    let (Some(file), Some(processor), Some(wall)) = (&config.file, &config.processor, &config.wall)
    else {
        emit(Line::ok(
            "configuration",
            "no file is named (--config, NVR_CONFIG), and /etc/nvr/nvr.toml is not there; the roles then run on options and defaults",
        ));
        return;
    };
    match (processor, wall) {
        (Ok(loaded), Ok(_)) => {
            let count = loaded.settings.sources.len();
            let s = if count == 1 { "" } else { "s" };
            emit(
                Line::ok(
                    "configuration",
                    format!("{file}: no problem, {count} camera{s}; each is looked at with `nvr camera probe URI`"),
                )
                .with_figure("cameras", count as f64),
            );
        }
        (Err(problems), Ok(_)) => one_role(file, "processor", "wall", problems, emit),
        (Ok(_), Err(problems)) => one_role(file, "wall", "processor", problems, emit),
        (Err(one), Err(other)) => {
            for problem in one.clone().with(other.clone()).iter() {
                emit(Line::fault(
                    "configuration",
                    problem.to_string(),
                    format!("correct it and check it again: `nvr config check {file}`"),
                ));
            }
        }
    }
    let mut told = Vec::new();
    for warning in config.loaded().flat_map(|loaded| &loaded.warnings) {
        if !told.contains(&warning) {
            told.push(warning);
            emit(Line::warning(
                "configuration",
                warning.clone(),
                format!("`nvr config show --config {file}` shows what results"),
            ));
        }
    }
}

/// A file may be of one role alone.
fn one_role(file: &str, role: &str, other: &str, problems: &ConfigProblems, emit: Emit<'_>) {
    for problem in problems.iter() {
        emit(Line::warning(
            "configuration",
            format!("{file} serves a {other}, and no {role}: {problem}"),
            format!(
                "where this machine is to be a {role}: `nvr config check {file} --role {role}`"
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::lines_of;
    use super::super::machine::tests::fixture;
    use super::super::report::State;
    use super::*;

    fn states(text: &str) -> Vec<(State, String)> {
        let (_dir, machine) = fixture(&[("/etc/nvr/nvr.toml", text), ("/etc/machine-id", "x")]);
        let lines = lines_of(check, &machine);
        lines
            .into_iter()
            .map(|line| (line.state, line.found))
            .collect()
    }

    #[test]
    fn a_good_file_a_bad_one_and_none() {
        let camera = "instance_id = \"box\"\n[[camera]]\nid = 0\nuri = \"test-pattern:\"\n";
        let good = states(camera);
        assert_eq!(good.len(), 1, "{good:?}");
        assert!(good[0].1.contains("no problem, 1 camera;"), "{good:?}");
        let bad = states("[mqtt]\nprot = 1883\n");
        assert_eq!(bad[0].0, State::Fault);
        assert!(bad[0].1.contains("mqtt.prot"), "{bad:?}");
        let (_dir, machine) = fixture(&[]);
        assert_eq!(lines_of(check, &machine)[0].state, State::Ok);
    }

    #[test]
    fn a_file_for_a_wall_alone_is_a_warning() {
        let found = states("instance_id = \"box\"\ncamera = []\n");
        assert_eq!(found[0].0, State::Warning, "{found:?}");
        assert!(
            found[0].1.contains("serves a wall, and no processor"),
            "{found:?}"
        );
    }
}
