//! The processor of an agent that is root runs as another user, and reaches what its configuration names and nothing else.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::stage::{Stage, document, sources};
use crate::support::process::nvr;

/// A user that this machine need not have: the agent reads its users from a folder of the test.
const USER: &str = "camera-reader";
const USER_ID: &str = "2003";

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

/// A stage whose folders the user may enter; those of other tests are private.
fn stage_in(dir: &Path) -> Stage {
    let mut stage = Stage::new();
    stage.config = dir.join("config");
    stage.state = dir.join("state");
    stage.runtime = dir.join("run");
    std::fs::create_dir(&stage.config).expect("a folder");
    set_mode(&stage.config, 0o700);
    let device = format!(
        "device = \"box-1\"\n[mqtt]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"box\"\npassword = {{ file = \"mqtt-password\" }}\n",
        stage.broker.port()
    );
    for (name, text) in [
        ("device.toml", &*device),
        ("mqtt-password", "hunter2"),
        ("other", "not named"),
    ] {
        let path = stage.config.join(name);
        std::fs::write(&path, text).expect("written");
        set_mode(&path, 0o600);
    }
    stage
}

/// A copy of the agent, which the user may run too, with the users of the test.
fn agent(stage: &Stage, dir: &Path) -> Command {
    let program = dir.join("nvr");
    std::fs::copy(env!("CARGO_BIN_EXE_nvr"), &program).expect("copied");
    let mut command = Command::new(&program);
    let home = dir.join("home");
    let users = format!(
        "root:x:0:0::/:/bin/sh\n{USER}:x:{USER_ID}:{USER_ID}::{}:/bin/false\n",
        home.display()
    );
    std::fs::write(dir.join("passwd"), users).expect("written");
    std::fs::write(dir.join("group"), format!("video:x:44:{USER}\n")).expect("written");
    let etc = dir.to_str().expect("a text");
    let given = stage.command_with(&["--processor-user", USER, "--etc-dir", etc]);
    command.args(given.get_args());
    for (name, value) in given.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("NVR_CACHE", dir.join("cache"));
    command.env("XDG_CACHE_HOME", dir.join("cache-of-the-agent"));
    command
}

fn has_the_rights_of_its_user(process: u32) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let ids = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .expect("a line");
    assert!(ids.split_whitespace().all(|id| id == USER_ID), "{ids}");
    let groups = status
        .lines()
        .find_map(|line| line.strip_prefix("Groups:"))
        .expect("a line");
    assert_eq!(groups.trim(), "44");
    let able = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .expect("a line");
    assert_eq!(able.trim(), "0000000000000000");
}

/// Its libraries have their caches in its home: it can't write those of the agent, and the agent loads none of its.
fn has_caches_in_its_home(process: u32, home: &Path) {
    let environment = std::fs::read(format!("/proc/{process}/environ")).expect("it runs");
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let variables: Vec<&str> = environment.split('\0').collect();
    let expected = format!("HOME={}", home.display());
    assert!(variables.contains(&&*expected), "{variables:?}");
    let is_cache = |variable: &&&str| variable.starts_with("XDG_CACHE_HOME=");
    assert_eq!(variables.iter().find(is_cache), None);
}

/// What it may read, and what stays the agent's.
fn has_only_its_own_files(stage: &Stage, dir: &Path) {
    let roles = dir.join("run-roles");
    assert_eq!(mode(&stage.state), 0o710);
    assert_eq!(mode(&dir.join("run")), 0o700);
    assert_eq!(mode(&roles), 0o710);
    assert_eq!(mode(&roles.join("roles-box-1/processor.json")), 0o640);
    let secrets = std::fs::read_dir(roles.join("secrets"))
        .expect("listed")
        .flatten();
    let secrets: Vec<_> = secrets
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(secrets, ["0-mqtt-password"]);
}

#[test]
fn the_processor_runs_as_its_user_and_reaches_only_what_it_needs() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test starts a process of the user {USER}, which needs root; run it as root, as CI does"
    );
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    set_mode(dir, 0o711);
    let mut stage = stage_in(dir);
    let command = agent(&stage, dir);
    stage.start_command(command);
    stage.presence("online");
    stage.desire(&document(1, sources(&[0])));
    stage.phase(1, "applied");

    let process = stage.role_process();
    has_the_rights_of_its_user(process);
    has_caches_in_its_home(process, &dir.join("home"));
    has_only_its_own_files(&stage, dir);

    // It takes over the next document by its control socket, and an operator reaches it.
    stage.desire(&document(2, sources(&[0, 1])));
    stage.phase(2, "applied");
    assert_eq!(stage.role_process(), process, "it was not started anew");
    let mut control = nvr();
    control.args(["control", "--role", "processor", "status"]);
    control.env("NVR_RUNTIME_DIR", dir.join("run-processor"));
    let told = control.output().expect("it runs");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap_or(json!(null));
    assert_eq!(told["sources"].as_array().map(Vec::len), Some(2), "{told}");
}
