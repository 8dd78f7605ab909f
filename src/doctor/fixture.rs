//! For unit tests: machines as file trees, and lines of the report in one text each.

use std::path::Path;

use super::check::Run;
use super::{CHECKS, Emit, Line, Machine, Options, Report, Section, State};
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

/// The lines that `emits` emits.
pub(super) fn emitted(emits: impl FnOnce(Emit<'_>)) -> Vec<Line> {
    let mut lines = Vec::new();
    emits(&mut |line| lines.push(line));
    lines
}

/// The lines of `check` on a machine with these files, as if its root were that of this machine.
pub(super) fn lines_with(check: Run, files: &str) -> Vec<Line> {
    let (dir, machine) = machine_with(files);
    let root = dir.path().display().to_string();
    let mut lines = emitted(|emit| check(&machine, emit));
    for line in &mut lines {
        line.found = line.found.replace(&root, "");
        line.remedy = line.remedy.take().map(|text| text.replace(&root, ""));
    }
    lines
}

/// A report with one section, of these lines.
pub(super) fn report_of(lines: Vec<Line>) -> Report {
    Report::new(vec![Section {
        id: "disk".to_owned(),
        title: "Disk".to_owned(),
        took_ms: 3,
        lines,
    }])
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

/// `machines.txt` has blocks: what is asserted, the id of a check, the files of some machines (`CASE` in the place of what differs),
/// and expectations `what differs → a line`. The line may lack its remedy and its figures, or end with `…`. `only` before it expects
/// no other line. `no fault` expects only lines that are ok, and `no x` none about x.
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
            let is = |line: &Line, text: &str| match text.strip_suffix('…') {
                Some(start) => full(line).starts_with(start),
                None => [short(line), full(line)].contains(&text.to_owned()),
            };
            let mut each = lines.iter();
            let is_met = match expected.split_once(' ').expect("words") {
                ("no", "fault") => each.all(|line| line.state == State::Ok),
                ("no", what) => each.all(|line| line.what != what),
                ("only", text) => lines.len() == 1 && is(&lines[0], text),
                _ => each.any(|line| is(line, expected)),
            };
            assert!(is_met, "{title} {case}→ {expected}, but {lines:#?}");
        }
    }
}

/// The cases of a test, one per line: the input and the expected result, separated by ` → `.
pub(crate) fn cases(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = table.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.split_once(" → ").expect("two texts"))
}
