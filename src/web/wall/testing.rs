//! A wall for the tests of the page: one head, and scenes that the test changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::view::WallView;
use crate::base::Size;
use crate::base::sync::lock;
use crate::control::wall_state::{Identity, WallState};
use crate::health::{MetricsSource, Sample};
use crate::render::{Canvas, Color, Rect};

pub(super) struct Scripted {
    scene: Mutex<Arc<Canvas>>,
    asked: AtomicUsize,
}

/// Red, green, blue and white quarters.
pub(super) fn colored(size: Size) -> Canvas {
    let mut canvas = Canvas::new(size, Color::WHITE);
    let (width, height) = (size.width / 2, size.height / 2);
    canvas.fill(&Rect::new(0, 0, width, height), Color::rgb(200, 16, 32));
    canvas.fill(
        &Rect::new(width as i32, 0, width, height),
        Color::rgb(16, 160, 64),
    );
    canvas.fill(
        &Rect::new(0, height as i32, width, height),
        Color::rgb(24, 48, 208),
    );
    canvas
}

/// A picture that compresses badly.
pub(super) fn noise(size: Size) -> Canvas {
    let mut canvas = Canvas::new(size, Color::BLACK);
    fastrand::fill(canvas.from_mut(&Rect::of(size)));
    canvas
}

impl Scripted {
    pub(super) fn new() -> Self {
        Self {
            scene: Mutex::new(Arc::new(colored(Size::new(320, 240)))),
            asked: AtomicUsize::new(0),
        }
    }

    /// Another scene that looks the same.
    pub(super) fn change(&self) {
        self.show(colored(Size::new(320, 240)));
    }

    pub(super) fn show(&self, scene: Canvas) {
        *lock(&self.scene) = Arc::new(scene);
    }

    /// How often a picture was asked for.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl WallView for Scripted {
    fn heads(&self) -> Vec<String> {
        vec!["headless".to_owned()]
    }

    fn picture(&self, head: usize, _limit: Duration) -> Option<Arc<Canvas>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let scene = lock(&self.scene);
        (head == 0).then(|| scene.clone())
    }

    fn state(&self) -> WallState {
        WallState {
            wall: Identity {
                name: Some("</script><b>gate".to_owned()),
                ..Identity::default()
            },
            ..WallState::default()
        }
    }
}

impl MetricsSource for Scripted {
    fn samples(&self) -> Vec<Sample> {
        super::samples(&self.state())
    }
}

/// A received answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one GET request with the header lines `lines`.
pub(super) async fn ask(address: std::net::SocketAddr, path: &str, lines: &[&str]) -> Answer {
    send(address, "GET", path, lines).await
}

/// As [`ask`], with another method.
pub(super) async fn send(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    lines: &[&str],
) -> Answer {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("it listens");
    let mut question = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !lines.iter().any(|line| line.starts_with("Host:")) {
        question += "Host: localhost\r\n";
    }
    for line in lines {
        question += &format!("{line}\r\n");
    }
    stream
        .write_all(format!("{question}\r\n").as_bytes())
        .await
        .expect("it reads");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("it answers");
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Answer {
        status: status.expect("a status"),
        head,
        body: bytes[end + 4..].to_vec(),
    }
}

/// The page of `wall` at a free port of this machine.
pub(super) async fn page(wall: &Arc<Scripted>, token: Option<&str>) -> super::Page {
    super::serve(
        ([127, 0, 0, 1], 0).into(),
        token.map(crate::config::Secret::new),
        &["wall.example".to_owned()],
        wall.clone(),
        wall.clone(),
        crate::base::Heartbeats::new(crate::base::Clock::system()),
    )
    .await
    .expect("a free port")
}
