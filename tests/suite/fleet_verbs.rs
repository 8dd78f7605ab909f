//! The verbs of the published control plane that are edits of a document: each is tried as `docs/fleet.md` has it.

use crate::support::site::Site;

const DOCS: &str = include_str!("../../docs/fleet.md");
const HEADING: &str = "### From verbs to documents";

/// The section of the documentation.
fn section() -> &'static str {
    let (_, rest) = DOCS.split_once(HEADING).expect("the section");
    rest.split_once("\n### ")
        .map_or(rest, |(section, _)| section)
}

/// The file before the edits.
fn file() -> &'static str {
    let (_, rest) = section().split_once("```toml\n").expect("a file");
    rest.split_once("```").expect("its end").0
}

/// The line of TOML that the row of a verb names.
fn line(verb: &str) -> &'static str {
    let row = section()
        .lines()
        .find(|line| line.starts_with(&format!("| `{verb} ")));
    let edit = row.and_then(|row| row.split('|').nth(2));
    let line = edit.and_then(|edit| edit.split('`').nth(1));
    line.unwrap_or_else(|| panic!("no line for {verb}"))
}

/// The file with `new` in place of a line; an empty line removes it.
fn replaced(old: &str, new: &str) -> String {
    let is_old = |line: &&str| line.trim().starts_with(old);
    assert_eq!(file().lines().filter(is_old).count(), 1, "{old}");
    let lines = file().lines().map(|line| match is_old(&line) {
        true => new,
        false => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn each_lasting_verb_is_the_edit_that_the_documentation_shows() {
    let site = Site::new(0, "gate");
    let port = site.broker.port();
    let write = |fleet: &str| {
        let text = format!("[broker]\nhost = \"127.0.0.1\"\nport = {port}\n{fleet}");
        std::fs::write(site.file(), text).expect("written");
    };
    write(file());
    let _device = site.simulate(&["gate-1"], &["--apply-time", "0s"]);
    let (code, text) = site.run(&["apply"]);
    assert_eq!(code, 0, "{text}");
    let plan = || -> Vec<String> {
        let (code, text) = site.run(&["plan"]);
        assert_eq!(code, 0, "{text}");
        text.lines().map(str::to_owned).collect()
    };
    assert_eq!(plan(), ["0 to change, 1 unchanged"]);
    let removed = line("remove_stream");
    for (fleet, change) in [
        (
            format!("{}{}\n", file(), line("change_model")),
            "~ processor.processor.model: \"yolov8n-640\" → \"yolo12n-640\"",
        ),
        (
            format!("{}{}\n", file(), line("set_fps")),
            "+ processor.processor.max_fps = 5",
        ),
        (
            replaced("]", &format!("{}\n]", line("add_stream"))),
            "+ processor.camera[id=3] = {\"id\":3,\"uri\":\"rtsp://10.0.1.22/main\"}",
        ),
        (
            replaced(removed, ""),
            "- processor.camera[id=2] = {\"id\":2,\"uri\":\"rtsp://10.0.1.21/main\"}",
        ),
        (
            format!("{}{}\n", file(), line("rename_instance")),
            "+ processor.instance_id = \"gate-2\"",
        ),
    ] {
        write(&fleet);
        let told = plan();
        let wanted = [
            "gate-1: generation 1 → generation 2",
            &format!("    {change}"),
            "1 to change, 0 unchanged",
        ];
        assert_eq!(told, wanted, "{fleet}");
    }
}
