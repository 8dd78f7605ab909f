//! Commands in the box: a line of base64 each way through a port of the machine (`tests/boot/layer` has the other side).

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Output;
use crate::support::process::Lines;

/// Longest command.
const LIMIT: Duration = Duration::from_secs(120);

/// The box's root shell.
pub(super) struct Shell {
    port: UnixStream,
    answers: Lines,
    last: u32,
}

impl Shell {
    pub(super) fn new(port: UnixStream) -> Self {
        let answers = Lines::of(port.try_clone().expect("a second descriptor"));
        Self {
            port,
            answers,
            last: 0,
        }
    }

    /// Whether it takes commands.
    pub(super) fn is_ready(&self) -> bool {
        self.answers.all().iter().any(|line| line == "ready")
    }

    /// Runs a script and waits for its end.
    pub(super) fn run(&mut self, script: &str) -> Output {
        self.last += 1;
        let start = format!("{} ", self.last);
        let script = STANDARD.encode(script);
        writeln!(self.port, "{start}{script}").expect("the box listens");
        let answer = self.answers.find("an answer of the box", LIMIT, |line| {
            line.starts_with(&start)
        });
        let mut words = answer.split(' ').skip(1);
        let code = words.next().and_then(|word| word.parse().ok());
        let out = STANDARD.decode(words.next().unwrap_or_default());
        Output {
            code: code.expect("an exit code"),
            out: String::from_utf8_lossy(&out.expect("base64")).into_owned(),
        }
    }
}
