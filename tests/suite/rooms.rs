//! The rooms of `src/` import each other in one direction only, so do the files of a room, and each foreign world has one
//! owner.

mod circles;
mod names;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, lowest first, and the rooms that each may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("config", &["base"]),
    ("media", &["base", "config"]),
    ("detect", &["base", "config"]),
    ("track", &["base", "config", "detect"]),
    ("event", &["base", "config", "track"]),
    ("bus", &["base", "config", "event"]),
    // What cameras send, before it is decoded.
    ("record", &["base", "config", "media"]),
    ("align", &["base", "config", "event"]),
    // A camera of a wall takes its frames from a session and its boxes from events.
    ("render", &["base", "config", "media", "event", "align"]),
    ("display", &["base", "config", "render"]),
    // Statuses carry those of the sources, as they are published.
    ("control", &["base", "config", "event"]),
    ("health", &["base", "config"]),
    // Below the roles, which serve their pages themselves: a page knows a role by a trait alone.
    ("web", &["base", "config", "render", "control", "health"]),
    // The documents of a fleet, which its agents and its desk share.
    ("fleet", &["base", "config", "event", "bus", "control"]),
    // Servers of files are trusted as brokers are.
    ("fetch", &["base", "config", "bus"]),
    (
        "role",
        &[
            "base", "config", "media", "detect", "bus", "control", "health", "web",
        ],
    ),
    // The roles know nothing of each other: all that goes from one to the other goes over the broker.
    (
        "processor",
        &[
            "base", "config", "media", "detect", "track", "event", "bus", "record", "control",
            "health", "web", "role",
        ],
    ),
    (
        "wall",
        &[
            "base", "config", "media", "event", "bus", "align", "render", "display", "control",
            "health", "web", "role",
        ],
    ),
    // It runs the roles as processes, and speaks to them by their sockets.
    (
        "agent",
        &[
            "base", "config", "detect", "event", "bus", "control", "health", "fleet", "fetch",
        ],
    ),
    ("watch", &["base", "config", "event", "bus"]),
    // The doctor asks processes what they do, by their sockets: it has no need of a role's code.
    (
        "doctor",
        &[
            "base", "config", "media", "detect", "event", "bus", "record", "display", "control",
        ],
    ),
    ("support", &["base", "config", "control", "doctor"]),
    (
        "demo",
        &[
            "base",
            "config",
            "media",
            "event",
            "bus",
            "control",
            "web",
            "role",
            "processor",
            "wall",
            // Its processes end with it as the roles of an agent do.
            "agent",
        ],
    ),
    (
        "cli",
        &[
            "base",
            "config",
            "media",
            "detect",
            "track",
            "event",
            "record",
            "bus",
            "align",
            "render",
            "display",
            "control",
            "health",
            "web",
            "fleet",
            "fetch",
            "role",
            "processor",
            "wall",
            "agent",
            "watch",
            "doctor",
            "support",
            "demo",
        ],
    ),
];

/// Foreign crates, and the room, folder or file that may name each. One with two formats of ours has a line for each.
const OWNERS: &[(&str, &str)] = &[
    ("gstreamer", "media"),
    ("gstreamer_allocators", "media/dmabuf_frame.rs"),
    ("gstreamer_app", "media"),
    ("gstreamer_video", "media"),
    ("gstreamer_rtsp", "media"),
    ("gstreamer_rtsp_server", "media/testcam"),
    ("gio", "media"),
    ("v4l", "media/v4l2"),
    ("ort", "detect/onnxruntime.rs"),
    ("ort", "detect/onnxruntime"),
    ("rten", "detect"),
    ("rten_tensor", "detect/rten.rs"),
    ("libloading", "detect/tensorrt"),
    ("half", "detect"),
    ("pathfinding", "track"),
    ("postcard", "event"),
    ("postcard", "record/scene.rs"),
    ("rumqttc", "bus"),
    ("rustls", "bus"),
    ("tokio_rustls", "bus"),
    ("rustls_native_certs", "bus"),
    ("swash", "render/paint"),
    ("cosmic_text", "render/paint/shaping.rs"),
    ("unicode_segmentation", "render/paint"),
    ("drm", "display/kms"),
    ("prometheus_client", "health/metrics.rs"),
    ("sd_notify", "health/watchdog.rs"),
    ("axum", "web"),
    ("hyper", "web/connections.rs"),
    ("hyper_util", "web/connections.rs"),
    ("ratatui", "watch"),
    ("crossterm", "watch"),
    ("mp4_atom", "record/mp4"),
    ("rusqlite", "record/index"),
    ("bytesize", "config/amount.rs"),
    ("tar", "base/archive"),
    ("flate2", "base/archive"),
    ("crc32fast", "base/checksum.rs"),
    ("ureq", "fetch/http.rs"),
    ("regex", "support"),
    ("libc", "base/kernel"),
    ("ring", "base/keys.rs"),
    ("tracing_subscriber", "cli/logging.rs"),
];

