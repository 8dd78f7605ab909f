//! A proxy that gives an ordinary RTSP server the quirks of real cameras: interleaved RTP over TCP only.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The quirk of a server, for one connection.
pub(crate) trait Quirk: Send {
    /// A request on its way to the server.
    fn request(&mut self, _request: &Request) -> Handling {
        Handling::Pass
    }

    /// A response on its way back, head and body; `Content-Length` is corrected afterwards.
    fn answer(&mut self, _method: &str, answer: String) -> String {
        answer
    }

    /// An RTP packet on its way back, and the packets that replace it.
    fn rtp(&mut self, packet: Vec<u8>) -> Vec<Vec<u8>> {
        vec![packet]
    }

    /// An RTCP packet on its way back.
    fn rtcp(&mut self, packet: Vec<u8>) -> Vec<u8> {
        packet
    }

    /// The time without a request after which the client is disconnected.
    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// The handling of a request.
pub(crate) enum Handling {
    Pass,
    /// The proxy responds: status line and further headers, without `CSeq`.
    Answer(String),
    /// Nobody responds.
    Swallow,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) head: String,
}

impl Request {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A server behind the proxy. Its threads end with their connections.
pub(crate) struct QuirkyCamera {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl QuirkyCamera {
    /// A proxy for the server at `target`; `quirk` makes the quirk of each connection.
    pub(crate) fn before<O: Quirk + 'static>(
        target: u16,
        quirk: impl Fn() -> O + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let log = requests.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) =
                    (client, TcpStream::connect((Ipv4Addr::LOCALHOST, target)))
                else {
                    return;
                };
                connect(client, server, quirk(), &log);
            }
        });
        Self { port, requests }
    }

    /// The address of `path` through the proxy.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}{path}", self.port)
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }

    /// The number of requests with a login.
    pub(crate) fn logins(&self) -> usize {
        let requests = self.requests();
        let with_login = requests
            .iter()
            .filter(|request| request.header("Authorization").is_some());
        with_login.count()
    }
}

struct ProxyState<O> {
    quirk: Mutex<O>,
    client: Mutex<TcpStream>,
    method: Mutex<String>,
    heard: Mutex<Instant>,
}

fn connect<O: Quirk + 'static>(
    client: TcpStream,
    server: TcpStream,
    quirk: O,
    log: &Arc<Mutex<Vec<Request>>>,
) {
    let copy = |stream: &TcpStream| stream.try_clone().expect("a socket can be cloned");
    let patience = quirk.patience();
    let state = Arc::new(ProxyState {
        quirk: Mutex::new(quirk),
        client: Mutex::new(copy(&client)),
        method: Mutex::default(),
        heard: Mutex::new(Instant::now()),
    });
    let (to_server, from_server) = (copy(&server), server);
    let (up, log) = (state.clone(), log.clone());
    let from_client = copy(&client);
    thread::spawn(move || {
        let _ = upwards(&up, from_client, &to_server, &log);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let down = state.clone();
    thread::spawn(move || {
        let _ = downwards(&down, from_server);
        let _ = lock(&down.client).shutdown(Shutdown::Both);
    });
    if let Some(patience) = patience {
        thread::spawn(move || {
            loop {
                let left = patience.saturating_sub(lock(&state.heard).elapsed());
                if left.is_zero() {
                    let _ = client.shutdown(Shutdown::Both);
                    return;
                }
                thread::sleep(left);
            }
        });
    }
}

fn upwards<O: Quirk>(
    state: &ProxyState<O>,
    from: TcpStream,
    mut to: &TcpStream,
    log: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    let mut reader = Reader::new(from);
    loop {
        let (head, body) = match reader.next()? {
            Message::Data(channel, data) => {
                to.write_all(&frame(channel, &data))?;
                continue;
            }
            Message::Text(head, body) => (head, body),
        };
        let method = head.split(' ').next().unwrap_or_default().to_owned();
        let request = Request {
            method: method.clone(),
            head: head.clone(),
        };
        lock(log).push(request.clone());
        *lock(&state.heard) = Instant::now();
        let handling = lock(&state.quirk).request(&request);
        match handling {
            Handling::Pass => {
                *lock(&state.method) = method;
                to.write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
            }
            Handling::Swallow => {}
            Handling::Answer(answer) => {
                let number = request.header("CSeq").unwrap_or("0");
                let (status, headers) = answer.split_once("\r\n").unwrap_or((&answer, ""));
                let headers = headers.trim_end();
                let end = if headers.is_empty() { "" } else { "\r\n" };
                let text = format!("{status}\r\nCSeq: {number}\r\n{headers}{end}\r\n");
                lock(&state.client).write_all(text.as_bytes())?;
            }
        }
    }
}

fn downwards<O: Quirk>(state: &ProxyState<O>, from: TcpStream) -> io::Result<()> {
    let mut reader = Reader::new(from);
    loop {
        let bytes = match reader.next()? {
            Message::Data(channel, data) if channel % 2 == 0 => {
                let packets = lock(&state.quirk).rtp(data);
                packets
                    .iter()
                    .flat_map(|packet| frame(channel, packet))
                    .collect()
            }
            Message::Data(channel, data) => frame(channel, &lock(&state.quirk).rtcp(data)),
            Message::Text(head, body) => {
                let method = lock(&state.method).clone();
                let answer = format!("{head}\r\n\r\n{body}");
                let answer = lock(&state.quirk).answer(&method, answer);
                with_length(&answer).into_bytes()
            }
        };
        lock(&state.client).write_all(&bytes)?;
    }
}

/// The message with the correct `Content-Length`.
fn with_length(message: &str) -> String {
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let mut lines: Vec<_> = head
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"))
        .map(str::to_owned)
        .collect();
    if !body.is_empty() {
        lines.push(format!("Content-Length: {}", body.len()));
    }
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

fn frame(channel: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("an interleaved packet is short");
    let mut frame = vec![b'$', channel];
    frame.extend(length.to_be_bytes());
    frame.extend(data);
    frame
}

enum Message {
    Data(u8, Vec<u8>),
    Text(String, String),
}

struct Reader {
    from: TcpStream,
    bytes: Vec<u8>,
}

impl Reader {
    fn new(from: TcpStream) -> Self {
        Self {
            from,
            bytes: Vec::new(),
        }
    }

    fn need(&mut self, count: usize) -> io::Result<()> {
        while self.bytes.len() < count {
            let mut more = [0; 16 * 1024];
            let read = self.from.read(&mut more)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.bytes.extend(&more[..read]);
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        self.need(count)?;
        let rest = self.bytes.split_off(count);
        Ok(std::mem::replace(&mut self.bytes, rest))
    }

    fn next(&mut self) -> io::Result<Message> {
        self.need(1)?;
        if self.bytes[0] == b'$' {
            let head = self.take(4)?;
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            return Ok(Message::Data(head[1], self.take(length)?));
        }
        let end = loop {
            if let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            self.need(self.bytes.len() + 1)?;
        };
        let head = String::from_utf8_lossy(&self.take(end + 4)?[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            let is_length = key.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        let body = self.take(length.unwrap_or(0))?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Message::Text(head, body))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
