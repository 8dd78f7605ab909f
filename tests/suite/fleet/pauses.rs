//! Rollouts that pause between their stages, by an option or at the request of another desk, and are resumed.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::process::{Running, clean};
use crate::support::site::{ROLLOUT, Site};
use crate::support::wait::until_true;

const PAUSING: [&str; 6] = [
    "apply",
    "--pause-between-stages",
    "--batch",
    "1",
    "--timeout",
    "30s",
];

#[test]
fn a_rollout_pauses_between_its_stages_and_is_resumed() {
    let site = Site::new(3, "gate");
    let _all = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "100ms"]);
    let (code, text) = site.run(&PAUSING);
    assert_eq!(code, 5, "{text}");
    assert!(
        text.ends_with("or take it back with `nvr fleet halt`\n"),
        "{text}"
    );
    assert_eq!(site.applied(1), 1);
    let (code, text) = site.run(&["apply", "--resume"]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("\nstage 2: 1 device: d2\n"), "{text}");
    assert_eq!(site.applied(1), 2);
    let (code, text) = site.run(&["apply", "--resume"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(site.applied(1), 3);
}

#[test]
fn another_desk_pauses_a_rollout_and_lets_it_go_on() {
    let site = Site::new(3, "gate");
    let (code, text) = site.run(&["pause"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("there is no unfinished rollout"), "{text}");
    let _all = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "100ms"]);
    // Without a pause the second stage would follow five seconds after the first.
    let rollout = ["apply", "--batch", "1", "--soak", "5s", "--timeout", "30s"];
    let mut desk = Running::start(site.command(&rollout));
    desk.out().find("the first stage", ROLLOUT, |line| {
        line.starts_with("stage 1: ")
    });
    let (code, text) = site.run(&["pause", "--by", "ann@office"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("pauses before its next stage"), "{text}");
    desk.out().find("the pause", ROLLOUT, |line| {
        line == "ann@office asks for a pause; the next stage waits for `nvr fleet resume`"
    });
    desk.out().find("the end of the stage", ROLLOUT, |line| {
        line.starts_with("the stage has ended; ")
    });
    let (began, soak) = (Instant::now(), Duration::from_secs(7));
    until_true("the soak is over", ROLLOUT, || began.elapsed() > soak);
    let begun = |line: &String| line.starts_with("stage 2: ");
    assert!(!desk.out().all().iter().any(begun) && !desk.has_ended());
    let (code, text) = site.run(&["resume"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.ends_with("goes on at the desk that runs it\n"),
        "{text}"
    );
    let ended = desk.end(ROLLOUT);
    let told = desk.out().settled().join("\n");
    assert_eq!(ended.code(), Some(0), "{told}");
    assert!(
        told.contains("the pause has ended; the rollout goes on"),
        "{told}"
    );
    assert_eq!(site.applied(1), 3);
    let audit = std::fs::read_to_string(site.dir.path().join("fleet-audit.jsonl")).expect("text");
    for act in [
        "\"who\":\"ann@office\",\"act\":\"pause\"",
        "\"act\":\"resume\"",
    ] {
        assert!(audit.contains(act), "{audit}");
    }
    assert!(!site.dir.path().join("fleet-rollout.pause").exists());
}

#[test]
fn a_pause_outlives_its_desk_and_ends_with_resume() {
    let site = Site::new(2, "gate");
    let _all = site.simulate(&["d1", "d2"], &["--apply-time", "100ms"]);
    let rollout = ["apply", "--batch", "1", "--soak", "1h", "--timeout", "30s"];
    let mut desk = Running::start(site.command(&rollout));
    desk.out().find("the first stage", ROLLOUT, |line| {
        line.starts_with("stage 1: ")
    });
    assert_eq!(site.run(&["pause"]).0, 0);
    let (code, text) = site.run(&["apply", "--resume"]);
    assert_eq!(code, 1, "two desks: {text}");
    desk.out().find("the end of the stage", ROLLOUT, |line| {
        line.starts_with("the stage has ended; ")
    });
    desk.kill();
    let (code, text) = site.run(&["pause"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("no desk works on rollout "), "{text}");
    let (code, text) = site.run(&["resume"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\nstage 2: 1 device: d2\n"), "{text}");
    assert_eq!(site.applied(1), 2);
    let (code, text) = site.run(&["resume"]);
    assert_eq!(code, 2, "{text}");
}

#[test]
fn on_a_terminal_a_pause_ends_with_enter() {
    let site = Site::new(2, "gate");
    let _all = site.simulate(&["d1", "d2"], &["--apply-time", "100ms"]);
    let inside = site.command(&PAUSING);
    let line: Vec<String> = std::iter::once(inside.get_program())
        .chain(inside.get_args())
        .map(|part| format!("'{}'", part.to_string_lossy()))
        .collect();
    let mut command = Command::new("script");
    clean(&mut command);
    command.args(["-qefc", &line.join(" ")]);
    command.arg(site.dir.path().join("typescript"));
    let mut terminal = Running::interactive(command);
    terminal.out().find("the question", ROLLOUT, |line| {
        line.contains("press Enter for the next one")
    });
    assert!(!terminal.has_ended());
    terminal.type_in(b"\n");
    let ended = terminal.end(ROLLOUT);
    let told = terminal.out().settled().join("\n");
    assert_eq!(ended.code(), Some(0), "{told}");
    assert!(told.contains("stage 2: 1 device: d2"), "{told}");
}
