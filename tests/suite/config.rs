//! `nvr config` and the settings of `nvr processor` on the command line.

use std::path::Path;
use std::process::{Command, Output};

/// Runs `nvr` in `dir` with exactly these variables.
fn nvr(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nvr"))
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("nvr starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn the_file_of_init_passes_check_and_is_not_overwritten() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = |arguments: &[&str]| nvr(dir.path(), arguments, &[]);
    assert_eq!(run(&["config", "init", "nvr.toml"]).status.code(), Some(0));
    let checked = run(&["config", "check", "nvr.toml"]);
    assert_eq!(checked.status.code(), Some(0));
    assert_eq!(text(&checked.stdout), "nvr.toml: no problem, 1 camera\n");

    std::fs::write(dir.path().join("nvr.toml"), "# mine\n").expect("written");
    let again = run(&["config", "init", "nvr.toml"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        text(&again.stderr).contains("an existing file is not overwritten"),
        "{again:?}"
    );
    let kept = std::fs::read_to_string(dir.path().join("nvr.toml")).expect("the file");
    assert_eq!(kept, "# mine\n");
}

#[test]
fn check_tells_every_problem_on_a_line_of_its_own_and_exits_with_2() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = "[mqtt]\nprot = 1\nqos = 5\n[[camera]]\nid = 0\nuri = \"http://a/\"\n";
    std::fs::write(dir.path().join("bad.toml"), file).expect("written");
    let checked = nvr(dir.path(), &["config", "check", "bad.toml"], &[]);
    assert_eq!(checked.status.code(), Some(2));
    assert_eq!(
        text(&checked.stderr),
        "error: mqtt.prot: unknown key; did you mean `port`? known are host, port, username, password, topic_root, \
         topic_prefix, qos, tls [bad.toml:2:1]\n\
         error: mqtt.qos: must be 0 to 2, got 5 [bad.toml:3:1]\n\
         error: camera[0].uri: scheme must be rtsp, rtsps, v4l2, csi, file or test-pattern, got http [bad.toml:6:1]\n"
    );
    for arguments in [
        ["processor", "--config", "bad.toml"],
        ["processor", "--config", "absent.toml"],
        ["processor", "--no-such-option", "x"],
        ["processor", "--mqtt-port", "x"],
    ] {
        let refused = nvr(dir.path(), &arguments, &[]);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?} {refused:?}");
    }
}

#[test]
fn a_path_that_is_not_a_file_is_refused_by_name_and_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = Command::new("mkfifo")
        .arg(dir.path().join("pipe"))
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    let large = vec![b'#'; 9 << 20];
    std::fs::write(dir.path().join("large.toml"), large).expect("written");
    for (file, told) in [
        (
            "/dev/zero",
            "it is a device; give a regular file of at most 8 MB",
        ),
        ("pipe", "it is a pipe; give a regular file of at most 8 MB"),
        (
            ".",
            "it is a directory; give a regular file of at most 8 MB",
        ),
        ("large.toml", "it is longer than the limit of 8 MB"),
    ] {
        for arguments in [["config", "check", file], ["wall", "--config", file]] {
            let refused = nvr(dir.path(), &arguments, &[]);
            assert_eq!(refused.status.code(), Some(2), "{file}: {refused:?}");
            let err = text(&refused.stderr);
            assert!(err.contains(told), "{file}: {err}");
        }
    }
}

