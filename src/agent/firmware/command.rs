//! Runs one command of `firmware.toml` to its end, with a time limit. Blocks its thread.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::agent::subprocess::{Unended, log_end, run_to_end};
use crate::base::{Stop, ending, private_file, private_folder};
use crate::config::without_secrets;

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
    let mut command = Command::new(&program);
    command
        .args(filled)
        .stdout(private_file(&printed).map_err(not_run)?)
        .stderr(private_file(&logged).map_err(not_run)?);
    let status = run_to_end(&mut command, limit, stop).map_err(|unended| match unended {
        Unended::NotRun(err) => not_run(err),
        Unended::Late => format!("{program} did not end within {} s", limit.as_secs()),
        Unended::Stopped => format!("{program} was stopped"),
    })?;
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
