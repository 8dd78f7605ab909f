//! A refused provisioning file of a box that is set up: a notice on its wall, below the cameras.
//!
//! The wall forgets the notice after some seconds, so it is told again and again while the problems are there. So a wall that was restarted
//! has it too, and one whose agent has ended shows no old one.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tracing::debug;

use super::cycle::ChildRole;
use super::driver::Driver;
use super::provision::{first_problems, problems};
use crate::control::Request;

/// How often the wall is told.
const EVERY: Duration = Duration::from_secs(5);
/// How long the wall shows it without being told again, in seconds.
const LIFE_SECONDS: u64 = 20;
/// Time limit of a request.
const LIMIT: Duration = Duration::from_secs(5);
/// Problems that are shown at once: the cameras need the room.
const SHOWN: usize = 4;

/// Tells the wall the problems of the last provisioning.
#[derive(Debug)]
pub(super) struct WallNotice {
    /// The root of the system; `None` without `--setup-notice`.
    root: Option<PathBuf>,
    told: Vec<String>,
    /// When the wall is told again.
    due: Duration,
    asking: Option<JoinHandle<()>>,
}

impl WallNotice {
    pub(super) fn new(root: Option<PathBuf>) -> Self {
        Self {
            root,
            told: Vec::new(),
            due: Duration::ZERO,
            asking: None,
        }
    }

    /// About one second has passed.
    pub(super) fn tick(&mut self, driver: &Driver) {
        let now = driver.clock.now();
        let wall = driver.children.get(&ChildRole::Wall);
        let wall = wall.and_then(|wall| wall.recipient(ChildRole::Wall));
        let (Some(root), Some(wall)) = (&self.root, wall) else {
            return;
        };
        let lines = lines(&problems(root));
        let is_told = self.told == lines && (lines.is_empty() || now < self.due);
        // A wall that hangs has one request at a time.
        let is_busy = self.asking.as_ref().is_some_and(|task| !task.is_finished());
        if is_told || is_busy {
            return;
        }
        self.told.clone_from(&lines);
        self.due = now + EVERY;
        let request = Request::Notice {
            lines,
            seconds: LIFE_SECONDS,
        };
        self.asking = Some(spawn_blocking(move || {
            if let Err(err) = wall.ask(&request, LIMIT) {
                debug!(%err, "the wall does not take the notice; it is told again");
            }
        }));
    }
}

fn lines(problems: &[String]) -> Vec<String> {
    if problems.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["provisioning file refused; this box keeps its settings".to_owned()];
    lines.extend(first_problems(problems, SHOWN, ""));
    lines.push(
        "next: correct the file and plug the USB stick in again, or remove it and restart the box"
            .to_owned(),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notice_has_the_problems_and_the_next_step() {
        assert_eq!(lines(&[]), Vec::<String>::new());
        let problems: Vec<String> = (0..6).map(|number| format!("fault {number}")).collect();
        let shown = lines(&problems);
        assert_eq!(shown.len(), 7);
        assert_eq!(shown[1], "fault 0");
        assert_eq!(shown[5], "and 2 more problems, in the journal");
        assert!(shown[6].starts_with("next: correct the file"));
    }
}
