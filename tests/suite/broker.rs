//! `nvr broker` as its users start it.

use std::net::{Ipv4Addr, TcpListener};

use crate::support::process::{Running, nvr};
use crate::support::wait::SOON;

fn broker(arguments: &[&str]) -> Running {
    let mut command = nvr();
    command.arg("broker").args(arguments);
    Running::start(command)
}

/// Ends it, and gives its exit code and what it said.
fn failed(mut process: Running) -> (Option<i32>, String) {
    let status = process.end(SOON);
    let said = process
        .err()
        .find("an error", SOON, |line| line.starts_with("error: "));
    (status.code(), said)
}

#[test]
fn it_says_where_it_listens_and_ends_when_told() {
    let mut process = broker(&["--port", "0"]);
    let line = process.out().find("the address", SOON, |line| {
        line.starts_with("broker listens on ")
    });
    assert!(line.starts_with("broker listens on 127.0.0.1:"), "{line}");
    process.signal("TERM");
    assert_eq!(process.end(SOON).code(), Some(0));
    assert_eq!(process.err().all(), Vec::<String>::new());
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = taken.local_addr().expect("it has one");
    let (code, said) = failed(broker(&["--port", &address.port().to_string()]));
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        format!(
            "error: can't listen on {address}: another program, perhaps a broker, has this port; use that, end it, or choose \
             another port: Address already in use (os error 98)"
        )
    );
}

#[test]
fn half_a_login_is_a_clear_error() {
    let (code, said) = failed(broker(&["--port", "0", "--username", "nvr"]));
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        "error: --username needs a password: name a file with --password-file, or set MQTT_PASSWORD"
    );
}

#[test]
fn a_missing_certificate_is_a_clear_error() {
    let (code, said) = failed(broker(&[
        "--port",
        "0",
        "--tls-cert",
        "/nowhere/broker.pem",
        "--tls-key",
        "/nowhere/broker.key",
    ]));
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        "error: can't read certificate /nowhere/broker.pem: No such file or directory (os error 2)"
    );
}
