//! An accepted connection: it reads, writes, acknowledges, and detects a broker that has stopped answering.
//!
//! The link's task polls it. It reads and writes at the same time; otherwise it and a broker that waits for it to read could
//! block each other. Packets from the queue stay here until they are written: at most [`OUT_LIMIT_BYTES`] and one message.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_util::bytes::{Buf, BytesMut};

use super::encode;
use super::flight::{InFlight, Sent};
use super::packets::{Incoming, Packets, Qos, RequiredAck};
use super::socket::{Socket, Target};
use super::traffic::{ConnectionError, ConnectionEvent, Publish, Request, Undelivered};
use super::{Message, tls};

/// Limit of unwritten bytes. Above it nothing is taken from the queue, and nothing is read that needs an acknowledgement.
const OUT_LIMIT_BYTES: usize = 64 * 1024;

/// Longest time in which the broker may accept no byte.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Longest wait for the acknowledgement of a message or a subscription.
const ACK_LIMIT: Duration = Duration::from_secs(20);

/// A connection that is closed within this time after its largest message may have been closed because of it.
const AFTER_LARGEST: Duration = Duration::from_secs(1);

/// Smaller messages are never the cause of a closed connection: no broker has a lower limit.
const SUSPECT_BYTES: usize = 1000;

#[derive(Debug)]
pub(super) struct Connection {
    reader: ReadHalf<Socket>,
    writer: WriteHalf<Socket>,
    packets: Packets,
    out: BytesMut,
    unflushed: bool,
    flight: InFlight,
    keep_alive: Duration,
    heard: Instant,
    pinged: Option<Instant>,
    wrote: Instant,
    check_at: Instant,
    put_bytes: u64,
    written_bytes: u64,
    /// End positions of the unwritten events of QoS 0, in the count of `put_bytes`.
    unwritten: VecDeque<u64>,
    /// The largest message that the broker may not have read yet.
    largest: Option<(Sent, Instant)>,
}

impl Connection {
    /// Wraps a socket on which the broker has accepted the login.
    pub(super) fn new(target: &Target, socket: Socket, packets: Packets) -> Self {
        let (reader, writer) = tokio::io::split(socket);
        let now = Instant::now();
        Self {
            reader,
            writer,
            packets,
            out: BytesMut::new(),
            unflushed: false,
            flight: InFlight::default(),
            keep_alive: target.keep_alive,
            heard: now,
            pinged: None,
            wrote: now,
            check_at: now + target.keep_alive,
            put_bytes: 0,
            written_bytes: 0,
            unwritten: VecDeque::new(),
            largest: None,
        }
    }

