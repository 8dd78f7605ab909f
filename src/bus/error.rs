//! What can go wrong with a broker, told so that an operator knows what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a link or a broker can't be made from its settings. Final: the settings have to change.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// A file of the TLS settings can't be read.
    #[error("can't read {what} {path}", path = path.display())]
    TlsFile {
        /// `CA file`, `certificate`, `private key`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the TLS settings does not hold what it should.
    #[error("{path} holds no {what} in PEM", path = path.display())]
    TlsContent {
        /// `CA certificate`, `certificate`, `private key`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
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
    /// The files do not fit together.
    #[error("the TLS files do not fit together")]
    Tls(#[from] rustls::Error),
    /// MQTT can't carry it.
    #[error("the {what} for the broker has {bytes} bytes, at most 65535 are possible")]
    TooLong {
        /// `user name` or `password`.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The broker's own address is in use, or not ours.
    #[error("can't listen on {address}: {remedy}")]
    Listen {
        /// Address and port.
        address: std::net::SocketAddr,
        /// Why.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The broker inside ended before it listened.
    #[error("the broker inside did not start: {0}")]
    Broker(String),
}

/// Why there is no connection to the broker. Always transient: the link tries for ever.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody there, no way there, or no such name.
    #[error(
        "can't reach the MQTT broker at {broker}: {cause}; check --mqtt-host and --mqtt-port, or start one with `nvr broker`"
    )]
    Unreachable {
        /// Host and port.
        broker: String,
        /// Why.
        cause: io::Error,
    },
    /// Connected, and then no MQTT answer.
    #[error("no answer from the MQTT broker at {broker} within {} s; check its load, firewalls and that its port speaks MQTT", limit.as_secs())]
    Timeout {
        /// Host and port.
        broker: String,
        /// How long was waited.
        limit: Duration,
    },
    /// User or password are wrong, or may not connect.
    #[error(
        "the MQTT broker at {broker} refuses our login ({code}); check MQTT_USERNAME and MQTT_PASSWORD"
    )]
    Unauthorized {
        /// Host and port.
        broker: String,
        /// `bad user name or password`, `not authorised`.
        code: &'static str,
    },
    /// It has rules for client ids, or has this one already.
    #[error(
        "the MQTT broker at {broker} refuses our client id `{client_id}` ({} bytes); brokers need to take only ids of 23 bytes: \
         set a shorter instance_id (--instance-id), of which the id is made, or let the broker take this one", client_id.len()
    )]
    ClientId {
        /// Host and port.
        broker: String,
        /// Ours.
        client_id: String,
    },
    /// Refused for another reason.
    #[error("the MQTT broker at {broker} refuses the connection ({code}); {remedy}")]
    Refused {
        /// Host and port.
        broker: String,
        /// Which.
        code: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The connection was closed where an answer to our login was due.
    #[error(
        "the MQTT broker at {broker} closed the connection instead of accepting our login; check MQTT_USERNAME and MQTT_PASSWORD \
         (some brokers refuse a login so), {port_hint}, and that it takes the client id {client_id}"
    )]
    NotAccepted {
        /// Host and port.
        broker: String,
        /// Ours.
        client_id: String,
        /// What to check of the port.
        port_hint: &'static str,
    },
    /// A port for TLS, spoken to without.
    #[error(
        "the MQTT broker at {broker} speaks TLS, and we do not; set mqtts:// in --mqtt-host (or --mqtt-tls), or use its port \
         without TLS, 1883 as a rule"
    )]
    WantsTls {
        /// Host and port.
        broker: String,
    },
    /// Something answers, and it is no MQTT.
    #[error(
        "what answers at {broker} does not speak MQTT ({detail}); check --mqtt-host and --mqtt-port"
    )]
    NotMqtt {
        /// Host and port.
        broker: String,
        /// What was wrong with it.
        detail: String,
    },
    /// TLS failed.
    #[error("TLS to the MQTT broker at {broker} fails: {detail}")]
    Tls {
        /// Host and port.
        broker: String,
        /// What is wrong, and the remedy.
        detail: String,
    },
    /// It does not answer any more.
    #[error(
        "the MQTT broker at {broker} stopped answering ({what}); check its load and the network"
    )]
    Silent {
        /// Host and port.
        broker: String,
        /// What was waited for.
        what: &'static str,
    },
    /// It closed an accepted connection.
    #[error(
        "the MQTT broker at {broker} closed the connection; if that repeats, another process may use the client id {client_id}, or \
         the broker does not allow something that we do (its log says which)"
    )]
    Closed {
        /// Host and port.
        broker: String,
        /// Ours.
        client_id: String,
    },
    /// It closed an accepted connection while it had our largest message to read.
    #[error(
        "the MQTT broker at {broker} closed the connection right after our message of {bytes} bytes on {topic}; if that repeats, \
         raise its limit for packets (mosquitto: max_packet_size; EMQX: mqtt.max_packet_size), or let us write there"
    )]
    ClosedAfterLargest {
        /// Host and port.
        broker: String,
        /// Where the message was for.
        topic: String,
        /// Of its payload.
        bytes: usize,
    },
    /// What it sends is no MQTT 3.1.1.
    #[error(
        "the MQTT broker at {broker} does not keep to MQTT 3.1.1: it sent {detail}; see its log, and what lies between it and us"
    )]
    Protocol {
        /// Host and port.
        broker: String,
        /// What came.
        detail: String,
    },
}

impl LinkError {
    /// Of the code with which a broker refuses a connection: those of MQTT 3.1.1 (3.2.2.3), and those of MQTT 5 with which
    /// brokers answer that speak nothing else.
    pub(super) fn of_code(code: u8, broker: &str, client_id: &str) -> Self {
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
            },
            4 | 0x86 => Self::Unauthorized {
                broker,
                code: "bad user name or password",
            },
            5 | 0x87 => Self::Unauthorized {
                broker,
                code: "not authorised",
            },
            1 | 0x84 => refused(
                broker,
                "it does not speak MQTT 3.1.1",
                "let it speak that version",
            ),
            3 | 0x88 | 0x89 => refused(
                broker,
                "it says that its service is unavailable",
                "see its log; it may be starting, or have as many clients as it takes",
            ),
            0x8a => refused(
                broker,
                "it has banned this client",
                "see its log and its list of bans",
            ),
            0x95 => refused(
                broker,
                "our first packet is too large for it",
                "raise its limit for packets",
            ),
            0x97 | 0x9f => refused(
                broker,
                "it has as many clients as it takes, or connections come too fast",
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
                "(it does not speak MQTT 3.1.1); let it speak that version",
            ),
            (
                2,
                "refuses our client id `nvr-processor-a-box-with-a-long-name` (36 bytes); brokers need to take only ids of 23 \
                 bytes: set a shorter instance_id",
            ),
            (3, "(it says that its service is unavailable); see its log"),
            (
                4,
                "refuses our login (bad user name or password); check MQTT_USERNAME",
            ),
            (5, "refuses our login (not authorised); check MQTT_USERNAME"),
            (0x84, "(it does not speak MQTT 3.1.1)"),
            (77, "(code 77, which MQTT 3.1.1 does not have); see its log"),
        ] {
            let words = LinkError::of_code(code, "b:1", id).to_string();
            assert!(words.starts_with("the MQTT broker at b:1 "), "{words}");
            assert!(words.contains(part), "{words}");
        }
    }
}
