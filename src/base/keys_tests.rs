//! Tests of keys, by the vectors of the standards.

use super::*;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).expect("hexadecimal");
    }
    bytes
}

/// RFC 8032, section 7.1, TEST 1 and TEST 2: secret key, public key, message, signature.
const VECTORS: [(&str, &str, &[u8], &str); 2] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        b"",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        b"\x72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
];

#[test]
fn signatures_are_those_of_rfc_8032() {
    for (secret, public, message, signature) in VECTORS {
        let key = PrivateKey::from_seed(bytes(secret)).expect("a key");
        assert_eq!(key.public(), PublicKey::from_bytes(bytes(public)));
        let expected: [u8; 64] = bytes(signature);
        assert_eq!(key.sign(message), expected);
        assert!(key.public().verifies(message, &expected));
        assert!(!key.public().verifies(b"other", &expected));
        assert!(!key.public().verifies(message, &expected[..63]));
    }
}

#[test]
fn keys_are_written_as_rfc_8410_shows() {
    // Section 10.1 and 10.3: the public key, and the private key without attributes.
    let public = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let private = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    let der = STANDARD.decode(private).expect("base64");
    let key = PrivateKey::from_der(&der).expect("a key");
    assert_eq!(key.to_der(), der);
    assert_eq!(key.public().to_string(), public);
    assert_eq!(public.parse(), Ok(key.public()));
    let json = serde_json::to_string(&key.public()).expect("JSON");
    assert_eq!(json, format!("\"{public}\""));
    assert_eq!(
        serde_json::from_str::<PublicKey>(&json).expect("a key"),
        key.public()
    );
}

#[test]
fn a_key_id_is_the_beginning_of_the_hash_of_the_raw_key() {
    let (_, public, _, _) = VECTORS[0];
    let key = PublicKey::from_bytes(bytes(public));
    // echo d75a…511a | xxd -r -p | sha256sum
    assert_eq!(key.id().as_str(), "21fe31dfa154a261");
    assert_eq!(key.id().as_str().parse(), Ok(key.id()));
    for text in [
        "",
        "21FE31DFA154A261",
        "21fe31dfa154a26",
        "21fe31dfa154a2610",
        "ééééééé2",
    ] {
        assert_eq!(text.parse::<KeyId>(), Err(KeyError::Id), "{text}");
    }
}

#[test]
fn keys_of_other_algorithms_and_damaged_ones_are_refused() {
    // X25519, RFC 8410 section 10.
    for text in [
        "",
        "MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAx",
    ] {
        assert_eq!(text.parse::<PublicKey>(), Err(KeyError::Public), "{text}");
    }
    assert!(PrivateKey::from_der(&[0x30, 0x2e]).is_err());
}

#[test]
fn new_keys_differ_and_are_never_printed() {
    let (one, two) = (PrivateKey::generate(), PrivateKey::generate());
    let (one, two) = (one.expect("a key"), two.expect("a key"));
    assert_ne!(one.public(), two.public());
    assert_eq!(
        format!("{one:?}"),
        format!("PrivateKey({})", one.public().id())
    );
}
