//! `nvr demo-fleet`: two boxes get their documents from a desk, and a camera that is added later shows up on the wall.

use std::time::Duration;

use tempfile::TempDir;

use crate::support::process::{Running, nvr};
use crate::support::wait::until_true;

/// Longest run on a busy machine: it starts four processes and two roles, and applies twice.
const RUN: Duration = Duration::from_secs(180);

fn demo(args: &[&str], temporary: &TempDir) -> Running {
    let mut command = nvr();
    command
        .args(["demo-fleet", "--backend", "scripted", "--n", "1"])
        .args(["--mqtt-port", "0", "--rtsp-port", "0"])
        .args(["--http", "127.0.0.1:0"])
        .args(args)
        .env("TMPDIR", temporary.path());
    Running::start(command)
}

/// The processes of the demonstration: those that work in its folder.
fn processes(temporary: &TempDir) -> Vec<String> {
    let folders = std::fs::read_dir("/proc").expect("processes");
    let here = |process: &std::fs::DirEntry| {
        let folder = std::fs::read_link(process.path().join("cwd")).ok();
        folder.is_some_and(|folder| folder.starts_with(temporary.path()))
    };
    let found = folders.flatten().filter(here);
    found
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_camera_is_added_and_nothing_is_left_behind() {
    let (temporary, out) = (TempDir::new(), TempDir::new());
    let (temporary, out) = (temporary.expect("a folder"), out.expect("a folder"));
    let picture = out.path().join("wall.png");
    let shown = picture.display().to_string();
    let mut demo = demo(&["--duration", "4", "--snapshot", &shown], &temporary);
    let ended = demo.end(RUN);
    let lines = demo.out().settled();
    let told = lines.join("\n");
    assert!(ended.success(), "{told}\n{:?}", demo.err().settled());
    let is_row = |line: &&String| line.starts_with("yard-box ") && line.contains(" applied ");
    let rows: Vec<Vec<&str>> = lines
        .iter()
        .filter(is_row)
        .map(|line| line.split_whitespace().collect())
        .collect();
    let (generations, cameras): (Vec<_>, Vec<_>) = rows.iter().map(|row| (row[5], row[7])).unzip();
    assert_eq!(
        (generations, cameras),
        (vec!["1", "2"], vec!["1/1", "2/2"]),
        "{told}"
    );
    let added = "    + wall.camera[id=1] = ";
    assert!(lines.iter().any(|line| line.starts_with(added)), "{told}");
    // Two tiles beside each other, each with its camera.
    let picture = image::open(&picture).expect("a picture").to_rgb8();
    let (width, height) = picture.dimensions();
    assert!(width > height, "{width}×{height}");
    for side in [0, width / 2] {
        let tile = (side..side + width / 2).flat_map(|x| (0..height).map(move |y| (x, y)));
        let colours: std::collections::BTreeSet<[u8; 3]> =
            tile.map(|(x, y)| picture.get_pixel(x, y).0).collect();
        assert!(
            colours.len() > 1000,
            "{} colours from {side}",
            colours.len()
        );
    }
    until_true("every process has ended", RUN, || {
        processes(&temporary).is_empty()
    });
    // Libraries may leave files of their own there.
    let left = std::fs::read_dir(&temporary).expect("a folder").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    let is_ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("nvr-fleet-");
    assert!(!left.iter().any(is_ours), "{left:?}");
}

#[test]
fn its_processes_end_with_it() {
    let temporary = TempDir::new().expect("a folder");
    let mut demo = demo(&[], &temporary);
    demo.out().find("the boxes are online", RUN, |line| {
        line == "# two boxes are online, and neither has a document"
    });
    assert!(processes(&temporary).len() >= 4);
    demo.kill();
    until_true("every process has ended", RUN, || {
        processes(&temporary).is_empty()
    });
}
