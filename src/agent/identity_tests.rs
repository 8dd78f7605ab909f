//! Tests of the file beside this one.

use super::*;

fn read(text: &str, dir: &Path) -> Result<Identity, DeviceFileError> {
    let path = dir.join(DEVICE_FILE);
    std::fs::write(&path, text).expect("written");
    read_identity(&path, &Environment::default())
}

#[test]
fn a_device_file_gives_id_broker_and_keys() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("mqtt-password"), "hunter2\n").expect("written");
    let key = crate::fleet::PrivateKey::from_seed([7; 32])
        .expect("a key")
        .public();
    let text = format!(
        r#"
        device = "dock-box-1"
        name = "Loading dock"
        keys = ["{key}"]
        [mqtt]
        host = "broker.example.com"
        username = "dock"
        password = {{ file = "mqtt-password" }}
        tls = {{ ca = "ca.pem" }}
        "#
    );
    std::fs::write(dir.path().join("ca.pem"), "").expect("written");
    let identity = read(&text, dir.path());
    let identity = match identity {
        Ok(identity) => identity,
        // The certificate is empty; the rest is good.
        Err(error) => panic!("{error}"),
    };
    assert_eq!(identity.device, "dock-box-1");
    assert_eq!(identity.name.as_deref(), Some("Loading dock"));
    assert_eq!(identity.keys, Keyring::new([key]));
    let absolute = |name: &str| dir.path().join(name).display().to_string();
    assert_eq!(identity.mqtt_table["tls"]["ca"], absolute("ca.pem"));
    assert_eq!(
        identity.mqtt_table["password"]["file"],
        absolute("mqtt-password")
    );
}

#[test]
fn without_a_file_the_machine_names_the_box() {
    let identity = read_identity(
        Path::new("/nonexistent/device.toml"),
        &Environment::default(),
    );
    let identity = identity.expect("defaults");
    assert!(is_instance_id(&identity.device));
    assert!(!identity.keys.is_provisioned());
}

#[test]
fn every_problem_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = r#"
        device = "a/b"
        name = 3
        keys = ["x", 4]
        colour = "red"
        identify_led = "../uevent"
        [mqtt]
        port = 99999
        "#;
    let told = read(text, dir.path()).expect_err("problems").to_string();
    for wanted in [
        "device: must be 1 to 64",
        "name: must be a text",
        "keys[0]: ",
        "keys[1]: must be a text",
        "colour: unknown key; known are device, name, identify_led, keys, mqtt",
        "identify_led: must be a name in /sys/class/leds",
        "mqtt.port: ",
    ] {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
}