#[test]
fn show_prints_what_results_and_no_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let variables = [
        ("MQTT_USERNAME", "viewer"),
        ("MQTT_PASSWORD", "hunter2"),
        ("STREAM_SERVER", "rtsp://u:hunter2@cameras:8554"),
        ("NVR_MQTT_QOS", "1"),
        ("NVR_CONFIDENCE", "0.25"),
    ];
    let arguments = [
        "config",
        "show",
        "--n",
        "1",
        "--confidence",
        "0.75",
        "--instance-id",
        "box",
    ];
    let shown = nvr(dir.path(), &arguments, &variables);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let printed = text(&shown.stdout);
    assert!(!printed.contains("hunter2"), "{printed}");
    let table: toml::Table = printed.parse().expect("TOML");
    assert_eq!(table["instance_id"].as_str(), Some("box"));
    assert_eq!(table["mqtt"]["password"].as_str(), Some("***"));
    assert_eq!(table["mqtt"]["qos"].as_integer(), Some(1));
    assert_eq!(table["processor"]["confidence"].as_float(), Some(0.75));
    assert_eq!(
        table["camera"][0]["uri"].as_str(),
        Some("rtsp://cameras:8554/live0.stream")
    );

    let json = nvr(
        dir.path(),
        &[&arguments[..], &["--format", "json"]].concat(),
        &variables,
    );
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["processor"]["confidence"], 0.75);
}

#[test]
fn a_wall_is_shown_by_its_own_options_and_variables() {
    let dir = tempfile::tempdir().expect("a directory");
    let variables = [
        ("NVR_HTTP", "0.0.0.0:8080"),
        ("NVR_HTTP_TOKEN", "hunter2"),
        ("NVR_CONFIDENCE", "of the processor"),
    ];
    let arguments = [
        "config", "show", "wall", "--format", "json", "--n", "2", "--layout", "focus",
    ];
    let shown = nvr(dir.path(), &arguments, &variables);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let json: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(json["wall"]["http"], "0.0.0.0:8080");
    assert_eq!(json["wall"]["http_token"], "***");
    assert_eq!(json["wall"]["head"][0]["layout"], "focus");
    assert_eq!(json["processor"]["http"], serde_json::Value::Null);
    let open = nvr(dir.path(), &arguments, &variables[..1]);
    assert_eq!(open.status.code(), Some(2), "{open:?}");
    assert!(
        text(&open.stderr).contains("needs wall.http_token"),
        "{open:?}"
    );
}

#[test]
fn check_is_for_both_roles_or_for_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = "camera = []\n[wall]\nhttp_token = { env = \"ABSENT\" }\n";
    std::fs::write(dir.path().join("nvr.toml"), file).expect("written");
    let told = |arguments: &[&str], variables: &[(&str, &str)]| {
        let arguments = [&["config", "check", "nvr.toml"], arguments].concat();
        let checked = nvr(dir.path(), &arguments, variables);
        text(&checked.stdout) + &text(&checked.stderr)
    };
    let no_camera = "error: camera: no camera is configured; add a [[camera]], or give --n, --streams or --source [nvr.toml:1:1]\n";
    let no_token = "error: wall.http_token: the environment variable ABSENT is not set; set it for this process [nvr.toml:3:1]\n";
    assert_eq!(told(&[], &[]), [no_camera, no_token].concat());
    assert_eq!(told(&["--role", "processor"], &[]), no_camera);
    assert_eq!(told(&["--role", "wall"], &[]), no_token);
    assert_eq!(
        told(&["--role", "wall"], &[("ABSENT", "x")]),
        "nvr.toml: no problem, 0 cameras\n"
    );
}

#[test]
fn the_output_of_show_is_a_configuration_with_the_same_result() {
    let dir = tempfile::tempdir().expect("a directory");
    let arguments = [
        "config",
        "show",
        "--streams",
        "1,4",
        "--classes",
        "person,car",
        "--mqtt-host",
        "mqtts://b",
    ];
    let first = nvr(dir.path(), &arguments, &[]);
    std::fs::write(dir.path().join("shown.toml"), &first.stdout).expect("written");
    let second = nvr(
        dir.path(),
        &["config", "show", "--config", "shown.toml"],
        &[],
    );
    assert_eq!(text(&second.stdout), text(&first.stdout));
    assert_eq!(second.status.code(), Some(0), "{second:?}");
}

#[test]
fn schema_prints_the_committed_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let schema = nvr(dir.path(), &["config", "schema"], &[]);
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.schema.json");
    let committed = std::fs::read_to_string(committed).expect("the committed schema");
    assert_eq!(text(&schema.stdout), committed);
}
