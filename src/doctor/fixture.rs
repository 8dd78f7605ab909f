//! For unit tests: machines as file trees, and lines of the report in one text each.

use std::path::Path;

use super::check::Run;
use super::{CHECKS, Line, Machine, Options, State};
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
    let machine = Machine::new(&options(dir.path()));
    (dir, machine)
}

/// Options for a machine at `root`.
pub(super) fn options(root: &Path) -> Options {
    Options {
        config: None,
        mqtt: MqttFlags::default(),
        tensorrt: false,
        root: root.to_owned(),
        environment: Environment::default(),
    }
}

/// The lines of `check` on a machine with these files.
pub(super) fn lines_with(check: Run, files: &str) -> Vec<Line> {
    let (_dir, machine) = machine_with(files);
    let mut lines = Vec::new();
    check(&machine, &mut |line| lines.push(line));
    lines
}

/// A line without its remedy: `Warning | clock of box | 3 s behind`.
pub(super) fn short(line: &Line) -> String {
    format!("{:?} | {} | {}", line.state, line.what, line.found)
}

/// A line with its remedy, if any, and its figures, if any: `Warning | swap | full | end programs {"used_gb": 2.0}`.
pub(super) fn full(line: &Line) -> String {
    let remedy = line.remedy.iter().map(|remedy| format!(" | {remedy}"));
    let figures = Some(&line.figures).filter(|figures| !figures.is_empty());
    let figures = figures.map(|figures| format!(" {figures:?}"));
    short(line) + &remedy.chain(figures).collect::<String>()
}

/// The short lines of `check` on a machine with these files.
pub(super) fn short_with(check: Run, files: &str) -> Vec<String> {
    lines_with(check, files).iter().map(short).collect()
}

/// `machines.txt` has blocks: what is asserted, the id of a check, the files of some machines (`CASE` in the place of what differs),
/// and expectations `what differs → a line`. The line may lack its remedy and its figures. `no fault` expects only lines that are
/// ok, and `no x` none about x.
#[test]
fn checks_of_files_report_as_described() {
    for block in include_str!("machines.txt").trim().split("\n\n") {
        let (title, block) = block.split_once('\n').expect("a title");
        let (id, block) = block.split_once('\n').expect("a check");
        let check = CHECKS.iter().find(|check| check.id == id).expect("an id");
        let files = block.lines().filter(|line| line.starts_with('/'));
        let files = Vec::from_iter(files).join("\n");
        for (case, expected) in block.lines().filter_map(|line| line.split_once("→ ")) {
            let lines = lines_with(check.run, &files.replace("CASE", case.trim()));
            let is_met = match expected.strip_prefix("no ") {
                Some("fault") => lines.iter().all(|line| line.state == State::Ok),
                Some(what) => lines.iter().all(|line| line.what != what),
                None => lines
                    .iter()
                    .any(|line| [short(line), full(line)].contains(&expected.to_owned())),
            };
            assert!(is_met, "{title} {case}→ {expected}, but {lines:#?}");
        }
    }
}

/// Asserts that none of the lines is a warning or a fault.
pub(super) fn assert_no_fault(lines: &[String]) {
    assert!(lines.iter().all(|line| line.starts_with("Ok")), "{lines:?}");
}

/// The cases of a test, one per line: the input and the expected result, separated by ` → `.
pub(super) fn cases(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = table.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.split_once(" → ").expect("two texts"))
}
