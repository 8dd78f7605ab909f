//! Commands in the guest: scripts in the share, their numbers through the agent's port (`tests/kms/init` has the other side).

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::PATIENCE;
use crate::support::process::Lines;

/// The guest's first process, which runs what it is told.
pub(super) struct Agent {
    port: UnixStream,
    answers: Lines,
    share: PathBuf,
    jobs: AtomicU32,
}

/// A program in the guest. It ends with the guest, or before.
pub(crate) struct Job {
    number: u32,
    pid: u32,
    answers: Lines,
    share: PathBuf,
}

impl Agent {
    pub(super) fn new(port: UnixStream, share: &Path) -> Self {
        let answers = Lines::of(port.try_clone().expect("a second descriptor"));
        Self {
            port,
            answers,
            share: share.to_owned(),
            jobs: AtomicU32::new(0),
        }
    }

    /// Whether it takes commands.
    pub(super) fn is_ready(&self) -> bool {
        self.answers.all().iter().any(|line| line == "ready")
    }

    /// Starts a line of shell.
    pub(super) fn start(&self, line: &str) -> Job {
        let number = self.jobs.fetch_add(1, Ordering::Relaxed);
        fs::write(
            self.share.join(format!("{number}.sh")),
            format!("{}{line}\n", environment()),
        )
        .expect("the share is writable");
        // In one piece: where a child of the guest's shell ends between the digits and the end of the line, its `read` begins
        // again and has lost the digits.
        (&self.port)
            .write_all(format!("{number}\n").as_bytes())
            .expect("the guest listens");
        let (answers, share) = (self.answers.clone(), self.share.clone());
        let pid = answer(&answers, number, "started", PATIENCE);
        Job {
            number,
            pid: pid.parse().expect("a process id"),
            answers,
            share,
        }
    }
}

impl Job {
    /// Its process id in the guest.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Its standard output so far.
    pub(crate) fn out(&self) -> String {
        self.written("out")
    }

    /// Its standard error so far.
    pub(crate) fn err(&self) -> String {
        self.written("err")
    }

    /// Its exit code, where it has ended.
    pub(crate) fn code(&self) -> Option<i32> {
        let start = format!("{} ended ", self.number);
        let all = self.answers.all();
        let code = all.iter().find_map(|line| line.strip_prefix(&start));
        code.map(|code| code.parse().expect("a number"))
    }

    /// Waits for its end and gives its exit code.
    pub(crate) fn end(&self, limit: Duration) -> i32 {
        let code = answer(&self.answers, self.number, "ended", limit);
        code.parse().expect("a number")
    }

    fn written(&self, stream: &str) -> String {
        let file = self.share.join(format!("{}.{stream}", self.number));
        String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
    }
}

/// The rest of the agent's line `NUMBER WORD REST`.
fn answer(answers: &Lines, number: u32, word: &str, limit: Duration) -> String {
    let start = format!("{number} {word} ");
    let what = format!("job {number} of the guest has {word}");
    let line = answers.find(&what, limit, |line| line.starts_with(&start));
    line[start.len()..].to_owned()
}

/// A command line of a shell.
pub(super) fn quoted(program: &str, arguments: &[&str]) -> String {
    let quote = |word: &&str| format!("'{}'", word.replace('\'', r"'\''"));
    let words: Vec<_> = std::iter::once(&program)
        .chain(arguments)
        .map(quote)
        .collect();
    words.join(" ")
}

/// What scripts find: this machine's places, none of its settings.
fn environment() -> String {
    let mut lines = String::new();
    for name in ["HOME", "PATH"] {
        let value = std::env::var(name).unwrap_or_default();
        lines += &format!("export {name}={}\n", quoted(&value, &[]));
    }
    // Where this machine has its plugins registered, looking at each of them again takes the guest seconds.
    lines + "export GST_REGISTRY_UPDATE=no\n"
}
