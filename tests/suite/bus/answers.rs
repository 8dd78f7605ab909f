//! Brokers that refuse a login, close a connection or speak another protocol: errors and counters.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use nvr::config::MqttSettings;

use super::{connected, reason, retrying_quickly, runtime, settings, start};
use crate::support::wait::{SOON, until_true};

/// Starts a broker that answers every login with these bytes and closes the connection. Returns its port.
fn answering(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it has one").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
        }
    });
    port
}

#[test]
fn answers_to_a_login_are_reported_with_the_remedy() {
    let runtime = runtime();
    for (answer, parts) in [
        (
            &b"\x20\x02\x00\x02"[..],
            &[
                "refuses the client id `nvr-processor-box` (17 bytes)",
                "set a shorter instance_id (--instance-id)",
            ][..],
        ),
        (
            b"\x20\x02\x00\x03",
            &["(it says that its service is unavailable); see its log"],
        ),
        (
            b"\x20\x02\x00\x04",
            &["refuses the login (bad user name or password); check MQTT_USERNAME"],
        ),
        (b"\x20\x02\x00\x01", &["(it does not speak MQTT 3.1.1)"]),
        (
            b"\x15\x03\x01\x00\x02\x02\x46",
            &["expects TLS, which is not configured; set mqtts:// in --mqtt-host"],
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            &["does not speak MQTT (it answers like a web server"],
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            &["its answer to the login begins with 53 53 48 2d"],
        ),
        (
            b"",
            &[
                "closed the connection instead of accepting the login",
                "that the port is not a TLS port",
            ],
        ),
        (
            b"\x20\x02\x00\x00\xff\xff\xff\xff\xff",
            &["violates MQTT 3.1.1: it sent a packet's length has more than four bytes"],
        ),
    ] {
        let port = answering(answer);
        let link = start(&runtime, retrying_quickly(settings(port)));
        let reason = reason(&link);
        for part in parts {
            assert!(reason.contains(part), "{answer:?}: {reason}");
        }
        assert!(reason.contains(&format!("localhost:{port}")), "{reason}");
    }
}

/// Starts a broker that accepts one client, reads until `enough`, and closes the connection. Returns its port.
fn closing(enough: impl Fn(&[u8]) -> bool + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it has one").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the link comes");
        let _ = stream.read(&mut [0; 1024]);
        stream.write_all(&[0x20, 2, 0, 0]).expect("CONNACK");
        let (mut read, mut part) = (Vec::new(), [0; 4096]);
        while !enough(&read) {
            match stream.read(&mut part) {
                Ok(bytes @ 1..) => read.extend_from_slice(&part[..bytes]),
                _ => return,
            }
        }
    });
    port
}

#[test]
fn an_event_that_was_not_acknowledged_when_the_connection_broke_is_counted() {
    let port = closing(|read| read.windows(5).any(|five| five == b"event"));
    let runtime = runtime();
    let link = start(
        &runtime,
        retrying_quickly(MqttSettings {
            qos: 1,
            ..settings(port)
        }),
    );
    connected(&link);
    assert!(link.publish_event("nvr/detections/0", b"event".to_vec()));
    until_true("it is lost", SOON, || link.counters().lost == 1);
    assert!(!link.publish_event("nvr/detections/0", b"event".to_vec()));
    assert!(!link.publish_event("nvr/detections/0", vec![b'x'; 1024 * 1024 + 1]));
    let figures = link.counters();
    assert_eq!(
        (figures.published, figures.dropped, figures.oversized),
        (1, 2, 1)
    );
}

#[test]
fn a_broker_that_closes_instead_of_acknowledging_is_told_with_the_packet() {
    let port = closing(|read| read.windows(6).any(|six| six == b"online"));
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(port)));
    let reason = reason(&link);
    assert!(
        reason.contains("closed the connection before it acknowledged a "),
        "{reason}"
    );
    assert!(
        reason.contains(" nvr/processors/box; if this repeats"),
        "{reason}"
    );
}

#[test]
fn a_broker_that_closes_on_a_large_message_makes_it_known() {
    let port = closing(|read| read.len() > 20_000);
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(port)));
    connected(&link);
    link.retain("nvr/sources/3", vec![b'x'; 300_000]);
    assert_eq!(
        reason(&link),
        format!(
            "the MQTT broker at localhost:{port} closed the connection right after a message of 300000 bytes on nvr/sources/3; \
             if this repeats, raise its packet limit (mosquitto: max_packet_size; EMQX: mqtt.max_packet_size), or permit \
             publishing on this topic"
        )
    );
}
