//! Files that are taken over, and files that are refused.

use std::os::unix::fs::PermissionsExt;

use super::*;

const GOOD: &str = r#"
    device = "dock-box-1"
    [mqtt]
    host = "broker.example.com"
    username = "dock"
    password = { file = "mqtt-password" }
    [files]
    mqtt-password = "hunter2"
    "#;

/// A new folder, the place of the file in it, and that of the agent's state.
fn places() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let [file, state] = ["nvr-provision.toml", "state"].map(|name| dir.path().join(name));
    (dir, file, state)
}

#[test]
fn it_is_taken_over_once_and_removed() {
    let (_dir, file, state) = places();
    std::fs::write(&file, GOOD).expect("written");
    let environment = Environment::default();
    provision(&file, &state, &environment).expect("taken over");
    assert!(!file.exists());
    let device = state.join(DEVICE_FILE);
    for path in [&device, &state.join("mqtt-password")] {
        let mode = std::fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let identity = read_identity(&device, &environment).expect("an identity");
    assert_eq!(identity.device, "dock-box-1");
    assert_eq!(identity.mqtt.host, "broker.example.com");
    provision(&file, &state, &environment).expect("nothing to do");
}

#[test]
fn a_file_with_problems_changes_nothing_and_names_all() {
    let (_dir, file, state) = places();
    let environment = Environment::default();
    for (text, wanted) in [
        ("device =", "not TOML"),
        ("device = \"a/b\"\n[mqtt]\nport = 0", "mqtt.port: "),
        ("device = \"a/b\"\n[mqtt]\nport = 0", "device: "),
        (
            "[files]\n\"../x\" = \"\"",
            "files.../x: must be a file name",
        ),
        ("[files]\n\"device.toml\" = \"\"", "other than device.toml"),
        ("[files]\nx = 3", "files.x: must be a text"),
        (
            "devise = \"box\"",
            "devise: unknown key; did you mean `device`? known are device, name, identify_led, keys, mqtt, files, network, time",
        ),
        (
            "[netwrok]\naddress = \"10.0.0.5/24\"",
            "netwrok: unknown key; did you mean `network`? ",
        ),
        (
            "[network]\nadress = \"10.0.0.5/24\"",
            "network.adress: unknown key; did you mean `address`? known are interface, ",
        ),
    ] {
        std::fs::write(&file, text).expect("written");
        let told = provision(&file, &state, &environment);
        let told = told.expect_err("problems").to_string();
        assert!(told.contains(wanted), "{wanted} in {told}");
        assert!(file.exists() && !state.join(DEVICE_FILE).exists());
    }
}

#[test]
fn a_file_is_read_as_people_save_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let environment = Environment::default();
    let good = GOOD.replace("        ", "\t");
    for (index, bytes) in [
        format!("\u{feff}{good}").into_bytes(),
        good.replace('\n', "\r\n").into_bytes(),
        good.replace(' ', "\u{a0}").into_bytes(),
    ]
    .into_iter()
    .enumerate()
    {
        let (file, state) = (
            dir.path().join("nvr-provision.toml.txt"),
            dir.path().join(index.to_string()),
        );
        std::fs::write(&file, bytes).expect("written");
        let taken = provision(&file, &state, &environment);
        assert!(
            matches!(taken, Ok(Provisioned::Taken)),
            "{index}: {taken:?}"
        );
        let identity = read_identity(&state.join(DEVICE_FILE), &environment).expect("an identity");
        assert_eq!(identity.device, "dock-box-1");
    }
    let text = format!("\u{feff}{good}");
    let file = dir.path().join("nvr-provision.toml");
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&file, bytes).expect("written");
    let told = provision(&file, dir.path(), &environment).expect_err("another encoding");
    assert!(
        told.to_string().contains("it is UTF-16; save it as UTF-8"),
        "{told}"
    );
}

#[test]
fn problems_of_all_parts_are_named_at_once() {
    let (dir, file, _) = places();
    let text = "device = \"a/b\"\nkeys = [\"x\"]\n[mqtt]\nport = 0\n[files]\nx = 3\n\"keys.json\" = \"{}\"\n\
        [network]\naddress = \"10.0.0.5\"\n[time]\nzone = \"Moon/Base\"\n";
    std::fs::write(&file, text).expect("written");
    let told = provision(&file, dir.path(), &Environment::default());
    let told = told.expect_err("problems").to_string();
    for wanted in [
        "device: ",
        "keys[0]: ",
        "mqtt.port: ",
        "files.x: ",
        "files.keys.json: ",
        "network.address: ",
        "time.zone: ",
    ] {
        assert!(
            told.lines().any(|line| line.starts_with(wanted)),
            "{wanted} in {told}"
        );
    }
}

#[test]
fn a_file_that_can_t_be_removed_is_taken_over_once() {
    let (_dir, file, state) = places();
    std::fs::write(&file, GOOD).expect("written");
    let environment = Environment::default();
    let read_only = |_: &Path| Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
    let take = || take_over(&file, &state, &environment, || (), read_only).expect("taken over");
    assert_eq!(take(), Provisioned::Taken);
    // Keys that a document has changed meanwhile stay.
    std::fs::write(state.join(KEY_FILE), "{}").expect("written");
    assert_eq!(take(), Provisioned::Before);
    assert!(state.join(KEY_FILE).exists());
    std::fs::write(&file, GOOD.replace("dock-box-1", "dock-box-2")).expect("written");
    assert_eq!(take(), Provisioned::Taken);
    assert!(!state.join(KEY_FILE).exists());
}
