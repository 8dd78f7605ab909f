//! An agent that is killed at any moment while documents come: each start has a whole document, the former or the new one.
#![expect(
    clippy::print_stdout,
    reason = "the seed and the counts are what the long run is for"
)]

use std::time::Duration;

use nvr::fleet::DocumentHash;

use super::stage::{FIRST, Stage, document, sources};
use crate::support::wait::SOON;

/// The kills come within this time of a document: it is saved, applied, tried for a second and promoted meanwhile.
const WINDOW: Duration = Duration::from_millis(3500);

/// What a start has found, from the log of the agent.
#[derive(Debug, PartialEq)]
struct Found {
    applied: Option<u64>,
    good: Option<u64>,
}

/// A number of a line of the log, such as 5 of `applied=5`.
fn number(line: &str, name: &str) -> Option<u64> {
    let rest = line.split_once(&format!(" {name}="))?.1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn found(stage: &mut Stage) -> Found {
    let line = stage.agent().err().find("the documents", SOON, |line| {
        line.contains("state of the documents")
    });
    Found {
        applied: number(&line, "applied"),
        good: number(&line, "last_known_good"),
    }
}

/// Publishes a document, kills the agent at a random moment, and starts it again; `kills` times.
fn kill_again_and_again(kills: u64) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut stage = Stage::applied(&[0]);
    let mut hashes = vec![String::new(), String::new()];
    let mut good = 1;
    let (mut promoted, mut interrupted) = (0, 0);
    for generation in 2..2 + kills {
        let mut wanted = document(generation, sources(&[(generation % 2) as u32]));
        wanted["probation"]["limit"] = "1s".into();
        // Each differs: of one that changes nothing on the box, the role keeps what it was started with.
        wanted["processor"]["camera"][0]["name"] = format!("gate {generation}").into();
        let text = wanted.to_string();
        hashes.push(DocumentHash::of(text.as_bytes()).short().to_owned());
        stage.desire_bytes(text.as_bytes());
        std::thread::sleep(WINDOW.mul_f64(random.f64()));
        stage.agent().kill();
        stage.start();
        let found = found(&mut stage);
        // One that was saved and not begun is tried after the start, while the next one comes.
        let applied = found.applied.unwrap_or_default();
        assert!(
            (good..=generation).contains(&applied) && found.applied == found.good,
            "seed {seed}, generation {generation} after {good}: {found:?}"
        );
        // It is the document that was published, not only its number.
        if applied > 1 {
            let hash = &hashes[applied as usize];
            stage.agent().err().find("the document runs", SOON, |line| {
                line.contains("the role starts") && line.contains(hash)
            });
        }
        if applied > good {
            (good, promoted) = (applied, promoted + 1);
        } else {
            interrupted += 1;
        }
        let lines = stage.agent().err().all();
        let damaged = lines.iter().find(|line| line.contains("was damaged"));
        assert_eq!(damaged, None, "seed {seed}, generation {generation}");
    }
    println!("{kills} kills: {promoted} new documents, {interrupted} former ones");
    stage.desire(&document(kills + 2, sources(&[0, 1])));
    stage.reported_within(FIRST * 2, |reported| {
        reported["generation"] == kills + 2 && reported["phase"] == "applied"
    });
    stage.flows(1);
}

#[test]
fn an_agent_that_is_killed_five_times_always_has_a_document() {
    kill_again_and_again(5);
}

#[test]
#[ignore = "takes minutes: `make test-long` runs it"]
fn an_agent_that_is_killed_three_hundred_times_always_has_a_document() {
    kill_again_and_again(300);
}
