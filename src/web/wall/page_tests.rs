//! The page over a socket.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::testing::{Scripted, ask, noise, page};
use super::*;
use crate::base::Size;

const SOON: Duration = Duration::from_secs(10);

/// A viewer of `/wall.mjpg` that reads on request.
struct Viewer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Viewer {
    async fn come(at: SocketAddr, query: &str, buffer_bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .set_recv_buffer_size(buffer_bytes)
            .expect("a small buffer");
        let mut stream = socket.connect(at).await.expect("it listens");
        // HTTP/1.0: the body comes without chunks.
        let question = format!("GET /wall.mjpg{query} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream
            .write_all(question.as_bytes())
            .await
            .expect("it reads");
        let read = Vec::new();
        Self { stream, read }
    }

    /// Everything up to and with `end`.
    async fn until(&mut self, end: &str) -> String {
        loop {
            let found = self
                .read
                .windows(end.len())
                .position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let head = self.read.drain(..at + end.len()).collect();
                return String::from_utf8(head).expect("heads are text");
            }
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let read = timeout(SOON, self.stream.read_buf(&mut self.read)).await;
        assert_ne!(
            read.expect("in time").expect("it is there"),
            0,
            "it goes on"
        );
    }

    /// The next picture with its number.
    async fn picture(&mut self) -> (u64, Vec<u8>) {
        let head = self.until("\r\n\r\n").await;
        let field = |name: &str| -> u64 {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.parse().ok())
                .unwrap_or_else(|| panic!("{name} in {head}"))
        };
        assert!(head.starts_with("Content-Type: image/jpeg\r\n"), "{head}");
        let length = field("Content-Length: ") as usize;
        while self.read.len() < length {
            self.more().await;
        }
        let picture = self.read.drain(..length).collect();
        let end = self.until("\r\n--nvr\r\n").await;
        assert_eq!(end, "\r\n--nvr\r\n", "the boundary follows at once");
        (field("X-Picture: "), picture)
    }
}

async fn figure(at: SocketAddr, name: &str) -> f64 {
    let text = ask(at, "/metrics", &[]).await.text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}{{}} ")));
    line.and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{name} in {text}"))
}

