//! The configuration file: whether a processor and a wall could start from it.

use super::machine::ConfigFile;
use super::{Emit, Line, Machine, counted};
use crate::config::ConfigProblems;

const WHAT: &str = "configuration";

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let Some(ConfigFile {
        path,
        processor,
        wall,
    }) = &machine.config.file
    else {
        let found = "no file is named (--config, NVR_CONFIG), and /etc/nvr/nvr.toml does not exist; the roles then use options and defaults";
        emit(Line::ok(WHAT, found));
        return;
    };
    match (processor, wall) {
        (Ok(loaded), Ok(_)) => {
            let count = loaded.settings.sources.len();
            let cameras = counted(count, "camera");
            let found =
                format!("{path}: no problem, {cameras}; test each with `nvr camera probe URI`");
            emit(Line::ok(WHAT, found).with_figure("cameras", count as f64));
        }
        (Err(problems), Ok(_)) => one_role(path, "processor", "wall", problems, emit),
        (Ok(_), Err(problems)) => one_role(path, "wall", "processor", problems, emit),
        (Err(one), Err(other)) => {
            let remedy = format!("correct it and check it again: `nvr config check {path}`");
            for problem in one.clone().with(other.clone()).iter() {
                emit(Line::fault(WHAT, problem, &remedy));
            }
        }
    }
    let mut seen = Vec::new();
    let remedy = format!("`nvr config show --config {path}` shows the result");
    for warning in machine.config.loaded().flat_map(|loaded| &loaded.warnings) {
        if !seen.contains(&warning) {
            seen.push(warning);
            emit(Line::warning(WHAT, warning, &remedy));
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
