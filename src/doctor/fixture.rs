//! For unit tests: machines as file trees, and lines of the report in one text each.

use super::check::Emit;
use super::{Line, Machine, Options};
use crate::config::{Environment, MqttFlags};

/// A machine with these files, one per line: `path content`. `\n` and `\0` in the content are written as in Rust.
pub(super) fn machine_with(files: &str) -> (tempfile::TempDir, Machine) {
    let dir = tempfile::tempdir().expect("a folder");
    for file in files.lines().filter(|line| !line.is_empty()) {
        let (path, content) = file.split_once(' ').expect("a path and content");
        let path = dir.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        let content = content.replace("\\n", "\n").replace("\\0", "\0");
        std::fs::write(path, content).expect("written");
    }
    let machine = Machine::new(&Options {
        config: None,
        mqtt: MqttFlags::default(),
        tensorrt: false,
        root: dir.path().to_owned(),
        environment: Environment::default(),
    });
    (dir, machine)
}

/// The lines of `check` on a machine with these files.
pub(super) fn lines_with(check: fn(&Machine, Emit<'_>), files: &str) -> Vec<Line> {
    let (_dir, machine) = machine_with(files);
    let mut lines = Vec::new();
    check(&machine, &mut |line| lines.push(line));
    lines
}

/// A line without its remedy: `Warning | clock of box | 3 s behind`.
pub(super) fn short(line: &Line) -> String {
    format!("{:?} | {} | {}", line.state, line.what, line.found)
}

/// The short lines of `check` on a machine with these files.
pub(super) fn short_with(check: fn(&Machine, Emit<'_>), files: &str) -> Vec<String> {
    lines_with(check, files).iter().map(short).collect()
}

/// Asserts that `line` is among `lines`.
pub(super) fn assert_has(lines: &[String], line: &str) {
    assert!(
        lines.iter().any(|other| other == line),
        "no {line} in {lines:#?}"
    );
}

/// The cases of a test, one per line: the input and the expected result, separated by ` → `.
pub(super) fn cases(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = table.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.split_once(" → ").expect("two texts"))
}
