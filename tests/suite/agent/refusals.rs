//! Documents that are refused: what runs keeps running, and `reported` says why.

use std::process::Command;

use serde_json::{Value, json};

use super::stage::{Stage, codes, document, sources};

/// A box on which generation 5 is good.
fn proven() -> Stage {
    let mut stage = Stage::new();
    stage.start();
    stage.desire(&document(5, sources(&[0])));
    stage.phase(5, "applied");
    stage
}

fn is_refused(reported: &Value, phase: &str, code: &str) -> bool {
    reported["phase"] == phase && codes(&reported["errors"]).contains(&code.to_owned())
}

#[test]
fn every_kind_of_bad_document_is_refused_and_what_runs_keeps_running() {
    let stage = proven();
    let process = stage.role_process();
    let mut unknown = document(6, sources(&[0]));
    unknown["colour"] = "red".into();
    let mut foreign = document(6, sources(&[0]));
    foreign["processor"]["mqtt"] = json!({"host": "elsewhere"});
    let mut scheme = document(6, sources(&[0]));
    scheme["processor"]["camera"][0]["uri"] = "http://10.0.0.20/".into();
    let mut kind = document(6, sources(&[0]));
    kind["processor"]["camera"][0]["id"] = "x".into();
    let mut other = document(6, sources(&[0]));
    other["device"] = "box-2".into();
    let mut base = document(6, sources(&[0]));
    base["base"] = "0".repeat(64).into();
    let mut large = document(6, sources(&[0]));
    large["processor"]["camera"][0]["name"] = "x".repeat(65 * 1024).into();
    let text = |document: &Value| document.to_string();
    for (payload, phase, code) in [
        ("{\"schema\": 1".to_owned(), "rejected", "not-json"),
        (text(&unknown), "rejected", "unknown-field"),
        (text(&foreign), "rejected", "foreign-key"),
        (text(&scheme), "rejected", "bad-scheme"),
        (text(&kind), "rejected", "wrong-type"),
        (text(&other), "rejected", "wrong-device"),
        (text(&large), "rejected", "too-large"),
        (text(&base), "conflict", "base-mismatch"),
        (
            text(&document(4, sources(&[0]))),
            "rejected",
            "old-generation",
        ),
        (
            text(&document(5, sources(&[0, 1]))),
            "conflict",
            "same-generation",
        ),
    ] {
        stage.desire_bytes(payload.as_bytes());
        let reported = stage.reported(|reported| is_refused(reported, phase, code));
        assert_eq!(reported["applied"], 5, "{code}");
        assert_eq!(reported["last_known_good"], 5, "{code}");
        if code == "bad-scheme" {
            assert_eq!(reported["errors"][0]["path"], "processor.camera[0].uri");
        }
    }
    stage.desire_bytes(b"");
    stage.desire(&document(5, sources(&[0])));
    stage.phase(5, "applied");
    assert_eq!(stage.role_process(), process, "the role was not restarted");
    stage.flows(0);
}

#[test]
fn decommission_ends_the_roles_and_erases_the_documents() {
    let mut stage = proven();
    stage.desire(&json!({"schema": 1, "generation": 6, "role": "processor", "decommission": true}));
    let reported = stage.phase(6, "applied");
    assert_eq!(
        (&reported["applied"], &reported["last_known_good"]),
        (&Value::Null, &Value::Null)
    );
    crate::support::wait::until_true("the role ends", super::FIRST, || {
        stage.find_role_process().is_none()
    });
    crate::support::wait::until_true("no configuration is left", super::FIRST, || {
        std::fs::read_dir(stage.runtime.join("roles-box-1")).is_ok_and(|roles| roles.count() == 0)
    });
    stage.agent().signal("TERM");
    stage.agent().end(crate::support::wait::SOON);
    stage.start();
    stage.desire(&document(7, sources(&[1])));
    stage.phase(7, "applied");
}

