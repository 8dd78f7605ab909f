//! Files are lent by reference. As any user: the group is the one of this process, so that nothing needs root.

use serde_json::json;

use super::*;

fn lending(dir: &Path) -> Lending {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let user = RoleUser::for_tests(uid, gid);
    let (credentials, state) = (dir.join("etc"), dir.join("state"));
    for folder in [&credentials, &state] {
        fs::create_dir_all(folder).expect("a folder");
    }
    Lending::new(user, &dir.join("run"), credentials, &state).expect("made")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").mode() & 0o7777
}

#[test]
fn the_files_that_a_configuration_names_are_lent_and_no_others() {
    let dir = tempfile::tempdir().expect("a folder");
    let lending = lending(dir.path());
    let ca = dir.path().join("state/ca.pem");
    for (path, text) in [
        (dir.path().join("etc/camera-0"), "hunter2"),
        (dir.path().join("etc/other"), "not named"),
        (ca.clone(), "authority"),
    ] {
        fs::write(path, text).expect("written");
    }
    let config = json!({
        "mqtt": { "tls": { "ca": ca } },
        "camera": [
            { "id": 0, "password": { "file": "camera-0" } },
            { "id": 1, "password": { "file": "absent" } },
        ],
    });
    let lent = lending.lend(&config).expect("lent");
    let read = |pointer: &str| {
        let path = lent.pointer(pointer).and_then(Value::as_str);
        fs::read_to_string(path.expect("a path")).expect("readable")
    };
    assert_eq!(read("/mqtt/tls/ca"), "authority");
    assert_eq!(read("/camera/0/password/file"), "hunter2");
    assert_eq!(
        lent.pointer("/camera/1/password/file"),
        Some(&json!("absent"))
    );
    let secrets = dir.path().join("run-roles/secrets");
    let count = || fs::read_dir(&secrets).expect("listed").count();
    assert_eq!(count(), 2);
    assert_eq!(mode(&secrets.join("1-camera-0")), READ_FILE);
    assert_eq!(mode(&dir.path().join("run-roles")), 0o710);
    // What is not named any more is not readable any more.
    lending.lend(&json!({})).expect("lent");
    assert_eq!(count(), 0);
}

#[test]
fn installed_models_become_readable_and_links_are_not_followed() {
    let dir = tempfile::tempdir().expect("a folder");
    let lending = lending(dir.path());
    let model = dir.path().join("state/models/installed/m@1/m");
    fs::create_dir_all(&model).expect("a folder");
    private_file(&model.join("model.onnx")).expect("made");
    let outside = dir.path().join("outside");
    private_file(&outside).expect("made");
    std::os::unix::fs::symlink(&outside, model.join("link")).expect("a link");
    lending.lend(&json!({})).expect("lent");
    assert_eq!(mode(&model), READ_FOLDER);
    assert_eq!(mode(&model.join("model.onnx")), READ_FILE);
    assert_eq!(mode(&outside), 0o600);
}
