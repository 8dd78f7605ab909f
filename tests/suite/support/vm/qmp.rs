//! QEMU's machine protocol: a line of JSON for each command and each answer.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::support::wait::SOON;

/// A connection that takes commands.
pub(crate) struct Qmp {
    answers: BufReader<UnixStream>,
}

impl Qmp {
    pub(crate) fn new(stream: UnixStream) -> Self {
        // An emulated machine with much to do answers late.
        stream
            .set_read_timeout(Some(4 * SOON))
            .expect("a time-out that is not zero");
        let mut qmp = Self {
            answers: BufReader::new(stream),
        };
        let greeting = qmp.line();
        assert!(greeting["QMP"].is_object(), "{greeting}");
        qmp.execute("qmp_capabilities", &json!({}));
        qmp
    }

    /// What a command gives.
    ///
    /// # Panics
    /// With QEMU's message where it is refused.
    pub(crate) fn execute(&mut self, command: &str, arguments: &Value) -> Value {
        let answer = self.try_execute(command, arguments);
        answer.unwrap_or_else(|error| panic!("{command} {arguments}: {error}"))
    }

    /// What a command gives, or QEMU's message where it is refused.
    pub(crate) fn try_execute(&mut self, command: &str, arguments: &Value) -> Result<Value, Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.answers.get_ref(), "{request}").expect("QEMU reads");
        loop {
            // Events come in between.
            let mut line = self.line();
            if !line["error"].is_null() {
                return Err(line["error"].take());
            }
            if let Some(given) = line.get_mut("return") {
                return Ok(given.take());
            }
        }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .unwrap_or_else(|error| panic!("QEMU does not answer: {error}"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("QEMU said {line:?}: {error}"))
    }
}
