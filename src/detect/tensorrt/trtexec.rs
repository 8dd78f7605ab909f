//! `trtexec`, TensorRT's tool for building engines, or this program in its place ([`super::builder`]): its path, its supported
//! flags, and its output while it works.
//!
//! Its flags differ by version, so only flags in its `--help` are used. 8.5 skips its measurement with `--buildOnly`,
//! later versions with `--skipInference`; the memory limit was `--workspace` before 8.4; 11 has no `--fp16`. This program takes
//! its words, and has `--pictureShape` and `--computeCapability` besides.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::build_command::{BuildCommand, arguments};
use super::error::TensorRtError;
use super::product::Product;
use super::version::Version;
use crate::base::Stop;
use crate::base::sync::lock;

/// The path in JetPack and the Debian packages; it is not in PATH.
const USUAL_PLACE: &str = "/usr/src/tensorrt/bin/trtexec";

/// The interval of progress reports.
const TICK: Duration = Duration::from_millis(250);

/// The number of lines of its output that an error shows.
const TAIL: usize = 12;

/// This program's subcommand that builds an engine in its own process, and its option that prints its flags.
pub const BUILDER_COMMAND: &str = "engine-builder";
const BUILDER_FLAGS: &str = "--flags";

/// The tool.
#[derive(Debug)]
pub(super) struct Tool {
    path: PathBuf,
    /// What comes before its flags.
    leading: Vec<OsString>,
    /// Its name in messages.
    name: &'static str,
    help: String,
}

/// The progress of a build.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Time since the start.
    pub elapsed: Duration,
    /// The last line of the tool's output.
    pub words: &'a str,
}

impl Tool {
    /// Finds the tool and reads its flags: `trtexec`, else this program. Blocks for a second.
    ///
    /// # Errors
    /// What was tried, and why each was not used.
    pub(super) fn find(product: Product) -> Result<Self, TensorRtError> {
        let mut tried = Vec::new();
        if product == Product::TensorRt {
            for path in candidates() {
                match Self::asked(path.clone(), Vec::new(), "trtexec", "--help") {
                    Ok(tool) => return Ok(tool),
                    Err(reason) => tried.push(format!("{}: {reason}", path.display())),
                }
            }
        }
        let leading = vec![BUILDER_COMMAND.into(), product.name().into()];
        std::env::current_exe()
            .map_err(|error| error.to_string())
            .and_then(|path| Self::asked(path, leading, "nvr", BUILDER_FLAGS))
            .map_err(|reason| {
                tried.push(reason);
                TensorRtError::ToolAbsent { product, tried }
            })
    }

    /// The tool, after it has said its flags.
    fn asked(
        path: PathBuf,
        leading: Vec<OsString>,
        name: &'static str,
        question: &str,
    ) -> Result<Self, String> {
        let output = Command::new(&path)
            .args(&leading)
            .arg(question)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let told = String::from_utf8_lossy(&output.stderr);
        let help = String::from_utf8_lossy(&output.stdout).into_owned() + &told;
        if help.contains("--onnx") && help.contains("--saveEngine") {
            return Ok(Self {
                path,
                leading,
                name,
                help,
            });
        }
        Err(match (name, told.trim().lines().last()) {
            ("nvr", Some(reason)) => reason.trim_start_matches("error: ").to_owned(),
            _ => format!("its {question} names no --onnx"),
        })
    }

    /// What it is, for people.
    pub(super) fn describe(&self) -> String {
        match self.name {
            "nvr" => "this program, by TensorRT's ONNX parser".to_owned(),
            _ => self.path.display().to_string(),
        }
    }

