//! One client, on one task: it is accepted, then read from and written to at the same time until either ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{
    ConnAck, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, Publish,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::filters::is_topic;
use super::limits::MESSAGE_LIMIT_BYTES;
use super::outgoing::write;
use super::router::{ClientHandle, Router, is_will};
use super::wire::{FirstPacket, Incoming, Reader, WireError, other_version};

/// Time for a refused client to read the reason.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Packets of one client before the task yields to others.
const PACKETS_PER_TURN: u32 = 64;

/// Poll interval while waiting for a slow client.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// An accepted client.
pub(super) struct Client<S> {
    router: Arc<Router>,
    attached: ClientHandle,
    reader: Reader<tokio::io::ReadHalf<S>>,
    writer: tokio::io::WriteHalf<S>,
    /// The bytes that are being written.
    batch: BytesMut,
    sent_disconnect: bool,
}

/// Why a connection ends.
#[derive(Debug)]
enum ClientEnd {
    Disconnect,
    Wire(WireError),
    /// The client's socket accepted no byte.
    Stalled,
    /// The router closes the connection.
    Closed,
}

/// Reads CONNECT and answers it. `None` if the client is refused; it then gets an error code.
pub(super) async fn accept_client<S: AsyncRead + AsyncWrite + Unpin>(
    router: &Arc<Router>,
    stream: S,
    peer: &str,
) -> Option<Client<S>> {
    let (read, mut writer) = tokio::io::split(stream);
    let mut reader = Reader::new(read);
    let first_packet = match timeout(router.limits.connect, reader.first_packet()).await {
        Ok(Ok(first_packet)) => first_packet,
        Ok(Err(error)) => {
            debug!(%peer, %error, "a connection ended before CONNECT");
            return None;
        }
        Err(_) => {
            debug!(%peer, "a connection without CONNECT is closed");
            return None;
        }
    };
    let refusal = match first_packet {
        FirstPacket::Version(version) => {
            if let Some(more) = router.log_limit.due("version") {
                warn!(%peer, version, more, "a client is refused: it does not speak MQTT 3.1.1 (version 4)");
            }
            other_version(version)
        }
        FirstPacket::Connect(connect) => {
            if !connect.last_will.as_ref().is_none_or(is_will) {
                debug!(%peer, client_id = connect.client_id, "a client is refused: its will has an invalid topic or is too large");
                return None;
            }
            let keep_alive = connect.keep_alive;
            match router.attach(connect, peer) {
                Ok(attached) => {
                    reader.silence_limit = (keep_alive > 0)
                        .then(|| Duration::from_millis(1500 * u64::from(keep_alive)));
                    return Some(Client {
                        router: router.clone(),
                        attached,
                        reader,
                        writer,
                        batch: BytesMut::new(),
                        sent_disconnect: false,
                    });
                }
                Err(code) => refusal(code),
            }
        }
    };
    let _ = timeout(CLOSE_LIMIT, async {
        writer.write_all(&refusal).await?;
        writer.shutdown().await?;
        // Reads to the end: if the socket is closed with unread data, the system discards the answer.
        let mut rest = reader.into_inner();
        tokio::io::copy(&mut (&mut rest).take(1 << 20), &mut tokio::io::sink()).await
    })
    .await;
    None
}

fn refusal(code: ConnectReturnCode) -> bytes::Bytes {
    let mut bytes = BytesMut::new();
    write(&Packet::ConnAck(ConnAck::new(code, false)), &mut bytes);
    bytes.freeze()
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Serves the client until its connection ends.
    pub(super) async fn run(mut self) {
        let cut = self.attached.cut.clone();
        let end = tokio::select! {
            end = receive(&self.router, &self.attached, &mut self.reader) => end,
            end = send(&self.router, &self.attached, &mut self.writer, &mut self.batch) => end,
            () = cut.cancelled() => ClientEnd::Closed,
        };
        let client_id = self.router.client_id(&self.attached);
        match &end {
            ClientEnd::Disconnect => {
                debug!(client_id, "a client disconnected");
                self.sent_disconnect = true;
            }
            // The router has logged it.
            ClientEnd::Closed => {}
            ClientEnd::Stalled => {
                let limit_s = self.router.limits.stalled.as_secs();
                warn!(
                    client_id,
                    limit_s,
                    "a client is disconnected: its socket accepted no byte within the limit"
                );
            }
            ClientEnd::Wire(WireError::Silent) => {
                info!(client_id, reason = %WireError::Silent, "a client is disconnected");
            }
            ClientEnd::Wire(error @ WireError::Malformed(_)) => {
                if let Some(more) = self.router.log_limit.due("malformed") {
                    warn!(client_id, %error, more, "a client is disconnected");
                }
            }
            ClientEnd::Wire(error) => debug!(client_id, %error, "a connection to a client ended"),
        }
        if matches!(
            end,
            ClientEnd::Disconnect | ClientEnd::Wire(WireError::Closed)
        ) {
            let _ = timeout(CLOSE_LIMIT, self.last_answers()).await;
        }
        // Before the socket is closed: the client then finds its will published and its place free.
        self.router.detach(&self.attached, self.sent_disconnect);
        let _ = timeout(CLOSE_LIMIT, self.writer.shutdown()).await;
    }

    /// Sends the last answers, for a client that sends requests and DISCONNECT together.
    async fn last_answers(&mut self) -> std::io::Result<()> {
        self.writer.write_all_buf(&mut self.batch).await?;
        self.router.fill(&self.attached, &mut self.batch);
        self.writer.write_all_buf(&mut self.batch).await?;
        self.writer.flush().await
    }
}

