//! The control socket of a running processor: access, connection limit, and a second process with the same id.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::broker::free_port;
use crate::support::process::{Running, nvr};
use crate::support::scratch::fresh;
use crate::support::wait::{SOON, until};

/// A processor with its socket in `folder`, without broker and cameras.
fn processor(folder: &Path) -> Running {
    let mut command = nvr();
    command
        .args(["processor", "--backend", "scripted", "--no-watchdog"])
        .args([
            "--instance-id",
            "ci",
            "--mqtt-port",
            &free_port().to_string(),
        ])
        .args(["--source", "0=test-pattern:?width=320&height=240&fps=5"])
        .env("NVR_RUNTIME_DIR", folder);
    Running::start(command)
}

fn status(folder: &Path) -> Output {
    control(folder, &["--role", "processor", "status"])
}

fn control(folder: &Path, args: &[&str]) -> Output {
    let mut command = nvr();
    command
        .arg("control")
        .args(args)
        .env("NVR_RUNTIME_DIR", folder);
    command.output().expect("it runs")
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn is_ready(processor: &Running) {
    processor.err().find("the socket", SOON * 2, |line| {
        line.contains("control socket is ready")
    });
}

#[test]
fn idle_connections_keep_nobody_from_an_answer() {
    let folder = fresh();
    let processor = processor(&folder);
    is_ready(&processor);
    let mode = std::fs::metadata(&folder)
        .expect("made")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o700);
    let mut idle = Vec::new();
    for count in [4, 5, 100] {
        while idle.len() < count {
            let socket = folder.join("processor-ci.sock");
            idle.push(UnixStream::connect(socket).expect("it accepts"));
        }
        let answer = status(&folder);
        assert_eq!(answer.status.code(), Some(0), "{count}: {}", err(&answer));
    }
}

#[test]
fn the_analysis_of_a_camera_is_paused_and_resumed() {
    let folder = fresh();
    let processor = processor(&folder);
    is_ready(&processor);
    let state = || {
        let text = status(&folder).stdout;
        let status: Value = serde_json::from_slice(&text).expect("JSON");
        status["sources"][0]["state"].clone()
    };
    for (args, paused) in [
        (&["pause"][..], &[0][..]),
        (&["resume", "--source", "0"], &[]),
        (&["pause", "--source", "0"], &[0]),
    ] {
        let answer = control(&folder, args);
        assert_eq!(answer.status.code(), Some(0), "{args:?}: {}", err(&answer));
        let told: Value = serde_json::from_slice(&answer.stdout).expect("JSON");
        assert_eq!(told, json!({ "paused": paused }), "{args:?}");
        assert_eq!(state() == "paused", !paused.is_empty(), "{args:?}");
    }
    let answer = control(&folder, &["resume", "--source", "7"]);
    assert_eq!(answer.status.code(), Some(2));
    assert_eq!(err(&answer), "this process runs no source 7\n");
    assert_eq!(state(), "paused");
}

#[test]
fn a_twin_is_named_and_a_dead_one_s_socket_is_replaced() {
    let folder = fresh();
    let mut first = processor(&folder);
    is_ready(&first);
    let twin = processor(&folder);
    let told = twin.err().find("the twin", SOON * 2, |line| {
        line.contains("no control socket")
    });
    let named = format!(
        "another processor with the instance id ci runs on this machine, process {}, with the socket {}",
        first.id(),
        folder.join("processor-ci.sock").display()
    );
    assert!(told.contains(&named), "{told}");
    assert_eq!(
        status(&folder).status.code(),
        Some(0),
        "the first still answers"
    );
    first.kill();
    assert_eq!(status(&folder).status.code(), Some(1), "nobody answers");
    let mut next = processor(&folder);
    is_ready(&next);
    assert_eq!(status(&folder).status.code(), Some(0));
    next.signal("TERM");
    next.end(SOON);
    let left = std::fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(left, 0, "it takes its socket away");
}

#[test]
fn a_folder_that_leads_elsewhere_is_neither_served_in_nor_asked() {
    let (folder, elsewhere) = (fresh(), fresh());
    std::fs::create_dir(&elsewhere).expect("a folder");
    symlink(&elsewhere, &folder).expect("a link");
    let processor = processor(&folder);
    let told = processor.err().find("the refusal", SOON * 2, |line| {
        line.contains("no control socket")
    });
    let named = format!("{} is a symbolic link", folder.display());
    assert!(told.contains(&named), "{told}");
    assert_eq!(
        std::fs::read_dir(&elsewhere).expect("the folder").count(),
        0
    );
    let refused = status(&folder);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains(&named), "{}", err(&refused));
}

/// User ids of two other users; they need no names.
const OTHERS: [u32; 2] = [2001, 2002];

#[test]
fn another_user_s_socket_is_told_nothing() {
    use std::os::unix::process::CommandExt;
    if !rustix::process::geteuid().is_root() {
        // Nobody else can act for other users.
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let everybody = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(folder.path(), everybody).expect("set");
    // A program that those users can start.
    let program = folder.path().join("nvr");
    std::fs::copy(env!("CARGO_BIN_EXE_nvr"), &program).expect("copied");
    let place = folder.path().join("run");
    std::fs::create_dir(&place).expect("a folder");
    std::os::unix::fs::chown(&place, Some(OTHERS[1]), None).expect("given");
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o777)).expect("set");
    let listener = std::os::unix::net::UnixListener::bind(place.join("processor-ci.sock"));
    let listener = listener.expect("bound");
    listener.set_nonblocking(true).expect("set");
    let mut command = Command::new(&program);
    command
        .args(["control", "--role", "processor", "status"])
        .env("NVR_RUNTIME_DIR", &place)
        .current_dir("/")
        .uid(OTHERS[0])
        .gid(OTHERS[0]);
    let refused = until("it ends", SOON, || command.output().ok());
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let owner = format!("belongs to user {}, not to user {}", OTHERS[1], OTHERS[0]);
    assert!(err(&refused).contains(&owner), "{refused:?}");
    let asked = listener.accept().expect_err("nobody connected");
    assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock);
}