async fn until_figure(at: SocketAddr, name: &str, wanted: f64) {
    let reached = async {
        while figure(at, name).await != wanted {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, reached)
        .await
        .unwrap_or_else(|_| panic!("{name} becomes {wanted}"));
}

#[tokio::test]
async fn the_page_is_one_file_that_sets_text_only() {
    let served = page(&Arc::new(Scripted::new()), None).await;
    let answer = ask(served.address(), "/", &[]).await;
    assert_eq!(
        answer.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    let page = answer.text();
    assert!(page.len() < 15_000, "{} bytes", page.len());
    for word in [
        "http:",
        "https:",
        "innerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        " style=",
        " onclick=",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(
        !page.contains("gate"),
        "nothing of the wall is in the markup"
    );
}

#[tokio::test]
async fn the_state_is_json_whatever_its_texts_hold() {
    let served = page(&Arc::new(Scripted::new()), None).await;
    let answer = ask(served.address(), "/state.json", &[]).await;
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    let state: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(state["wall"]["name"], "</script><b>gate");
}

#[tokio::test]
async fn a_single_picture_has_the_size_that_was_asked_for() {
    let served = page(&Arc::new(Scripted::new()), None).await;
    let at = served.address();
    for (path, width) in [
        ("/wall.jpg", 320),
        ("/wall.jpg?width=100", 100),
        ("/wall.jpg?head=0&width=4000", 320),
    ] {
        let answer = ask(at, path, &[]).await;
        assert_eq!(
            (answer.status, answer.header("Content-Type")),
            (200, Some("image/jpeg"))
        );
        let picture = image::load_from_memory(&answer.body).expect("a JPEG");
        assert_eq!((picture.width(), picture.height()), (width, width * 3 / 4));
    }
    let answer = ask(at, "/wall.jpg?head=1", &[]).await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.text(),
        "no head 1: this wall has 1, counted from 0 (headless)\n"
    );
    assert_eq!(ask(at, "/wall.jpg?width=-1", &[]).await.status, 400);
}

#[tokio::test]
async fn pictures_follow_each_other_as_multipart_for_as_long_as_they_change() {
    let wall = Arc::new(Scripted::new());
    let served = page(&wall, None).await;
    let mut viewer = Viewer::come(served.address(), "?fps=15", 1 << 16).await;
    let head = viewer.until("\r\n\r\n").await;
    assert!(
        head.to_ascii_lowercase()
            .contains("content-type: multipart/x-mixed-replace; boundary=nvr\r\n"),
        "{head}"
    );
    assert_eq!(viewer.until("\r\n").await, "--nvr\r\n");
    for number in 1..=3 {
        let (found, picture) = viewer.picture().await;
        assert_eq!(found, number);
        assert!(image::load_from_memory(&picture).is_ok());
        wall.change();
    }
    viewer.picture().await;
    let start = std::time::Instant::now();
    let (found, _) = viewer.picture().await;
    assert_eq!(found, 4, "an unchanged scene is sent again,");
    assert!(start.elapsed() > Duration::from_secs(1), "but rarely");
    drop(viewer);
    until_figure(served.address(), "nvr_wall_page_viewers", 0.0).await;
}

#[tokio::test]
async fn nothing_is_encoded_while_nobody_looks() {
    let wall = Arc::new(Scripted::new());
    let served = page(&wall, None).await;
    let at = served.address();
    let viewer = Viewer::come(at, "?fps=15", 1 << 16).await;
    until_figure(at, "nvr_wall_page_viewers", 1.0).await;
    until_figure(at, "nvr_wall_page_pictures_total", 1.0).await;
    drop(viewer);
    until_figure(at, "nvr_wall_page_viewers", 0.0).await;
    let asked = wall.asked();
    for _ in 0..10 {
        wall.change();
        ask(at, "/", &[]).await;
        ask(at, "/state.json", &[]).await;
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(wall.asked(), asked);
    assert_eq!(figure(at, "nvr_wall_page_pictures_total").await, 1.0);
}

#[tokio::test]
async fn a_slow_viewer_gets_fewer_pictures_and_none_that_is_old() {
    let wall = Arc::new(Scripted::new());
    wall.show(noise(Size::new(1280, 720)));
    let served = page(&wall, None).await;
    let at = served.address();
    let mut slow = Viewer::come(at, "?fps=15", 1 << 14).await;
    slow.until("--nvr\r\n").await;
    // Another one reads all of them meanwhile.
    let mut quick = Viewer::come(at, "?fps=15", 1 << 20).await;
    quick.until("--nvr\r\n").await;
    let mut newest = 0;
    while newest < 15 {
        newest = quick.picture().await.0;
        wall.show(noise(Size::new(1280, 720)));
    }
    drop(quick);
    let (first, picture) = slow.picture().await;
    assert!(
        first <= 2 && picture.len() > 500_000,
        "{first}, {}",
        picture.len()
    );
    let (second, _) = slow.picture().await;
    assert!(
        second >= newest,
        "{second} came next, {newest} was the newest"
    );
}

#[tokio::test]
async fn a_viewer_beyond_the_limit_is_refused_until_another_leaves() {
    let served = page(&Arc::new(Scripted::new()), None).await;
    let at = served.address();
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS {
        viewers.push(Viewer::come(at, "", 1 << 16).await);
    }
    until_figure(at, "nvr_wall_page_viewers", VIEWERS as f64).await;
    let refused = ask(at, "/wall.mjpg", &[]).await;
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("the limit of 8 viewers is reached"));
    assert_eq!(ask(at, "/wall.jpg", &[]).await.status, 200);
    viewers.pop();
    until_figure(at, "nvr_wall_page_viewers", VIEWERS as f64 - 1.0).await;
    let mut viewer = Viewer::come(at, "", 1 << 16).await;
    assert!(viewer.until("\r\n").await.contains("200 OK"));
}

#[tokio::test]
async fn the_end_of_the_page_ends_its_streams() {
    let served = page(&Arc::new(Scripted::new()), None).await;
    let mut viewer = Viewer::come(served.address(), "", 1 << 16).await;
    viewer.until("--nvr\r\n").await;
    drop(served);
    let mut rest = Vec::new();
    let end = timeout(SOON, viewer.stream.read_to_end(&mut rest)).await;
    assert!(end.expect("in time").is_ok());
}

#[tokio::test]
async fn off_loopback_a_token_is_demanded_before_anything_is_served() {
    let wall = Arc::new(Scripted::new());
    let heartbeats = Heartbeats::new(Clock::system());
    let address = ([0, 0, 0, 0], 0).into();
    let refused = serve(
        address,
        None,
        &[],
        wall.clone(),
        wall.clone(),
        heartbeats.clone(),
    )
    .await;
    assert_eq!(
        refused.err().map(|err| err.to_string()).as_deref(),
        Some(
            "http = 0.0.0.0:0: other machines reach this address, and no token is set; set http_token, or serve the page \
             at 127.0.0.1"
        )
    );
    let token = Some(Secret::new("token"));
    assert!(
        serve(address, token, &[], wall.clone(), wall, heartbeats)
            .await
            .is_ok()
    );
}

#[test]
fn a_rate_beyond_the_bounds_becomes_the_nearest_one_within() {
    let every = |fps| {
        PictureQuery {
            head: 0,
            width: None,
            fps,
        }
        .every()
        .as_millis()
    };
    assert_eq!(every(None), 200);
    assert_eq!(every(Some(1e9)), 66);
    assert_eq!(every(Some(-1.0)), 10_000);
    assert_eq!(every(Some(f64::NAN)), 200);
}