impl<S> Drop for Client<S> {
    fn drop(&mut self) {
        self.router.detach(&self.attached, self.sent_disconnect);
    }
}

async fn receive<R: AsyncRead + Unpin>(
    router: &Router,
    client: &ClientHandle,
    reader: &mut Reader<R>,
) -> ClientEnd {
    let mut turn = 0;
    loop {
        let incoming = match reader.next().await {
            Ok(incoming) => incoming,
            Err(error) => return ClientEnd::Wire(error),
        };
        match handle(router, client, incoming).await {
            Ok(true) => {}
            Ok(false) => return ClientEnd::Disconnect,
            Err(error) => return ClientEnd::Wire(error),
        }
        // If the client never reads, the writer's limit ends the connection.
        while router.has_unread_answers(client) {
            sleep(POLL_INTERVAL).await;
        }
        turn = (turn + 1) % PACKETS_PER_TURN;
        if turn == 0 && reader.has_more() {
            tokio::task::yield_now().await;
        }
    }
}

/// Handles a packet. False at DISCONNECT.
async fn handle(
    router: &Router,
    client: &ClientHandle,
    incoming: Incoming,
) -> Result<bool, WireError> {
    let packet = match incoming {
        Incoming::Packet(packet) => packet,
        Incoming::TooLarge {
            topic,
            qos,
            id,
            bytes,
        } => {
            too_large(router, client, &topic, bytes);
            accept(router, client, qos, id);
            return Ok(true);
        }
    };
    match packet {
        Packet::Publish(publish) => return take(router, client, publish).await.map(|()| true),
        Packet::PubAck(ack) => router.acknowledge(client, ack.pkid, false),
        Packet::PubRec(ack) => router.acknowledge(client, ack.pkid, true),
        Packet::PubComp(ack) => router.acknowledge(client, ack.pkid, false),
        Packet::PubRel(release) => {
            router.release(client, release.pkid);
            router.answer(client, &Packet::PubComp(PubComp::new(release.pkid)));
        }
        Packet::Subscribe(subscribe) if subscribe.pkid > 0 => router.subscribe(client, &subscribe),
        Packet::Unsubscribe(unsubscribe) if unsubscribe.pkid > 0 => {
            router.unsubscribe(client, &unsubscribe);
        }
        Packet::PingReq => router.answer(client, &Packet::PingResp),
        Packet::Disconnect => return Ok(false),
        other => {
            return Err(WireError::Malformed(format!("{other:?}")));
        }
    }
    Ok(true)
}

async fn take(router: &Router, client: &ClientHandle, publish: Publish) -> Result<(), WireError> {
    if !is_topic(&publish.topic) {
        let what = format!(
            "a message to the invalid topic `{}`",
            publish.topic.escape_debug()
        );
        return Err(WireError::Malformed(what));
    }
    // A repeated message of QoS 2 is published only once.
    let is_new = publish.qos != QoS::ExactlyOnce || router.note_unreleased(client, publish.pkid);
    if publish.payload.len() > MESSAGE_LIMIT_BYTES {
        too_large(router, client, &publish.topic, publish.payload.len());
    } else if is_new {
        let behind = router.publish(&publish.topic, publish.payload, publish.qos, publish.retain);
        accept_only(router, client, publish.qos, publish.pkid);
        if let Some(behind) = behind {
            while router.is_slow(behind) {
                sleep(POLL_INTERVAL).await;
            }
        }
        return Ok(());
    }
    accept_only(router, client, publish.qos, publish.pkid);
    Ok(())
}

/// Acknowledges a discarded message.
fn accept(router: &Router, client: &ClientHandle, qos: QoS, id: u16) {
    if qos == QoS::ExactlyOnce {
        router.note_unreleased(client, id);
    }
    accept_only(router, client, qos, id);
}

fn accept_only(router: &Router, client: &ClientHandle, qos: QoS, id: u16) {
    match qos {
        QoS::AtMostOnce => {}
        QoS::AtLeastOnce => router.answer(client, &Packet::PubAck(PubAck::new(id))),
        QoS::ExactlyOnce => router.answer(client, &Packet::PubRec(PubRec::new(id))),
    }
}

fn too_large(router: &Router, client: &ClientHandle, topic: &str, bytes: usize) {
    if let Some(more) = router.log_limit.due("too large") {
        let client_id = router.client_id(client);
        warn!(
            client_id,
            topic,
            bytes,
            limit_bytes = MESSAGE_LIMIT_BYTES,
            more,
            "a message is discarded: its payload is over the limit"
        );
    }
}

async fn send<W: AsyncWrite + Unpin>(
    router: &Router,
    client: &ClientHandle,
    writer: &mut W,
    batch: &mut BytesMut,
) -> ClientEnd {
    loop {
        let more = router.fill(client, batch);
        while !batch.is_empty() {
            match timeout(router.limits.stalled, writer.write_buf(batch)).await {
                Ok(Ok(0)) => return ClientEnd::Wire(WireError::Closed),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return ClientEnd::Wire(error.into()),
                Err(_) => return ClientEnd::Stalled,
            }
        }
        if more {
            tokio::task::yield_now().await;
            continue;
        }
        // TLS buffers unsent bytes.
        match timeout(router.limits.stalled, writer.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return ClientEnd::Wire(error.into()),
            Err(_) => return ClientEnd::Stalled,
        }
        client.wake.notified().await;
    }
}