/// Whether a file is the test module of the one beside it.
fn is_tests(path: &Path) -> bool {
    path.file_stem()
        .is_some_and(|stem| stem.to_string_lossy().ends_with("_tests"))
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("src can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !is_tests(&path)
            {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&src(), &mut found);
    found
}

fn room_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(src()).ok()?;
    let mut parts = inside.components();
    let first = parts.next()?.as_os_str().to_str()?.to_owned();
    parts.next().map(|_| first)
}

/// The code of a line: without comments, and without what only tests say.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default()
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or_default()))
}

fn names_crate(line: &str, name: &str) -> bool {
    if !line.contains(name) {
        return false;
    }
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    }) || line.trim_start().starts_with(&format!("use {name}"))
        && !line.trim_start()[4 + name.len()..]
            .starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

#[test]
fn rooms_import_downwards_only() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in sources() {
        let Some(room) = room_of(&path) else { continue };
        let allowed = table.get(room.as_str()).unwrap_or_else(|| {
            panic!("src/{room} is not in the table of rooms: say what it may use")
        });
        let text = fs::read_to_string(&path).expect("a source file");
        for (number, line) in code(&text) {
            for part in line.split("crate::").skip(1) {
                let used: String = part
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if used != room
                    && table.contains_key(used.as_str())
                    && !allowed.contains(&used.as_str())
                {
                    wrong.push(format!(
                        "{}:{number}: {room} may not use {used}",
                        path.display()
                    ));
                }
            }
            assert!(
                !line.contains("use crate::{"),
                "{}:{number}: write `use crate::room::…`, one line a room, so that this test can read it",
                path.display()
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_rooms_has_no_circle() {
    for (index, (room, allowed)) in MAY_USE.iter().enumerate() {
        for used in *allowed {
            assert!(
                MAY_USE[..index].iter().any(|(below, _)| below == used),
                "{room} may use {used}, which is not below it"
            );
        }
    }
}

#[test]
fn files_need_each_other_in_one_direction_only() {
    let sources = circles::Sources::read(&|path| fs::read_to_string(src().join(path)).ok());
    let read: BTreeSet<PathBuf> = sources.names().map(|name| src().join(name)).collect();
    let rooms: BTreeSet<String> = read.iter().filter_map(|path| room_of(path)).collect();
    for (room, _) in MAY_USE {
        assert!(rooms.contains(*room), "no file of {room} was read");
    }
    let circles = sources.circles();
    assert!(
        circles.is_empty(),
        "{}\nput what both sides need into a file below them",
        circles.join("\n")
    );
}

#[test]
fn each_foreign_world_has_one_owner() {
    let mut wrong = Vec::new();
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, owner) in OWNERS {
        owners.entry(name).or_default().push(owner);
    }
    let mut unnamed: BTreeSet<(&str, &str)> = OWNERS.iter().copied().collect();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source file");
        for (number, line) in code(&text) {
            for (name, owners) in &owners {
                if !names_crate(line, name) {
                    continue;
                }
                let is_inside = |owner: &&&str| path.starts_with(src().join(owner));
                match owners.iter().find(is_inside) {
                    Some(owner) => {
                        unnamed.remove(&(*name, *owner));
                    }
                    None => wrong.push(format!(
                        "{}:{number}: {name} belongs to {}",
                        path.display(),
                        owners.join(" and ")
                    )),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        unnamed.is_empty(),
        "the owner does not name its crate: {unnamed:?}"
    );
}

#[test]
fn the_reader_of_use_lines_tells_a_crate_from_a_namesake() {
    assert!(names_crate("use ort::session::Session;", "ort"));
    assert!(names_crate(
        "    let session = ort::init_from(path)?;",
        "ort"
    ));
    assert!(!names_crate("use crate::support::port;", "ort"));
    assert!(!names_crate("let x = effort::new();", "ort"));
    assert!(!names_crate("use gstreamer_app::AppSink;", "gstreamer"));
}