    /// Waits for the next event. Cancel-safe.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(super) async fn next_event(
        &mut self,
        queue: &mut mpsc::Receiver<Request>,
    ) -> Result<ConnectionEvent, ConnectionError> {
        loop {
            while self.out.len() < OUT_LIMIT_BYTES {
                match self.packets.next().map_err(ConnectionError::Protocol)? {
                    None => break,
                    Some(incoming) => {
                        if let Some(moved) = self.take(incoming)? {
                            return Ok(moved);
                        }
                    }
                }
            }
            let room = self.out.len() < OUT_LIMIT_BYTES;
            let owes = !self.out.is_empty() || self.unflushed;
            let check_at = self.check_at;
            tokio::select! {
                read = self.reader.read_buf(self.packets.buffer()), if room => {
                    match read.map_err(|error| from_io(&error))? {
                        0 => return Err(ConnectionError::Closed),
                        _ => self.heard = Instant::now(),
                    }
                }
                written = push(&mut self.writer, &self.out, self.unflushed), if owes => {
                    self.written(written.map_err(|error| from_io(&error))?);
                }
                request = queue.recv(), if room && self.flight.has_room() => match request {
                    Some(request) => {
                        self.put(request);
                        return Ok(ConnectionEvent::Sent);
                    }
                    None => return Err(ConnectionError::Closed),
                },
                () = tokio::time::sleep_until(check_at.into()) => {
                    self.check(Instant::now())?;
                    return Ok(ConnectionEvent::Sent);
                }
            }
        }
    }

    /// The topic and the payload size in bytes of the largest message, if the broker may have closed the connection because of
    /// it.
    pub(super) fn suspect(&self) -> Option<(String, usize)> {
        let (sent, at) = self.largest.as_ref()?;
        let is_one = sent.bytes >= SUSPECT_BYTES && at.elapsed() < AFTER_LARGEST;
        is_one.then(|| (sent.topic.clone(), sent.bytes))
    }

    /// The oldest packet that the broker has not acknowledged, in words.
    pub(super) fn waiting(&self) -> Option<String> {
        self.flight.oldest().map(|(_, waiting)| waiting.to_string())
    }

    /// Records an answer of the broker to a packet that was sent at `then`: it has read everything that was sent before.
    fn settle(&mut self, then: Option<Instant>) {
        let read = |(_, at): &(Sent, Instant)| then.is_some_and(|then| then >= *at);
        if self.largest.as_ref().is_some_and(read) {
            self.largest = None;
        }
    }

    /// Ends the connection and returns the messages that the broker may not have received.
    pub(super) fn into_undelivered(self) -> Undelivered {
        let mut left = Undelivered {
            events: self.unwritten.len() as u64,
            retained: Vec::new(),
        };
        for sent in self.flight.unacknowledged() {
            if sent.retain {
                left.retained.push((sent.topic.clone(), sent.bytes == 0));
            } else {
                left.events += 1;
            }
        }
        left
    }

    fn put(&mut self, request: Request) {
        let before = self.out.len();
        let now = Instant::now();
        if before == 0 {
            self.wrote = now;
        }
        match request {
            Request::Publish(publish) => self.publish(&publish, now),
            Request::Subscribe(filters) => {
                let texts = filters.iter().map(|(text, _)| text.clone()).collect();
                let id = self.flight.subscription(texts, now);
                encode::subscribe(&mut self.out, id, &filters);
            }
            Request::Unsubscribe(filters) => {
                let id = self.flight.unsubscription();
                encode::unsubscribe(&mut self.out, id, &filters);
            }
            Request::Disconnect => encode::disconnect(&mut self.out),
        }
        self.put_bytes += (self.out.len() - before) as u64;
    }

    fn publish(&mut self, publish: &Publish, now: Instant) {
        let sent = Sent {
            topic: publish.topic.clone(),
            qos: publish.qos,
            retain: publish.retain,
            bytes: publish.payload.len(),
        };
        if self
            .largest
            .as_ref()
            .is_none_or(|(largest, _)| largest.bytes <= sent.bytes)
        {
            self.largest = Some((sent.clone(), now));
        }
        let id = match publish.qos {
            Qos::AtMostOnce => 0,
            _ => self.flight.message(sent, now),
        };
        let before = self.out.len();
        encode::publish(
            &mut self.out,
            &publish.topic,
            &publish.payload,
            publish.qos,
            publish.retain,
            id,
        );
        if publish.qos == Qos::AtMostOnce {
            let end = self.put_bytes + (self.out.len() - before) as u64;
            self.unwritten.push_back(end);
        }
    }

    /// Records written bytes; 0 stands for a flush.
    fn written(&mut self, bytes: usize) {
        if bytes == 0 {
            self.unflushed = false;
            return;
        }
        self.out.advance(bytes);
        self.unflushed = true;
        self.wrote = Instant::now();
        self.written_bytes += bytes as u64;
        while self
            .unwritten
            .front()
            .is_some_and(|end| *end <= self.written_bytes)
        {
            self.unwritten.pop_front();
        }
    }

    /// Handles and acknowledges a packet. Returns an event if there is one for the link.
    fn take(&mut self, incoming: Incoming) -> Result<Option<ConnectionEvent>, ConnectionError> {
        let before = self.out.len();
        let moved = match incoming {
            Incoming::Message {
                topic,
                payload,
                retained,
                expects,
            } => self.acknowledge(expects).then(|| {
                ConnectionEvent::Message(Message {
                    topic,
                    payload: payload.to_vec(),
                    retained,
                })
            }),
            Incoming::Refused { message, expects } => self
                .acknowledge(expects)
                .then_some(ConnectionEvent::Refused(message)),
            Incoming::PubAck(id) => {
                let since = self.flight.acknowledged(id);
                self.settle(since);
                None
            }
            Incoming::PubRec(id) => {
                let since = self.flight.recorded(id, Instant::now());
                self.settle(since);
                encode::pub_rel(&mut self.out, id);
                None
            }
            Incoming::PubRel(id) => {
                self.flight.release(id);
                encode::pub_comp(&mut self.out, id);
                None
            }
            Incoming::PubComp(id) => {
                self.flight.completed(id);
                None
            }
            Incoming::SubAck(id, codes) => self.flight.subscribed(id).map(|filters| {
                // A filter without a code counts as refused.
                let codes = codes.into_iter().chain(std::iter::repeat(0x80));
                ConnectionEvent::Subscribed(filters.into_iter().zip(codes).collect())
            }),
            Incoming::UnsubAck(id) => {
                self.flight.unsubscribed(id);
                None
            }
            Incoming::Pong => {
                let pinged = self.pinged.take();
                self.settle(pinged);
                None
            }
            Incoming::ConnAck(_) => {
                return Err(ConnectionError::Protocol(
                    "a second CONNACK packet".to_owned(),
                ));
            }
        };
        if before == 0 && !self.out.is_empty() {
            self.wrote = Instant::now();
        }
        self.put_bytes += (self.out.len() - before) as u64;
        Ok(moved)
    }

    /// Acknowledges a message. False if it is a repetition.
    fn acknowledge(&mut self, expects: RequiredAck) -> bool {
        match expects {
            RequiredAck::Nothing => true,
            RequiredAck::PubAck(id) => {
                encode::pub_ack(&mut self.out, id);
                true
            }
            RequiredAck::PubRec(id) => {
                encode::pub_rec(&mut self.out, id);
                self.flight.receive(id)
            }
        }
    }

    /// Pings, and checks that the broker still answers. Any byte counts, because a PINGRESP may wait behind a long message.
    fn check(&mut self, now: Instant) -> Result<(), ConnectionError> {
        self.check_at = now + self.keep_alive;
        let unanswered = self.pinged.is_some_and(|pinged| self.heard < pinged);
        let stalled =
            !self.out.is_empty() && now.saturating_duration_since(self.wrote) >= WRITE_LIMIT;
        let unacknowledged = self
            .flight
            .oldest()
            .filter(|(since, _)| now.saturating_duration_since(*since) >= ACK_LIMIT);
        if unanswered {
            return Err(ConnectionError::Silent("no byte since the last ping"));
        }
        if stalled {
            return Err(ConnectionError::Silent("it accepted no byte for 5 s"));
        }
        if let Some((_, waiting)) = unacknowledged {
            return Err(ConnectionError::unacknowledged(waiting));
        }
        let before = self.out.len();
        if before == 0 {
            self.wrote = now;
        }
        encode::ping(&mut self.out);
        self.put_bytes += (self.out.len() - before) as u64;
        self.pinged = Some(now);
        Ok(())
    }
}

/// Writes pending bytes, or flushes if there are none. Returns the number of written bytes, 0 for a flush.
async fn push(
    writer: &mut WriteHalf<Socket>,
    out: &BytesMut,
    unflushed: bool,
) -> io::Result<usize> {
    if out.is_empty() {
        debug_assert!(unflushed, "called only with bytes to write or to flush");
        writer.flush().await?;
        return Ok(0);
    }
    match writer.write(out).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        bytes => Ok(bytes),
    }
}

fn from_io(error: &io::Error) -> ConnectionError {
    if tls::is_tls(error) {
        ConnectionError::Tls(tls::describe(error))
    } else {
        ConnectionError::Closed
    }
}
