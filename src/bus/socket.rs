//! Connecting to a broker: name, TCP, TLS and login, each with its errors.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::bytes::BytesMut;

use super::encode::{Connect, TEXT_LIMIT_BYTES};
use super::packets::{Incoming, Packets};
use super::{BusError, LinkError, reach, tls};
use crate::config::{MqttSettings, Secret};

/// The first byte of a TLS alert: the answer of a TLS port to a CONNECT without TLS.
const TLS_ALERT: u8 = 0x15;
/// The first byte of a CONNACK.
const CONN_ACK: u8 = 0x20;

/// Keep-alive. A broker publishes the will after one and a half times this, so a dead process is known within 10 s.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Time limit from the first SYN to the broker's answer.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The broker and the identity of the client.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port for messages.
    pub(super) name: String,
    pub(super) client_id: String,
    /// Topic and payload of the last will.
    pub(super) will: Option<(String, Vec<u8>)>,
    pub(super) keep_alive: Duration,
    login: Option<(Secret, Secret)>,
    tls: Option<Arc<ClientConfig>>,
}

/// A connection to a broker, with or without TLS.
#[derive(Debug)]
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Target {
    /// The broker of `settings`.
    pub(super) fn of(
        settings: &MqttSettings,
        client_id: &str,
        keep_alive: Duration,
    ) -> Result<Self, BusError> {
        let known = settings.username.is_some() || settings.password.is_some();
        let text = |secret: &Option<Secret>| secret.clone().unwrap_or_else(|| Secret::new(""));
        let login = known.then(|| (text(&settings.username), text(&settings.password)));
        if let Some((user, password)) = &login {
            for (what, secret) in [("user name", user), ("password", password)] {
                let bytes = secret.reveal().len();
                if bytes > TEXT_LIMIT_BYTES {
                    return Err(BusError::TooLong { what, bytes });
                }
            }
        }
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            name: settings.address(),
            client_id: client_id.to_owned(),
            will: None,
            keep_alive,
            login,
            tls: settings.tls.as_ref().map(tls::client).transpose()?,
        })
    }

    /// Connects and logs in within `limit`. Bytes after the broker's answer stay in the returned packets.
    ///
    /// # Errors
    /// The step that failed and its reason.
    pub(super) async fn log_in(&self, limit: Duration) -> Result<(Socket, Packets), LinkError> {
        let attempt = async {
            let socket = self.connect().await?;
            self.send_login(socket).await
        };
        match tokio::time::timeout(limit, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(LinkError::Timeout {
                broker: self.name.clone(),
                limit,
            }),
        }
    }

    async fn connect(&self) -> Result<Socket, LinkError> {
        let unreachable = |cause| LinkError::Unreachable {
            broker: self.name.clone(),
            cause,
        };
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(unreachable)?
            .collect();
        let stream = reach::connect(addresses).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let Some(config) = &self.tls else {
            return Ok(Socket::Plain(stream));
        };
        let name = tls::server_name(&self.host).map_err(|_| {
            self.tls_failed(format!(
                "`{}` is not a valid name in a certificate; connect by a name or an address in the broker's certificate",
                self.host
            ))
        })?;
        let connector = TlsConnector::from(config.clone());
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Socket::Tls(Box::new(stream))),
            Err(error) => Err(self.tls_failed(tls::describe(&error))),
        }
    }

    async fn send_login(&self, mut socket: Socket) -> Result<(Socket, Packets), LinkError> {
        let connect = Connect {
            client_id: &self.client_id,
            keep_alive_s: u16::try_from(self.keep_alive.as_secs()).unwrap_or(u16::MAX),
            login: self
                .login
                .as_ref()
                .map(|(user, password)| (user.reveal(), password.reveal())),
            will: self
                .will
                .as_ref()
                .map(|(topic, payload)| (topic.as_str(), payload.as_slice())),
        };
        let mut out = BytesMut::new();
        connect.write(&mut out);
        let sent = async {
            socket.write_all(&out).await?;
            socket.flush().await
        };
        // A broker that closes the connection may have sent a reason before: it is read first.
        let sent = sent.await;
        let mut packets = Packets::default();
        let mut first = None;
        loop {
            let read = socket.read_buf(packets.buffer()).await;
            match read {
                Ok(0) => return Err(self.not_accepted(first)),
                Err(error) if tls::is_tls(&error) => {
                    return Err(self.tls_failed(tls::describe(&error)));
                }
                Err(_) => return Err(self.not_accepted(first)),
                Ok(_) => {}
            }
            first = first.or_else(|| packets.buffer().first().copied());
            if first.is_some_and(|first| first != CONN_ACK) {
                return Err(self.no_mqtt(&packets.buffer()[..]));
            }
            match packets.next() {
                Ok(None) => {}
                Ok(Some(Incoming::ConnAck(0))) => {
                    sent.map_err(|cause| LinkError::Unreachable {
                        broker: self.name.clone(),
                        cause,
                    })?;
                    return Ok((socket, packets));
                }
                Ok(Some(Incoming::ConnAck(code))) => {
                    let will = self.will.as_ref().map(|(topic, _)| topic.as_str());
                    return Err(LinkError::of_code(code, &self.name, &self.client_id, will));
                }
                Ok(Some(_)) | Err(_) => return Err(self.no_mqtt(&packets.buffer()[..])),
            }
        }
    }

    fn tls_failed(&self, detail: String) -> LinkError {
        LinkError::Tls {
            broker: self.name.clone(),
            detail,
        }
    }

    fn not_accepted(&self, first: Option<u8>) -> LinkError {
        match first {
            Some(first) => self.no_mqtt(&[first]),
            None => LinkError::NotAccepted {
                broker: self.name.clone(),
                client_id: self.client_id.clone(),
                port_hint: if self.tls.is_some() {
                    "that the port is the broker's MQTT port"
                } else {
                    "that the port is not a TLS port"
                },
            },
        }
    }

    fn no_mqtt(&self, came: &[u8]) -> LinkError {
        let broker = self.name.clone();
        if came.first() == Some(&TLS_ALERT) && self.tls.is_none() {
            return LinkError::WantsTls { broker };
        }
        let detail = if came.starts_with(b"HTTP/") || came.starts_with(b"H") {
            "it answers like a web server; a broker's WebSocket port is not its MQTT port"
                .to_owned()
        } else {
            let bytes: Vec<String> = came
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("its answer to the login begins with {}", bytes.join(" "))
        };
        LinkError::NotMqtt { broker, detail }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
