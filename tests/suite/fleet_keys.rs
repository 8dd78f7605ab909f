//! Key files and signatures of a fleet against the `openssl` program: each reads and checks those of the other.

use std::path::Path;
use std::process::Command;

use nvr::fleet::{
    Envelope, Keyring, PayloadType, PrivateKey, pre_authentication_encoding, read_private_key,
    read_public_key, write_key_pair,
};

/// Runs `openssl` in a folder: its standard output.
fn openssl(dir: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(dir)
        .output()
        .expect("`tools/setup tests` installs openssl");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {told}");
    output.stdout
}

const PAYLOAD: &[u8] = br#"{"schema":1,"generation":1,"role":"wall","wall":{}}"#;

#[test]
fn keys_made_by_openssl_sign_documents() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    openssl(
        dir.path(),
        &["genpkey", "-algorithm", "ed25519", "-out", "a.key"],
    );
    openssl(
        dir.path(),
        &["pkey", "-in", "a.key", "-pubout", "-out", "a.pub"],
    );
    let private = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    std::fs::set_permissions(at("a.key"), private).expect("set");
    let key = read_private_key(&at("a.key")).expect("a private key");
    let public = read_public_key(&at("a.pub")).expect("a public key");
    assert_eq!(key.public(), public);

    let message = pre_authentication_encoding(PayloadType::Desired.as_str(), PAYLOAD);
    std::fs::write(at("message"), &message).expect("written");
    let sign = [
        "pkeyutl", "-sign", "-rawin", "-inkey", "a.key", "-in", "message",
    ];
    let signature = openssl(dir.path(), &sign);
    assert_eq!(signature, key.sign(&message));
    let envelope = Envelope::sign(PayloadType::Desired, PAYLOAD, &[&key]);
    let verified = Keyring::new([public]).verify(&envelope, PayloadType::Desired);
    assert_eq!(verified.expect("a good signature").0, PAYLOAD);
}

#[test]
fn openssl_reads_our_keys_and_verifies_our_signatures() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    let key = PrivateKey::generate().expect("a key");
    write_key_pair(&key, &at("fleet.key")).expect("written");
    let public = openssl(dir.path(), &["pkey", "-in", "fleet.key", "-pubout"]);
    let written = std::fs::read(at("fleet.key.pub")).expect("written");
    assert_eq!(public, written);

    std::fs::write(at("message"), PAYLOAD).expect("written");
    std::fs::write(at("signature"), key.sign(PAYLOAD)).expect("written");
    let verify = [
        "pkeyutl",
        "-verify",
        "-rawin",
        "-pubin",
        "-inkey",
        "fleet.key.pub",
        "-in",
        "message",
        "-sigfile",
        "signature",
    ];
    openssl(dir.path(), &verify);
}
