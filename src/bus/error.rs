//! What can go wrong with a broker, told so that an operator knows what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rumqttc::{ConnectReturnCode, ConnectionError, StateError};

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
    /// Refused for another reason.
    #[error("the MQTT broker at {broker} refuses the connection ({code})")]
    Refused {
        /// Host and port.
        broker: String,
        /// Which.
        code: &'static str,
    },
    /// The connection was closed where an answer to our login was due.
    #[error(
        "the MQTT broker at {broker} closed the connection instead of accepting our login; check MQTT_USERNAME and MQTT_PASSWORD \
         (some brokers refuse a login so), and that the port is not a TLS port used without TLS"
    )]
    NotAccepted {
        /// Host and port.
        broker: String,
    },
    /// Something answers, and it is no MQTT.
    #[error(
        "what answers at {broker} does not speak MQTT ({detail}); check --mqtt-port, and that it is not a TLS port used without TLS"
    )]
    NotMqtt {
        /// Host and port.
        broker: String,
        /// What was wrong with it.
        detail: String,
    },
    /// TLS failed.
    #[error(
        "TLS to the MQTT broker at {broker} fails: {detail}; check its certificate's names and authority, and the CA file"
    )]
    Tls {
        /// Host and port.
        broker: String,
        /// What rustls says.
        detail: String,
    },
    /// It does not answer any more.
    #[error("the MQTT broker at {broker} stopped answering; check its load and the network")]
    Silent {
        /// Host and port.
        broker: String,
    },
    /// It closed an accepted connection.
    #[error(
        "the MQTT broker at {broker} closed the connection; if that repeats, another process may use the client id {client_id}"
    )]
    Closed {
        /// Host and port.
        broker: String,
        /// Ours.
        client_id: String,
    },
    /// What it sends is no MQTT 3.1.1, or too large.
    #[error("the MQTT broker at {broker} broke the protocol: {detail}")]
    Protocol {
        /// Host and port.
        broker: String,
        /// What.
        detail: String,
    },
}

/// Sorts what the library reports; `accepted` tells whether the broker had accepted this connection.
pub(super) fn classify(
    error: &ConnectionError,
    broker: &str,
    client_id: &str,
    accepted: bool,
    limit: Duration,
) -> LinkError {
    let broker = broker.to_owned();
    match error {
        ConnectionError::ConnectionRefused(code) => refused(*code, broker),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout if accepted => {
            LinkError::Silent { broker }
        }
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            LinkError::Timeout { broker, limit }
        }
        ConnectionError::Tls(rumqttc::TlsError::Io(source)) if !is_tls(source) => {
            LinkError::Unreachable {
                broker,
                cause: copy(source),
            }
        }
        ConnectionError::Tls(error) => LinkError::Tls {
            broker,
            detail: tls_detail(error),
        },
        ConnectionError::Io(source) if accepted || is_closed(source) => {
            closed(broker, client_id, accepted)
        }
        ConnectionError::Io(source) => LinkError::Unreachable {
            broker,
            cause: copy(source),
        },
        ConnectionError::MqttState(StateError::AwaitPingResp | StateError::CollisionTimeout) => {
            LinkError::Silent { broker }
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            closed(broker, client_id, accepted)
        }
        ConnectionError::MqttState(
            StateError::Io(source)
            | StateError::Deserialization(rumqttc::mqttbytes::Error::Io(source)),
        ) => {
            if is_tls(source) {
                LinkError::Tls {
                    broker,
                    detail: source.to_string(),
                }
            } else {
                closed(broker, client_id, accepted)
            }
        }
        other if !accepted => LinkError::NotMqtt {
            broker,
            detail: other.to_string(),
        },
        other => LinkError::Protocol {
            broker,
            detail: other.to_string(),
        },
    }
}

fn refused(code: ConnectReturnCode, broker: String) -> LinkError {
    match code {
        ConnectReturnCode::BadUserNamePassword => LinkError::Unauthorized {
            broker,
            code: "bad user name or password",
        },
        ConnectReturnCode::NotAuthorized => LinkError::Unauthorized {
            broker,
            code: "not authorised",
        },
        ConnectReturnCode::RefusedProtocolVersion => LinkError::Refused {
            broker,
            code: "it does not speak MQTT 3.1.1",
        },
        ConnectReturnCode::BadClientId => LinkError::Refused {
            broker,
            code: "it does not accept our client id",
        },
        ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::Success => LinkError::Refused {
            broker,
            code: "service unavailable",
        },
    }
}

fn closed(broker: String, client_id: &str, accepted: bool) -> LinkError {
    if accepted {
        LinkError::Closed {
            broker,
            client_id: client_id.to_owned(),
        }
    } else {
        LinkError::NotAccepted { broker }
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
    )
}

/// tokio-rustls wraps what rustls says into an I/O error.
fn is_tls(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<rustls::Error>())
        || error.kind() == io::ErrorKind::InvalidData
}

fn tls_detail(error: &rumqttc::TlsError) -> String {
    match error {
        rumqttc::TlsError::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
