//! The configuration file: whether a processor and a wall could start from it.

use super::{Emit, Line, Machine};
use crate::base::counted;
use crate::config::ConfigProblems;

const WHAT: &str = "configuration";

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let Some(file) = &machine.config.file else {
        let found = "no file is named (--config, NVR_CONFIG), and /etc/nvr/nvr.toml does not exist; the roles then use options and defaults";
        emit(Line::ok(WHAT, found));
        return;
    };
    let path = &file.path;
    match (&file.processor, &file.wall) {
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
