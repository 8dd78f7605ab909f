//! Exports over a socket.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::testing::{EXPORT_BYTES, Exporting, STARTED_MS, Scripted, content, page};
use super::*;
use crate::web::testing::{Answer, ask, send};

fn path(route: &str) -> String {
    let (from, to) = (STARTED_MS, STARTED_MS + 300_000);
    format!("/{route}?source=3&from={from}&to={to}")
}

/// The content of an answer in chunks, which has its end.
fn chunks(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.header("Transfer-Encoding"), Some("chunked"));
    let (mut content, mut rest) = (Vec::new(), answer.body.as_slice());
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n");
        let line = line.expect("a chunk");
        let length = std::str::from_utf8(&rest[..line]).expect("a length");
        let length = usize::from_str_radix(length, 16).expect("hexadecimal");
        if length == 0 {
            return content;
        }
        content.extend(&rest[line + 2..][..length]);
        rest = &rest[line + 2 + length + 2..];
    }
}

/// Waits until the recorder was asked this.
async fn until_asked(view: &Scripted, call: &str) {
    for _ in 0..6_000 {
        if view.asked().iter().any(|asked| asked.starts_with(call)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody asked {call}");
}

/// Waits until the next export can begin.
async fn until_free(address: SocketAddr) {
    for _ in 0..6_000 {
        if ask(address, &path("export.json"), &[]).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the export does not end");
}

/// Asks for an export without reading more than the head.
async fn begin(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let question = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path("export"));
    let written = stream.write_all(question.as_bytes()).await;
    written.expect("it reads");
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn an_export_is_a_download_with_a_speaking_name() {
    let view = Scripted::new(1000);
    let served = page(&view, None).await;
    let answer = ask(served.address(), &path("export"), &[]).await;
    assert_eq!(answer.status, 200);
    let name = "camera-3_2026-11-28T08-30-00Z_5min";
    let place = format!("attachment; filename=\"{name}.zip\"");
    for (header, value) in [
        ("Content-Type", "application/zip"),
        ("Content-Disposition", &place),
        ("Cache-Control", "no-store"),
    ] {
        assert_eq!(answer.header(header), Some(value), "{header}");
    }
    assert!(chunks(&answer) == content(EXPORT_BYTES), "other bytes");
    let window = Window {
        from_ms: STARTED_MS,
        to_ms: STARTED_MS + 300_000,
    };
    let wanted = ExportWanted {
        source: SourceId(3),
        window,
        name: name.to_owned(),
    };
    assert_eq!(view.asked(), [format!("check {wanted:?}")]);
    for (route, method) in [("export", "HEAD"), ("export.json", "GET")] {
        let answer = send(served.address(), method, &path(route), &[]).await;
        assert_eq!(answer.status, 200, "{route}");
        match method {
            "HEAD" => {
                assert_eq!(answer.header("Content-Disposition"), Some(&*place));
                assert_eq!(answer.header("Content-Length"), None);
            }
            _ => assert_eq!(answer.text(), format!("{{\"file\":\"{name}.zip\"}}")),
        }
        assert_eq!(view.asked(), [format!("check {wanted:?}")]);
    }
}

#[tokio::test]
async fn what_fails_before_the_first_byte_has_a_status_and_a_reason() {
    let view = Scripted::new(1000);
    let served = page(&view, None).await;
    let (from, to) = (STARTED_MS + 120_000, STARTED_MS + 180_000);
    for route in ["export", "export.json"] {
        let path = format!("/{route}?source=3&from={from}&to={to}");
        let answer = ask(served.address(), &path, &[]).await;
        let told = "nothing of source 3 was recorded then\n".to_owned();
        assert_eq!((answer.status, answer.text()), (404, told), "{route}");
        assert_eq!(answer.header("Content-Disposition"), None);
    }
    view.fail();
    let answer = ask(served.address(), &path("export"), &[]).await;
    assert_eq!(
        (answer.status, answer.header("Retry-After")),
        (503, Some("5"))
    );
    assert!(
        answer.text().starts_with("can't read /rec/3: "),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn what_fails_later_breaks_off_the_transfer() {
    let view = Scripted::new(1000);
    let go = Stop::default();
    view.set_exporting(Exporting::Fails(go.clone()));
    let served = page(&view, None).await;
    let mut stream = begin(served.address()).await;
    go.raise();
    let mut sent = Vec::new();
    stream.read_to_end(&mut sent).await.expect("its end");
    assert!(!sent.ends_with(b"0\r\n\r\n") && sent.len() < EXPORT_BYTES);
    until_free(served.address()).await;
}

#[tokio::test]
async fn there_is_one_export_at_a_time_and_it_ends_with_its_client() {
    let view = Scripted::new(1000);
    view.set_exporting(Exporting::Fails(Stop::default()));
    let served = page(&view, None).await;
    let first = begin(served.address()).await;
    for route in ["export", "export.json"] {
        let second = ask(served.address(), &path(route), &[]).await;
        assert_eq!(
            (second.status, second.header("Retry-After")),
            (503, Some("5"))
        );
        let told = "another export is running; try again when it has ended\n";
        assert_eq!(second.text(), told);
    }
    drop(first);
    until_asked(&view, "stopped").await;
    until_free(served.address()).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_left_after_a_while() {
    let (pieces, received) = mpsc::channel(PIECES);
    let mut pipe = Pipe {
        pieces,
        runtime: Handle::current(),
        buffer: Vec::new(),
        stall: Duration::from_millis(10),
    };
    let written = spawn_blocking(move || {
        let bytes = content(PIECE_BYTES);
        let taken = (0..).take_while(|_| pipe.write_all(&bytes).is_ok()).count();
        (
            taken,
            pipe.write_all(&bytes).expect_err("nobody reads").kind(),
        )
    });
    assert_eq!(
        written.await.expect("it ends"),
        (PIECES, ErrorKind::TimedOut)
    );
    drop(received);
}

#[tokio::test]
async fn a_client_that_left_is_noticed_by_the_next_piece() {
    let (pieces, received) = mpsc::channel(PIECES);
    drop(received);
    let mut pipe = Pipe {
        pieces,
        runtime: Handle::current(),
        buffer: Vec::new(),
        stall: STALL,
    };
    let written = spawn_blocking(move || {
        pipe.write_all(b"little").expect("it waits for more");
        pipe.flush().expect_err("nobody is there").kind()
    });
    assert_eq!(written.await.expect("it ends"), ErrorKind::BrokenPipe);
}

#[test]
fn names_say_the_camera_the_beginning_and_the_length() {
    let name = |length_ms: u64| {
        let window = Window {
            from_ms: STARTED_MS,
            to_ms: STARTED_MS + length_ms,
        };
        name_of(SourceId(12), window)
    };
    assert_eq!(name(60_000), "camera-12_2026-11-28T08-30-00Z_1min");
    assert_eq!(name(90_000), "camera-12_2026-11-28T08-30-00Z_90s");
    assert_eq!(name(59_001), "camera-12_2026-11-28T08-30-00Z_1min");
    assert_eq!(name(1), "camera-12_2026-11-28T08-30-00Z_1s");
    assert_eq!(name(21_600_000), "camera-12_2026-11-28T08-30-00Z_360min");
}
