//! The client against a server with TLS, and what it reads in answers.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// Answers one request by TLS, with a certificate for `localhost` that `ca.pem` in `dir` is the authority of.
fn serve_tls(dir: &std::path::Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(dir.join("ca.pem"), made.cert.pem()).expect("written");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Trust::of(None).provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a good pair");
    let listener = TcpListener::bind("localhost:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::new(config.clone())).expect("a session");
            let mut stream = BufReader::new(StreamOwned::new(session, stream));
            let mut line = String::new();
            // A client that does not trust the certificate goes away.
            while stream.read_line(&mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfile";
            let _ = stream.get_mut().write_all(answer);
        }
    });
    format!("https://localhost:{port}/m.tar")
}

#[test]
fn a_server_is_trusted_by_the_authority_of_the_file_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let url = serve_tls(dir.path());
    let client = |ca: Option<&std::path::Path>| Client::new(Trust::of(ca), TimeLimits::default());
    let refused = client(None).get(&url, 0, None).err().expect("a stranger");
    assert!(refused.message.contains("certificate"), "{refused}");
    let trusting = client(Some(&dir.path().join("ca.pem")));
    let mut answer = trusting.get(&url, 0, None).expect("an answer");
    let mut body = String::new();
    answer.body.read_to_string(&mut body).expect("a text");
    assert_eq!((body.as_str(), answer.total), ("file", Some(4)));
}

#[test]
fn a_range_has_its_first_byte_and_perhaps_the_total() {
    for (range, wanted) in [
        ("bytes 5-9/10", Some((5, Some(10)))),
        ("bytes 5-9/*", Some((5, None))),
        ("bytes */10", None),
        ("lines 5-9/10", None),
        ("", None),
    ] {
        assert_eq!(content_range(range), wanted, "{range}");
    }
}

#[test]
fn only_a_strong_tag_or_a_date_validates() {
    let headers = |pairs: &[(&'static str, &'static str)]| {
        let pairs = pairs.iter().map(|(name, value)| {
            let value = ureq::http::HeaderValue::from_static(value);
            (ureq::http::HeaderName::from_static(name), value)
        });
        pairs.collect::<HeaderMap>()
    };
    let date = ("last-modified", "Mon, 01 Jan 2026 00:00:00 GMT");
    let strong = headers(&[("etag", "\"a\""), date]);
    assert_eq!(validator(&strong).as_deref(), Some("\"a\""));
    let weak = headers(&[("etag", "W/\"a\""), date]);
    assert_eq!(validator(&weak).as_deref(), Some(date.1));
    assert_eq!(validator(&headers(&[])), None);
}

#[test]
fn a_login_and_a_token_of_an_address_are_not_told() {
    let told = failed(
        "https://u:hunter2@models.example/a.tar?token=hunter3",
        "unknown scheme: ftp://u:hunter2@other.example/a.tar",
    );
    assert!(!told.message.contains("hunter"), "{told}");
    assert!(told.message.contains("models.example/a.tar"), "{told}");
}
