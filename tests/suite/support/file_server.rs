//! An HTTP server for files, with the faults of real ones. Each connection has one request and is closed after it.
//!
//! The unit tests of the downloads include this file too.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A file and how it is served.
#[derive(Debug, Clone, Default)]
pub(crate) struct Served {
    pub(crate) content: Vec<u8>,
    /// Its `ETag`, without quotes.
    pub(crate) tag: Option<&'static str>,
    pub(crate) manner: Manner,
}

/// How a file is served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As the standard says, with parts.
    #[default]
    Right,
    /// The next answers end after so many bytes of the body; as many answers as the second number says.
    Cut(usize, usize),
    /// Always whole.
    NoParts,
    /// With this status and further lines of the head.
    Refuse(u16, &'static str),
    /// Without a length and without an end.
    Endless,
    /// Half of it, and then nothing for as long as the server lives.
    Silent,
    /// At another address.
    Moved(String),
}

/// A server that ends with its value.
pub(crate) struct FileServer {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Served>>,
    /// The path of each request, with its `Range`.
    requests: Mutex<Vec<(String, Option<String>)>>,
    has_ended: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FileServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        let accept = move || {
            for stream in listener.incoming().flatten() {
                if of_thread.has_ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || {
                    // A client may go away at any time.
                    let _ = shared.answer(stream);
                });
            }
        };
        Self {
            port,
            shared,
            thread: Some(std::thread::spawn(accept)),
        }
    }

    /// Serves a file at `/name` from now on, and returns its address.
    pub(crate) fn serve(&self, name: &str, served: Served) -> String {
        lock(&self.shared.files).insert(format!("/{name}"), served);
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// The `Range` of each request for `/name` so far.
    pub(crate) fn requests(&self, name: &str) -> Vec<Option<String>> {
        let all = lock(&self.shared.requests);
        let path = format!("/{name}");
        let of = all.iter().filter(|(requested, _)| *requested == path);
        of.map(|(_, range)| range.clone()).collect()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let path = first.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        for line in lines {
            let line = line?;
            match line.split_once(": ") {
                Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
                None => break,
            };
        }
        let range = headers.get("range").cloned();
        lock(&self.requests).push((path.clone(), range.clone()));
        let served = self.take(&path);
        let from = range.as_deref().and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        });
        let if_range = headers.get("if-range").map(String::as_str);
        self.send(&mut stream, served, from, if_range)
    }

    /// The file, whose next answer may have another fault.
    fn take(&self, path: &str) -> Served {
        let mut files = lock(&self.files);
        let Some(served) = files.get_mut(path) else {
            return Served {
                manner: Manner::Refuse(404, ""),
                ..Served::default()
            };
        };
        let answer = served.clone();
        if let Manner::Cut(_, times) = &mut served.manner {
            *times -= 1;
            if *times == 0 {
                served.manner = Manner::Right;
            }
        }
        answer
    }

    fn send(
        &self,
        stream: &mut TcpStream,
        served: Served,
        from: Option<usize>,
        if_range: Option<&str>,
    ) -> std::io::Result<()> {
        let Served {
            content,
            tag,
            manner,
        } = served;
        let tag = tag.map(|tag| format!("\"{tag}\""));
        let is_same = if_range.is_none_or(|wanted| tag.as_deref() == Some(wanted));
        let from = from.filter(|_| is_same && manner != Manner::NoParts);
        let tag = tag.map_or_else(String::new, |tag| format!("etag: {tag}\r\n"));
        let total = content.len();
        let begin = match (&manner, from) {
            (Manner::Refuse(status, lines), _) => {
                return write!(
                    stream,
                    "HTTP/1.1 {status} No\r\n{lines}content-length: 0\r\nconnection: close\r\n\r\n"
                );
            }
            (Manner::Moved(to), _) => {
                return write!(
                    stream,
                    "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
            }
            (Manner::Endless, _) => "HTTP/1.1 200 OK\r\n".to_owned(),
            (_, Some(from)) if from >= total => {
                return write!(
                    stream,
                    "HTTP/1.1 416 No\r\ncontent-range: bytes */{total}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
            }
            (_, Some(from)) => format!(
                "HTTP/1.1 206 Part\r\ncontent-range: bytes {from}-{}/{total}\r\ncontent-length: {}\r\n",
                total - 1,
                total - from
            ),
            (_, None) => format!("HTTP/1.1 200 OK\r\ncontent-length: {total}\r\n"),
        };
        write!(stream, "{begin}{tag}connection: close\r\n\r\n")?;
        let body = &content[from.unwrap_or(0)..];
        match manner {
            Manner::Endless => loop {
                stream.write_all(&[7; 4096])?;
            },
            Manner::Silent => {
                stream.write_all(&body[..body.len() / 2])?;
                while !self.has_ended.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Ok(())
            }
            Manner::Cut(after, _) => stream.write_all(&body[..after.min(body.len())]),
            _ => stream.write_all(body),
        }
    }
}
