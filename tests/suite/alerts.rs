//! The alert rules: valid, firing when they should, and about figures that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use nvr::base::cache_dir;
use nvr::control::wall_state::{Head, SyncMetrics, Tile, Video, WallState};
use nvr::web::wall::samples;

use crate::support::broker::free_port;
use crate::support::stage::Stage;
use crate::support::stage::page;
use crate::support::wait::{SOON, until};

fn rules(file: &str) -> PathBuf {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/board/common/prometheus"
    ))
    .join(file)
}

fn promtool(arguments: &[&str], file: &str) {
    let installed = cache_dir().join("tools/bin/promtool");
    let program = if installed.exists() {
        installed
    } else {
        "promtool".into()
    };
    let output = Command::new(program)
        .args(arguments)
        .arg(rules(file))
        .output()
        .expect("promtool is there: run `tools/setup tests`");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Words of `text` that are names of our figures.
fn names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("nvr_"))
        .map(str::to_owned)
        .collect()
}

/// What the rules ask for.
fn asked() -> BTreeSet<String> {
    let text = std::fs::read_to_string(rules("nvr.rules.yml")).expect("the rules");
    // Expressions alone: a runbook may name what is none.
    let mut expressions = String::new();
    let mut inside = false;
    for line in text.lines().map(str::trim_start) {
        inside = line.starts_with("expr:") || inside && !line.starts_with("for:");
        if inside {
            expressions += line;
            expressions.push('\n');
        }
    }
    names(&expressions)
}

/// What a scrape of figures holds.
fn offered(text: &str) -> BTreeSet<String> {
    let figures = text.lines().filter(|line| !line.starts_with('#'));
    names(&figures.collect::<Vec<_>>().join("\n"))
}

/// Everything that a wall can tell.
fn of_a_wall() -> BTreeSet<String> {
    let state = WallState {
        heads: vec![Head::default()],
        tiles: vec![Tile {
            video: Video {
                age_s: Some(1.0),
                ..Video::default()
            },
            fps: Some(25.0),
            latency_ms: Some(80.0),
            sync: SyncMetrics {
                matched_share: Some(1.0),
                skew_p50_ms: Some(0.0),
                skew_p95_ms: Some(1.0),
                ..SyncMetrics::default()
            },
            ..Tile::default()
        }],
        ..WallState::default()
    };
    struct Fixed(WallState);
    impl nvr::health::MetricsSource for Fixed {
        fn samples(&self) -> Vec<nvr::health::Sample> {
            samples(&self.0)
        }
    }
    let report: std::sync::Arc<dyn nvr::health::MetricsSource> = std::sync::Arc::new(Fixed(state));
    offered(&nvr::health::encode(&report))
}

#[test]
fn the_rules_are_valid_and_fire_as_their_tests_say() {
    promtool(&["check", "rules"], "nvr.rules.yml");
    promtool(&["test", "rules"], "nvr.rules.test.yml");
}

#[test]
fn each_figure_of_the_rules_and_of_the_documentation_is_exported() {
    let address = format!("127.0.0.1:{}", free_port());
    let dir = tempfile::tempdir().expect("a folder");
    let record = dir.path().display().to_string();
    let stage = Stage::start(1, &["--http", &address, "--record", &record]);
    stage.events(0, 1);
    let text = until("the processor's figures", SOON, || {
        let text = page(&address, "/metrics");
        // The states of sources are taken once a second.
        let is_told = |name| text.contains(name);
        (is_told("nvr_recorded_bytes_total{") && is_told("nvr_recording{")).then_some(text)
    });
    let of_a_processor = offered(&text);
    let all: BTreeSet<String> = of_a_processor.union(&of_a_wall()).cloned().collect();
    let unknown: Vec<String> = asked().difference(&all).cloned().collect();
    assert_eq!(unknown, Vec::<String>::new(), "asked for by a rule");
    assert!(asked().len() > 10, "{:?}", asked());

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let documented = std::fs::read_to_string(file).expect("docs/metrics.md");
    let documented: BTreeSet<String> = documented
        .lines()
        .filter(|line| line.starts_with("| `nvr_"))
        .flat_map(names)
        .collect();
    // What the page of a wall adds of itself is held by its own tests.
    let own = ["nvr_wall_page_viewers", "nvr_wall_page_pictures_total"].map(str::to_owned);
    let all = all.into_iter().chain(own).collect::<BTreeSet<_>>();
    assert_eq!(documented, all, "documented, and exported");
}
