//! A man in the middle who makes an ordinary RTSP server as odd as cameras are: interleaved RTP over TCP only.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How a server is odd, for one connection.
pub(crate) trait Odd: Send {
    /// A request on its way to the server.
    fn request(&mut self, _request: &Request) -> Handling {
        Handling::Pass
    }

    /// An answer on its way back, head and body; `Content-Length` is put right afterwards.
    fn answer(&mut self, _method: &str, answer: String) -> String {
        answer
    }

    /// An RTP packet on its way back, and what comes in its place.
    fn rtp(&mut self, packet: Vec<u8>) -> Vec<Vec<u8>> {
        vec![packet]
    }

    /// An RTCP packet on its way back.
    fn rtcp(&mut self, packet: Vec<u8>) -> Vec<u8> {
        packet
    }

    /// How long a client may go without a request before it is hung up on.
    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// What becomes of a request.
pub(crate) enum Handling {
    Pass,
    /// It is answered here: status line and further headers, without `CSeq`.
    Answer(String),
    /// It is answered by nobody.
    Swallow,
}

/// A request as it was sent.
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

/// A server behind a man in the middle. Its threads end with their connections.
pub(crate) struct OddCamera {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl OddCamera {
    /// In front of the server at `target`; `odd` makes the oddity of each connection.
    pub(crate) fn before<O: Odd + 'static>(
        target: u16,
        odd: impl Fn() -> O + Send + 'static,
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
                connect(client, server, odd(), &log);
            }
        });
        Self { port, requests }
    }

    /// The address of `path` through it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}{path}", self.port)
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }

    /// How many of them carried a login.
    pub(crate) fn logins(&self) -> usize {
        let requests = self.requests();
        let with_login = requests
            .iter()
            .filter(|request| request.header("Authorization").is_some());
        with_login.count()
    }
}

struct Shared<O> {
    odd: Mutex<O>,
    client: Mutex<TcpStream>,
    method: Mutex<String>,
    heard: Mutex<Instant>,
}

fn connect<O: Odd + 'static>(
    client: TcpStream,
    server: TcpStream,
    odd: O,
    log: &Arc<Mutex<Vec<Request>>>,
) {
    let copy = |stream: &TcpStream| stream.try_clone().expect("a socket can be cloned");
    let patience = odd.patience();
    let shared = Arc::new(Shared {
        odd: Mutex::new(odd),
        client: Mutex::new(copy(&client)),
        method: Mutex::default(),
        heard: Mutex::new(Instant::now()),
    });
    let (to_server, from_server) = (copy(&server), server);
    let (up, log) = (shared.clone(), log.clone());
    let from_client = copy(&client);
    thread::spawn(move || {
        let _ = upwards(&up, from_client, &to_server, &log);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let down = shared.clone();
    thread::spawn(move || {
        let _ = downwards(&down, from_server);
        let _ = lock(&down.client).shutdown(Shutdown::Both);
    });
    if let Some(patience) = patience {
        thread::spawn(move || {
            loop {
                let left = patience.saturating_sub(lock(&shared.heard).elapsed());
                if left.is_zero() {
                    let _ = client.shutdown(Shutdown::Both);
                    return;
                }
                thread::sleep(left);
            }
        });
    }
}

fn upwards<O: Odd>(
    shared: &Shared<O>,
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
        *lock(&shared.heard) = Instant::now();
        let handling = lock(&shared.odd).request(&request);
        match handling {
            Handling::Pass => {
                *lock(&shared.method) = method;
                to.write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
            }
            Handling::Swallow => {}
            Handling::Answer(answer) => {
                let number = request.header("CSeq").unwrap_or("0");
                let (status, headers) = answer.split_once("\r\n").unwrap_or((&answer, ""));
                let headers = headers.trim_end();
                let end = if headers.is_empty() { "" } else { "\r\n" };
                let text = format!("{status}\r\nCSeq: {number}\r\n{headers}{end}\r\n");
                lock(&shared.client).write_all(text.as_bytes())?;
            }
        }
    }
}

fn downwards<O: Odd>(shared: &Shared<O>, from: TcpStream) -> io::Result<()> {
    let mut reader = Reader::new(from);
    loop {
        let bytes = match reader.next()? {
            Message::Data(channel, data) if channel % 2 == 0 => {
                let packets = lock(&shared.odd).rtp(data);
                packets
                    .iter()
                    .flat_map(|packet| frame(channel, packet))
                    .collect()
            }
            Message::Data(channel, data) => frame(channel, &lock(&shared.odd).rtcp(data)),
            Message::Text(head, body) => {
                let method = lock(&shared.method).clone();
                let answer = format!("{head}\r\n\r\n{body}");
                let answer = lock(&shared.odd).answer(&method, answer);
                with_length(&answer).into_bytes()
            }
        };
        lock(&shared.client).write_all(&bytes)?;
    }
}

/// The message with a `Content-Length` that its body has.
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