#[test]
fn with_a_key_only_signed_documents_are_obeyed() {
    use nvr::fleet::{Envelope, PayloadType, PrivateKey};
    let key = PrivateKey::from_seed([3; 32]).expect("a key");
    let stranger = PrivateKey::from_seed([4; 32]).expect("a key");
    let mut stage = Stage::new();
    stage.write_device(&format!("keys = [\"{}\"]", key.public()));
    stage.start();
    let bare = document(1, sources(&[0])).to_string();
    let signed = |key| Envelope::sign(PayloadType::Desired, bare.as_bytes(), &[key]).to_json();
    stage.desire_bytes(bare.as_bytes());
    stage.reported(|reported| is_refused(reported, "rejected", "unsigned"));
    stage.desire_bytes(&signed(&stranger));
    stage.reported(|reported| is_refused(reported, "rejected", "unknown-key"));
    stage.desire_bytes(&signed(&key));
    let reported = stage.phase(1, "applied");
    assert_eq!(reported["keys"][0], key.public().id().as_str());
    // A signature of a trusted key that belongs to another document.
    let other = document(2, sources(&[0, 1])).to_string();
    let other = Envelope::sign(PayloadType::Desired, other.as_bytes(), &[&key]).to_json();
    let [mut forged, other]: [Value; 2] =
        [&signed(&key), &other].map(|bytes| serde_json::from_slice(bytes).expect("JSON"));
    forged["payload"] = other["payload"].clone();
    stage.desire(&forged);
    let reported = stage.reported(|reported| is_refused(reported, "rejected", "bad-signature"));
    assert_eq!(reported["applied"], 1);
}

#[test]
fn a_revoked_key_signs_nothing_any_more() {
    use nvr::fleet::{Envelope, PayloadType, PrivateKey};
    let [first, stolen] = [3, 4].map(|seed| PrivateKey::from_seed([seed; 32]).expect("a key"));
    let mut stage = Stage::new();
    stage.write_device(&format!(
        "keys = [\"{}\", \"{}\"]",
        first.public(),
        stolen.public()
    ));
    stage.start();
    let sign = |document: &Value, key: &PrivateKey| {
        let text = document.to_string();
        Envelope::sign(PayloadType::Desired, text.as_bytes(), &[key]).to_json()
    };
    let mut revoking = document(1, sources(&[0]));
    revoking["keys"] = json!({"revoked": [stolen.public().id().as_str()]});
    stage.desire_bytes(&sign(&revoking, &first));
    let reported = stage.phase(1, "applied");
    assert_eq!(reported["keys"], json!([first.public().id().as_str()]));
    stage.desire_bytes(&sign(&document(2, sources(&[0, 1])), &stolen));
    let reported = stage.reported(|reported| is_refused(reported, "rejected", "revoked-key"));
    assert_eq!(reported["applied"], 1);
    // Also after a restart, though the file of the device still names the key.
    stage.agent().signal("TERM");
    stage.agent().end(crate::support::wait::SOON);
    stage.start();
    stage.observe_again();
    let reported = stage.reported(|reported| is_refused(reported, "rejected", "revoked-key"));
    assert_eq!(reported["applied"], 1);
    stage.flows(0);
}

#[test]
fn a_provisioning_file_gives_the_identity_once() {
    let mut stage = Stage::new();
    std::fs::remove_file(stage.config.join("device.toml")).expect("it is there");
    let file = stage.config.join("nvr-provision.toml");
    let port = stage.broker.port();
    let text = format!(
        "device = \"box-1\"\n[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\nusername = \"dock\"\npassword = {{ file = \"password\" }}\n[files]\npassword = \"hunter2\"\n"
    );
    std::fs::write(&file, text).expect("written");
    let path = file.display().to_string();
    stage.start_with(&["--provision", &path]);
    stage.presence("online");
    assert!(!file.exists(), "it is consumed");
    stage.desire(&document(1, sources(&[0])));
    stage.phase(1, "applied");
    // No file in the state is open to others.
    let found = Command::new("find")
        .arg(&stage.state)
        .args(["-type", "f", "-perm", "/077"])
        .output()
        .expect("find runs");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}
