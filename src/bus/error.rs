//! Errors of links and brokers. Each message has a remedy for the operator.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A link or a broker can't be created from its settings. Final: the settings must change.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// A file of the TLS settings can't be read.
    #[error("can't read {what} {path}", path = path.display())]
    TlsFile {
        /// `CA file`, `certificate`, `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file of the TLS settings has other contents than expected.
    #[error("{path} holds no {what} in PEM: {found}", path = path.display())]
    TlsContent {
        /// `CA certificate`, `certificate`, `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What it has instead, with the remedy.
        found: &'static str,
    },
    /// A certificate in a file can't be decoded.
    #[error("a certificate in {path} is damaged or malformed; copy it again, or create a new one", path = path.display())]
    TlsDamaged {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// A private key is of a kind that is not supported.
    #[error(
        "can't use the private key {path}; create one with ECDSA (P-256 or P-384), Ed25519, or RSA of 2048 to 4096 bits",
        path = path.display()
    )]
    TlsKey {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// A private key is not that of the certificate.
    #[error(
        "the private key {key} does not belong to the certificate {certificate}; give the two that were created together, \
         the certificate of this machine first in its file", key = key.display(), certificate = certificate.display()
    )]
    TlsPair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// Only one half of a client certificate is given.
    #[error(
        "a TLS client certificate needs both its certificate and its private key; {missing} is missing"
    )]
    TlsHalf {
        /// `the certificate` or `the private key`.
        missing: &'static str,
    },
    /// The system has no certificate authorities.
    #[error(
        "no certificate authorities in the system's store; install ca-certificates or name a CA file"
    )]
    NoAuthorities,
    /// TLS can't be set up for another reason.
    #[error("TLS can't be set up with these settings")]
    Tls(#[from] rustls::Error),
    /// Too long for MQTT.
    #[error("the {what} for the broker has {bytes} bytes (limit 65535)")]
    TooLong {
        /// `user name` or `password`.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The built-in broker's address is in use, or not an address of this machine.
    #[error("can't listen on {address}: {remedy}")]
    Listen {
        /// Address and port.
        address: std::net::SocketAddr,
        /// The cause.
        source: io::Error,
        /// The remedy.
        remedy: &'static str,
    },
    /// The built-in broker ended before it listened.
    #[error("the built-in broker did not start: {0}")]
    Broker(String),
}

/// Why there is no connection to the broker. Always transient: the link retries without end.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No connection to the address: unknown name, no route, or nothing listens.
    #[error(
        "can't reach the MQTT broker at {broker}: {cause}; check --mqtt-host and --mqtt-port, or start one with `nvr broker`"
    )]
    Unreachable {
        /// Host and port.
        broker: String,
        /// The cause.
        cause: io::Error,
    },
    /// Connected, but no MQTT answer in time.
    #[error("no answer from the MQTT broker at {broker} within {} s; check its load, firewalls and that its port speaks MQTT", limit.as_secs())]
    Timeout {
        /// Host and port.
        broker: String,
        /// The time limit.
        limit: Duration,
    },
    /// User or password are wrong, or the user may not connect.
    #[error(
        "the MQTT broker at {broker} refuses the login ({code}); check MQTT_USERNAME and MQTT_PASSWORD{hint}"
    )]
    Unauthorized {
        /// Host and port.
        broker: String,
        /// `bad user name or password`, `not authorised`.
        code: &'static str,
        /// What else may be the cause.
        hint: String,
    },
    /// The broker refuses the client id: too long for it, or in use.
    #[error(
        "the MQTT broker at {broker} refuses the client id `{client_id}` ({} bytes); {remedy}", client_id.len()
    )]
    ClientId {
        /// Host and port.
        broker: String,
        /// The client id.
        client_id: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// Refused for another reason.
    #[error("the MQTT broker at {broker} refuses the connection ({code}); {remedy}")]
    Refused {
        /// Host and port.
        broker: String,
        /// The broker's reason.
        code: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// The broker closed the connection instead of answering the login.
    #[error(
        "the MQTT broker at {broker} closed the connection instead of accepting the login; check MQTT_USERNAME and MQTT_PASSWORD \
         (some brokers refuse a login in this way), {port_hint}, and that the broker accepts the client id {client_id}"
    )]
    NotAccepted {
        /// Host and port.
        broker: String,
        /// The client id.
        client_id: String,
        /// A hint about the port.
        port_hint: &'static str,
    },
    /// The port needs TLS, which is not configured.
    #[error(
        "the MQTT broker at {broker} expects TLS, which is not configured; set mqtts:// in --mqtt-host (or --mqtt-tls), or use \
         its port without TLS, usually 1883"
    )]
    WantsTls {
        /// Host and port.
        broker: String,
    },
    /// The answer is not MQTT.
    #[error(
        "the server at {broker} does not speak MQTT ({detail}); check --mqtt-host and --mqtt-port"
    )]
    NotMqtt {
        /// Host and port.
        broker: String,
        /// The deviation.
        detail: String,
    },
    /// TLS failed.
    #[error("TLS to the MQTT broker at {broker} fails: {detail}")]
    Tls {
        /// Host and port.
        broker: String,
        /// The fault and its remedy.
        detail: String,
    },
    /// The broker stopped answering.
    #[error(
        "the MQTT broker at {broker} stopped answering ({what}); check its load and the network"
    )]
    Silent {
        /// Host and port.
        broker: String,
        /// The missing answer.
        what: &'static str,
    },
    /// The broker did not acknowledge a message or a subscription.
    #[error("the MQTT broker at {broker} has not acknowledged {what} for 20 s; {remedy}")]
    Unacknowledged {
        /// Host and port.
        broker: String,
        /// The packet.
        what: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// The broker closed an accepted connection.
    #[error(
        "the MQTT broker at {broker} closed the connection{before}; if this repeats, another process may use the client id {client_id}, or \
         the broker does not permit one of the requests; see its log"
    )]
    Closed {
        /// Host and port.
        broker: String,
        /// The oldest packet that it had not acknowledged, if there was one.
        before: String,
        /// The client id.
        client_id: String,
    },
    /// The broker closed an accepted connection while it read the largest message.
    #[error(
        "the MQTT broker at {broker} closed the connection right after a message of {bytes} bytes on {topic}; if this repeats, \
         raise its packet limit (mosquitto: max_packet_size; EMQX: mqtt.max_packet_size), or permit publishing on this topic"
    )]
    ClosedAfterLargest {
        /// Host and port.
        broker: String,
        /// The topic of the message.
        topic: String,
        /// Size of its payload.
        bytes: usize,
    },
    /// The broker sent something that MQTT 3.1.1 does not permit.
    #[error(
        "the MQTT broker at {broker} violates MQTT 3.1.1: it sent {detail}; see its log, and check proxies on the way"
    )]
    Protocol {
        /// Host and port.
        broker: String,
        /// The received bytes.
        detail: String,
    },
}

