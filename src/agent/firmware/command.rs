//! Runs one command of `firmware.toml` to its end, with a time limit. Blocks its thread.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::agent::log_end::log_end;
use crate::agent::state_dir::private_folder;
use crate::base::{Stop, ending, private_file};
use crate::config::without_secrets;

/// How often a command is looked after.
const LOOK: Duration = Duration::from_millis(100);
/// The end of its output that is told, in bytes and in lines.
const TOLD_BYTES: u64 = 2000;
const TOLD_LINES: usize = 5;

/// The words that stand for something in arguments.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    pub(super) file: String,
    pub(super) version: String,
    pub(super) slot: String,
}

/// Runs `command` and returns what it has printed, without blanks at the ends. Its output goes through files in `folder`. It is
/// killed, with the processes that it has started, at the time limit and when `stop` is raised.
///
/// # Errors
/// How it ended, with the last lines of its output, without secrets.
pub(super) fn run(
    command: &[String],
    words: &Words,
    folder: &Path,
    limit: Duration,
    stop: &Stop,
) -> Result<String, String> {
    let filled = |word: &String| {
        word.replace("{file}", &words.file)
            .replace("{version}", &words.version)
            .replace("{slot}", &words.slot)
    };
    let mut filled = command.iter().map(filled);
    let program = filled.next().unwrap_or_default();
    let not_run = |err: std::io::Error| format!("can't run {program}: {err}");
    private_folder(folder).map_err(not_run)?;
    let (printed, logged) = (folder.join("command.out"), folder.join("command.err"));
    let mut child = Command::new(&program)
        .args(filled)
        .stdin(Stdio::null())
        .stdout(private_file(&printed).map_err(not_run)?)
        .stderr(private_file(&logged).map_err(not_run)?)
        .process_group(0)
        .spawn()
        .map_err(not_run)?;
    let until = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(not_run)? {
            break status;
        }
        let is_late = Instant::now() >= until;
        if is_late || stop.wait(LOOK) {
            kill(&mut child);
            return Err(match is_late {
                true => format!("{program} did not end within {} s", limit.as_secs()),
                false => format!("{program} was stopped"),
            });
        }
    };
    let text = last_lines(&printed);
    if status.success() {
        return Ok(text);
    }
    let reason = Some(last_lines(&logged)).filter(|reason| !reason.is_empty());
    let reason = without_secrets(&reason.unwrap_or(text).replace('\n', " / "));
    let how = ending(status);
    Err(match reason.is_empty() {
        true => format!("{program} ended with {how}"),
        false => format!("{program} ended with {how}: {reason}"),
    })
}

fn kill(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

fn last_lines(path: &Path) -> String {
    let text = log_end(path, TOLD_BYTES);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Result<String, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let words = Words {
            file: "/data/image".to_owned(),
            version: "2.0".to_owned(),
            slot: "a".to_owned(),
        };
        let command = ["sh", "-c", script].map(str::to_owned);
        run(&command, &words, dir.path(), limit, &Stop::default())
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn what_it_prints_is_returned_and_words_are_filled_in() {
        assert_eq!(
            sh("echo {slot} {version} {file}; echo noise >&2", LONG),
            Ok("a 2.0 /data/image".to_owned())
        );
    }

    #[test]
    fn a_failure_tells_its_last_lines_without_secrets() {
        let told = sh(
            "for i in 1 2 3 4 5 6 7; do echo line $i >&2; done; echo get https://me:hunter2@host/x >&2; exit 3",
            LONG,
        );
        let told = told.expect_err("it fails");
        assert!(
            told.starts_with("sh ended with exit code 3: line 4 / line 5"),
            "{told}"
        );
        assert!(
            !told.contains("hunter2") && told.contains("host/x"),
            "{told}"
        );
        let told = sh("exit 1", LONG).expect_err("it fails");
        assert_eq!(told, "sh ended with exit code 1");
    }

    #[test]
    fn it_is_killed_with_its_children_at_the_limit() {
        let dir = tempfile::tempdir().expect("a folder");
        let mark = dir.path().join("mark");
        let script = format!("(sleep 3; touch {}) & wait", mark.display());
        let told = sh(&script, Duration::from_millis(300)).expect_err("it is late");
        assert_eq!(told, "sh did not end within 0 s");
        assert!(!Stop::default().wait(Duration::from_secs(3)) && !mark.exists());
    }

    #[test]
    fn a_missing_program_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let command = ["/nonexistent/tool".to_owned()];
        let told = run(
            &command,
            &Words::default(),
            dir.path(),
            LONG,
            &Stop::default(),
        );
        let told = told.expect_err("it is missing");
        assert!(told.starts_with("can't run /nonexistent/tool: "), "{told}");
    }
}
