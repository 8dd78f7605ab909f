//! The configuration file: whether a processor and a wall could start from it.

use super::check::Emit;
use super::machine::Machine;
use super::report::{Line, counted};
use crate::config::ConfigProblems;

const WHAT: &str = "configuration";

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let config = &machine.config;
    let (Some(file), Some(processor), Some(wall)) = (&config.file, &config.processor, &config.wall)
    else {
        emit(Line::ok(
            WHAT,
            "no file is named (--config, NVR_CONFIG), and /etc/nvr/nvr.toml does not exist; the roles then use options and defaults",
        ));
        return;
    };
    match (processor, wall) {
        (Ok(loaded), Ok(_)) => {
            let count = loaded.settings.sources.len();
            let cameras = counted(count, "camera");
            let found =
                format!("{file}: no problem, {cameras}; test each with `nvr camera probe URI`");
            emit(Line::ok(WHAT, found).with_figure("cameras", count as f64));
        }
        (Err(problems), Ok(_)) => one_role(file, "processor", "wall", problems, emit),
        (Ok(_), Err(problems)) => one_role(file, "wall", "processor", problems, emit),
        (Err(one), Err(other)) => {
            for problem in one.clone().with(other.clone()).iter() {
                let remedy = format!("correct it and check it again: `nvr config check {file}`");
                emit(Line::fault(WHAT, problem.to_string(), remedy));
            }
        }
    }
    let mut seen = Vec::new();
    for warning in config.loaded().flat_map(|loaded| &loaded.warnings) {
        if !seen.contains(&warning) {
            seen.push(warning);
            let remedy = format!("`nvr config show --config {file}` shows the result");
            emit(Line::warning(WHAT, warning.clone(), remedy));
        }
    }
}

/// A file may be for one role only.
fn one_role(file: &str, role: &str, other: &str, problems: &ConfigProblems, emit: Emit<'_>) {
    for problem in problems.iter() {
        emit(Line::warning(
            WHAT,
            format!("{file} is valid for a {other}, but not for a {role}: {problem}"),
            format!("if this machine shall be a {role}: `nvr config check {file} --role {role}`"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::short_with;
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let files = format!("/etc/nvr/nvr.toml {text}\n/etc/machine-id x");
        short_with(check, &files)
    }

    #[test]
    fn a_good_file_a_bad_one_and_none() {
        let good = lines(r#"instance_id = "box"\n[[camera]]\nid = 0\nuri = "test-pattern:"\n"#);
        assert_eq!(good.len(), 1, "{good:?}");
        assert!(good[0].contains("no problem, 1 camera;"), "{good:?}");
        let bad = lines(r"[mqtt]\nprot = 1883\n");
        assert!(bad[0].starts_with("Fault |"), "{bad:?}");
        assert!(bad[0].contains("mqtt.prot"), "{bad:?}");
        assert!(short_with(check, "")[0].starts_with("Ok |"));
    }

    #[test]
    fn a_file_for_a_wall_alone_is_a_warning() {
        let found = lines(r#"instance_id = "box"\ncamera = []\n"#);
        assert!(found[0].starts_with("Warning |"), "{found:?}");
        let words = "is valid for a wall, but not for a processor";
        assert!(found[0].contains(words), "{found:?}");
    }
}