impl LinkError {
    /// The error for a CONNACK code: those of MQTT 3.1.1 (section 3.2.2.3), and those of MQTT 5, which brokers without 3.1.1
    /// send. `will` is the topic of the client's will. A client with one has an instance id.
    pub(super) fn of_code(code: u8, broker: &str, client_id: &str, will: Option<&str>) -> Self {
        const SHORTER: &str = "brokers must accept only 23 bytes: set a shorter instance_id (--instance-id), which is part of the \
                               client id, or change the broker's settings";
        const PERMIT: &str = "it is random for each run of this command: permit ids that begin with nvr- in the broker's settings, \
                              with more than the 23 bytes that brokers must accept";
        let broker = broker.to_owned();
        let refused = |broker, code: &str, remedy| Self::Refused {
            broker,
            code: code.to_owned(),
            remedy,
        };
        match code {
            2 | 0x85 => Self::ClientId {
                broker,
                client_id: client_id.to_owned(),
                remedy: will.map_or(PERMIT, |_| SHORTER),
            },
            4 | 0x86 => Self::Unauthorized {
                broker,
                code: "bad user name or password",
                hint: String::new(),
            },
            // EMQX and others answer so if the user may not publish the will.
            5 | 0x87 => Self::Unauthorized {
                broker,
                code: "not authorised",
                hint: will.map_or_else(String::new, |topic| {
                    format!(", and that this user may publish on {topic}, the topic of its will")
                }),
            },
            1 | 0x84 => refused(
                broker,
                "it does not speak MQTT 3.1.1",
                "enable that version in the broker",
            ),
            3 | 0x88 | 0x89 => refused(
                broker,
                "it says that its service is unavailable",
                "see its log; it may be starting, or have reached its limit of clients",
            ),
            0x8a => refused(
                broker,
                "it has banned this client",
                "see its log and its list of bans",
            ),
            0x95 => refused(
                broker,
                "the CONNECT packet is too large for it",
                "raise its packet limit",
            ),
            0x97 | 0x9f => refused(
                broker,
                "it has reached its limit of clients, or of new connections per second",
                "raise its limits",
            ),
            code => Self::Refused {
                broker,
                code: format!("code {code}, which MQTT 3.1.1 does not have"),
                remedy: "see its log",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_broker_has_its_words_and_its_remedy() {
        let id = "nvr-processor-a-box-with-a-long-name";
        for (code, part) in [
            (
                1,
                "(it does not speak MQTT 3.1.1); enable that version in the broker",
            ),
            (
                2,
                "refuses the client id `nvr-processor-a-box-with-a-long-name` (36 bytes); brokers must accept only 23 bytes: \
                 set a shorter instance_id",
            ),
            (3, "(it says that its service is unavailable); see its log"),
            (
                4,
                "refuses the login (bad user name or password); check MQTT_USERNAME",
            ),
            (
                5,
                "(not authorised); check MQTT_USERNAME and MQTT_PASSWORD, and that this user may publish on nvr/processors/a, the \
                 topic of its will",
            ),
            (0x84, "(it does not speak MQTT 3.1.1)"),
            (77, "(code 77, which MQTT 3.1.1 does not have); see its log"),
        ] {
            let words = LinkError::of_code(code, "b:1", id, Some("nvr/processors/a")).to_string();
            assert!(words.starts_with("the MQTT broker at b:1 "), "{words}");
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn a_client_without_an_instance_id_is_not_told_to_shorten_it() {
        let words = LinkError::of_code(2, "b:1", "nvr-watch-0123456789abcdef", None).to_string();
        assert!(words.contains("(26 bytes); it is random"), "{words}");
        assert!(!words.contains("instance_id"), "{words}");
    }
}