    /// Builds an engine; calls `progress` four times per second. Blocks for minutes; ends early when `stop` is raised.
    ///
    /// # Errors
    /// If the tool does not support a flag, fails, or has another version than `version`, which could not load the
    /// engine.
    pub(super) fn build(
        &self,
        command: &BuildCommand<'_>,
        version: Version,
        progress: &mut dyn FnMut(Progress<'_>),
        stop: &Stop,
    ) -> Result<(), TensorRtError> {
        let arguments = arguments(self.name, &self.help, command)?;
        tracing::debug!(tool = %self.path.display(), ?arguments, "building an engine");
        let failed = |reason: String, words: String| TensorRtError::Tool {
            tool: self.name,
            model: command.model.to_owned(),
            reason,
            words,
        };
        let child = Command::new(&self.path)
            .args(&self.leading)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string(), String::new()))?;
        let mut process = ToolProcess::of(child);
        let started = Instant::now();
        let status = loop {
            let ended = process
                .child
                .try_wait()
                .map_err(|error| failed(error.to_string(), String::new()))?;
            if let Some(status) = ended {
                break status;
            }
            let words = process.output.last();
            progress(Progress {
                elapsed: started.elapsed(),
                words: &words,
            });
            if stop.wait(TICK) {
                return Err(TensorRtError::Stopped {
                    model: command.model.to_owned(),
                });
            }
        };
        let output = process.finish();
        if !status.success() {
            let words = output.error().unwrap_or_else(|| output.tail());
            return Err(failed(format!("it ended with {status}"), words));
        }
        let found = output.version_number();
        let found = found.map(|number| Version::of_library(version.product, number));
        if let Some(found) = found
            && found != version
        {
            return Err(failed(
                format!("it is of TensorRT {found}, but the installed library is of {version}"),
                output.tail(),
            ));
        }
        if !command.engine.is_file() {
            return Err(failed("it wrote no engine".to_owned(), output.tail()));
        }
        Ok(())
    }
}

/// The running tool, which is killed when this is dropped.
struct ToolProcess {
    child: Child,
    output: Arc<ToolOutput>,
    readers: Vec<JoinHandle<()>>,
}

impl ToolProcess {
    fn of(mut child: Child) -> Self {
        let output = Arc::new(ToolOutput::default());
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        let readers = streams
            .into_iter()
            .flatten()
            .map(|stream| {
                let output = output.clone();
                std::thread::spawn(move || output.listen(stream))
            })
            .collect();
        Self {
            child,
            output,
            readers,
        }
    }

    /// All output, after the tool has ended.
    fn finish(&mut self) -> Arc<ToolOutput> {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.output.clone()
    }
}

impl Drop for ToolProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of the tool's output.
#[derive(Debug, Default)]
struct ToolOutput(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    last: VecDeque<String>,
    version_number: Option<i32>,
}

impl ToolOutput {
    fn listen(&self, stream: Box<dyn Read + Send>) {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.is_empty() {
                continue;
            }
            let mut lines = self.lock();
            if lines.version_number.is_none() {
                lines.version_number = announced(&line);
            }
            if lines.last.len() == TAIL {
                lines.last.pop_front();
            }
            lines.last.push_back(line);
        }
    }

    fn last(&self) -> String {
        self.lock().last.back().cloned().unwrap_or_default()
    }

    /// The reason with which this program ends. Lines of the other stream may be read after it.
    fn error(&self) -> Option<String> {
        let lines = self.lock();
        let mut latest_first = lines.last.iter().rev();
        latest_first.find_map(|line| Some(line.strip_prefix("error: ")?.to_owned()))
    }

    fn tail(&self) -> String {
        let lines = self.lock();
        let lines: Vec<&str> = lines.last.iter().map(String::as_str).collect();
        lines.join(" / ")
    }

    fn version_number(&self) -> Option<i32> {
        self.lock().version_number
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        lock(&self.0)
    }
}

/// The number in `&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec …`.
fn announced(line: &str) -> Option<i32> {
    let (_, rest) = line.split_once("[TensorRT v")?;
    let (number, _) = rest.split_once(']')?;
    number.parse().ok()
}

/// Only the path that the operator names, otherwise PATH and the usual path.
fn candidates() -> Vec<PathBuf> {
    match std::env::var_os("NVR_TRTEXEC").filter(|path| !path.is_empty()) {
        Some(path) => vec![path.into()],
        None => vec!["trtexec".into(), USUAL_PLACE.into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_says_which_version_it_is() {
        let line = "&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec --onnx=m.onnx";
        assert_eq!(announced(line), Some(8502));
        let line = "&&&& RUNNING TensorRT.trtexec [TensorRT v101301] [b9] # trtexec";
        assert_eq!(announced(line), Some(101_301));
        assert_eq!(announced("[I] hello"), None);
    }
}
