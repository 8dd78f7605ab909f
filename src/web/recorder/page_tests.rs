//! The page over a socket.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::testing::{CLOSED, OPEN, STARTED_MS, Scripted, page};
use super::*;
use crate::web::testing::{ask, send};

async fn document(at: SocketAddr, path: &str) -> Value {
    let answer = ask(at, path, &[]).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test]
async fn the_documents_have_the_fields_that_the_page_reads() {
    let view = Scripted::new(1000);
    let served = page(&view, None).await;
    let at = served.address();
    let event = json!({
        "source_id": 3, "track": 17, "class": "person", "from_ms": 1_795_854_601_123_u64,
        "to_ms": 1_795_854_604_123_u64, "confidence": 0.91, "best_ms": 1_795_854_602_123_u64,
    });
    assert_eq!(
        document(at, "/cameras.json").await,
        json!({
            "now_ms": 1_795_854_720_623_u64,
            "cameras": [
                {
                    "source_id": 3, "name": "</script>Gate", "sub": 4, "state": "recording", "reason": null,
                    "oldest_ms": 1_795_854_600_123_u64, "newest_ms": 1_795_854_720_123_u64,
                },
                {
                    "source_id": 4, "name": "Yard", "state": "refused", "reason": "it sends MJPEG",
                    "oldest_ms": null, "newest_ms": null,
                },
            ],
        })
    );
    assert_eq!(
        document(at, "/timeline.json?source=3&from=5&to=9").await,
        json!({
            "recorded": [[1_795_854_600_123_u64, 1_795_854_720_123_u64]],
            "events": [event],
            "truncated": true,
        })
    );
    assert_eq!(
        document(at, "/events.json").await,
        json!({ "events": [event], "truncated": false, "classes": ["car", "person"] })
    );
    assert_eq!(
        document(at, "/scenes.json?source=3&from=0&to=120000").await,
        json!({ "files": [{
            "file": CLOSED,
            "frames": [
                [0, 1_795_854_600_123.25, [
                    ["person", 0.91, 0.25, 0.5, 0.125, 0.25, 17],
                    ["car", 0.5, 0.0, 0.0, 1.0, 1.0, null],
                ]],
                [3600, 1_795_854_600_163.5, null],
                [7200, 1_795_854_600_203.0, []],
            ],
        }] })
    );
}

#[tokio::test]
async fn parameters_reach_the_recorder() {
    let view = Scripted::new(1000);
    let served = page(&view, None).await;
    let at = served.address();
    for path in [
        "/timeline.json?to=9&from=5&source=3",
        "/scenes.json?source=4&from=1&to=2&token=abc",
        "/events.json",
        "/events.json?source=4&class=traffic%20light&from=7&to=8&min_length_ms=1500&limit=1000",
        "/media.mp4?source=3&file=20261128T083000%2E123Z",
    ] {
        assert_eq!(ask(at, path, &[]).await.status, 200, "{path}");
    }
    let query = |source, class: Option<&str>, times: (Option<u64>, Option<u64>), length, limit| {
        EventQuery {
            source,
            class: class.map(str::to_owned),
            from_ms: times.0,
            to_ms: times.1,
            min_length_ms: length,
            limit,
        }
    };
    let class = Some("traffic light");
    assert_eq!(
        view.asked(),
        [
            "timeline 3 Window { from_ms: 5, to_ms: 9 }".to_owned(),
            "scenes 4 Window { from_ms: 1, to_ms: 2 }".to_owned(),
            format!("{:?}", query(None, None, (None, None), 0, 100)),
            format!(
                "{:?}",
                query(Some(SourceId(4)), class, (Some(7), Some(8)), 1500, 1000)
            ),
            format!("media 3 {CLOSED}"),
        ]
    );
}

#[tokio::test]
async fn a_thumbnail_is_made_once_and_may_be_kept() {
    let view = Scripted::new(1000);
    let served = page(&view, None).await;
    let at = served.address();
    let path = format!("/thumbnail.jpg?source=3&at={STARTED_MS}");
    for (query, width) in [("", 320), ("&width=80", 80), ("&width=640", 640), ("", 320)] {
        let answer = ask(at, &format!("{path}{query}"), &[]).await;
        let text = format!("3 {STARTED_MS} {width}");
        assert_eq!((answer.status, answer.text()), (200, text));
        assert_eq!(answer.header("Content-Type"), Some("image/jpeg"));
        let caching = answer.header("Cache-Control");
        assert_eq!(caching, Some("private, max-age=3600"));
    }
    let made = [320, 80, 640].map(|width| format!("thumbnail 3 {STARTED_MS} {width}"));
    assert_eq!(view.asked(), made);
    let missing = ask(at, "/thumbnail.jpg?source=3&at=1795854600122", &[]).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header("Cache-Control"), Some("no-store"));
    assert_eq!(
        missing.text(),
        "source=3 at=1795854600122: no frame of 2026-11-28T08:30:00.122Z is recorded; it was never recorded, is deleted, \
         or is not yet on the disk\n"
    );
    view.fail();
    let failed = ask(at, "/thumbnail.jpg?source=3&at=1795854600122", &[]).await;
    assert_eq!(
        (failed.status, failed.header("Retry-After")),
        (503, Some("5"))
    );
    let kept = ask(at, &path, &[]).await;
    assert_eq!(kept.status, 200);
}

#[tokio::test]
async fn a_playlist_leads_to_the_ranges_of_its_files() {
    let served = page(&Scripted::new(1000), None).await;
    let at = served.address();
    let path = format!(
        "/playlist.m3u8?source=3&from={STARTED_MS}&to={}",
        STARTED_MS + 86_400_000
    );
    let answer = ask(at, &path, &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/vnd.apple.mpegurl")
    );
    let text = answer.text();
    assert!(text.starts_with("#EXTM3U\n"), "{text}");
    let uri = text
        .lines()
        .find(|line| !line.starts_with('#'))
        .expect("a segment");
    assert_eq!(uri, "media.mp4?source=3&file=20261128T083000.123Z");
    let segment = ask(at, &format!("/{uri}"), &["Range: bytes=700-899"]).await;
    assert_eq!((segment.status, segment.body.len()), (206, 200));
}

#[tokio::test]
async fn a_window_without_recordings_is_told_what_there_is() {
    let served = page(&Scripted::new(1000), None).await;
    let from = STARTED_MS + 120_000;
    for (source, there) in [
        (
            3,
            "its recordings are from 2026-11-28T08:30:00.123Z to 2026-11-28T08:32:00.123Z",
        ),
        (4, "it has no recordings"),
    ] {
        let path = format!(
            "/playlist.m3u8?source={source}&from={from}&to={}",
            from + 1000
        );
        let answer = ask(served.address(), &path, &[]).await;
        assert_eq!(answer.status, 404);
        assert_eq!(
            answer.text(),
            format!(
                "source={source}: nothing is recorded from 2026-11-28T08:32:00.123Z to 2026-11-28T08:32:01.123Z; {there}\n"
            )
        );
    }
}

#[tokio::test]
async fn a_failing_disk_is_told() {
    let view = Scripted::new(1000);
    let served = page(&view, None).await;
    view.fail();
    for path in [
        "/cameras.json".to_owned(),
        "/timeline.json?source=3&from=1&to=2".to_owned(),
        "/events.json".to_owned(),
        "/playlist.m3u8?source=3&from=1&to=2".to_owned(),
        "/scenes.json?source=3&from=1&to=2".to_owned(),
        format!("/media.mp4?source=3&file={CLOSED}"),
    ] {
        let answer = ask(served.address(), &path, &[]).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(
            answer.text(),
            "can't read /rec/3: Input/output error (os error 5); check the disk of /rec\n"
        );
        assert_eq!(answer.header("Retry-After"), Some("5"));
    }
    assert_eq!(ask(served.address(), "/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn the_page_and_its_library_are_part_of_the_program() {
    let served = page(&Scripted::new(1000), None).await;
    let at = served.address();
    let front = ask(at, "/", &[]).await;
    assert_eq!(
        front.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(front.text(), INDEX);
    let policy = front.header("Content-Security-Policy").expect("a policy");
    for part in [
        format!("script-src 'self' {};", digest(INDEX, "script")),
        format!("style-src {};", digest(INDEX, "style")),
        "media-src 'self' blob:;".to_owned(),
        "worker-src blob:;".to_owned(),
        "connect-src 'self';".to_owned(),
    ] {
        assert!(policy.contains(&part), "{part} is not in {policy}");
    }
    assert_ne!(
        digest(INDEX, "script"),
        digest("", "script"),
        "the page has a script"
    );
    let library = ask(at, "/hls.js", &[]).await;
    assert_eq!(
        library.header("Content-Type"),
        Some("text/javascript; charset=utf-8")
    );
    assert_eq!(library.header("Content-Encoding"), None);
    assert_eq!(library.body, library::text());
    let packed = ask(at, "/hls.js", &["Accept-Encoding: gzip, br"]).await;
    assert_eq!(packed.header("Content-Encoding"), Some("gzip"));
    assert_eq!(packed.header("Vary"), Some("accept-encoding"));
    assert_eq!(packed.body, library::GZIP);
    let tag = library.header("ETag").expect("a tag");
    let again = ask(at, "/hls.js", &[&format!("If-None-Match: {tag}")]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(
        ask(at, "/hls.js", &["If-None-Match: \"0-0\""]).await.status,
        200
    );
}

#[tokio::test]
async fn every_route_is_found_below_the_path_of_a_proxy() {
    let served = page(&Scripted::new(1000), None).await;
    let window = format!("source=3&from={STARTED_MS}&to={}", STARTED_MS + 1000);
    for (name, kind) in [
        (String::new(), "text/html; charset=utf-8"),
        ("hls.js".to_owned(), "text/javascript; charset=utf-8"),
        ("cameras.json".to_owned(), "application/json"),
        (format!("timeline.json?{window}"), "application/json"),
        ("events.json?limit=5".to_owned(), "application/json"),
        (
            format!("playlist.m3u8?{window}"),
            "application/vnd.apple.mpegurl",
        ),
        (format!("media.mp4?source=3&file={CLOSED}"), "video/mp4"),
        (format!("scenes.json?{window}"), "application/json"),
        (
            format!("thumbnail.jpg?source=3&at={STARTED_MS}"),
            "image/jpeg",
        ),
        (
            "metrics".to_owned(),
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        ("healthz".to_owned(), "text/plain; charset=utf-8"),
    ] {
        for below in ["/", "/nvr/cam/"] {
            for method in ["GET", "HEAD"] {
                let path = format!("{below}{name}");
                let answer = send(served.address(), method, &path, &[]).await;
                assert_eq!(answer.status, 200, "{method} {path}");
                assert_eq!(answer.header("Content-Type"), Some(kind), "{path}");
                assert_eq!(answer.body.is_empty(), method == "HEAD", "{path}");
            }
        }
    }
    let redirect = ask(served.address(), "/nvr/cam?x=1", &[]).await;
    assert_eq!(
        (redirect.status, redirect.header("Location")),
        (307, Some("./cam/?x=1"))
    );
    for path in ["/nothing.txt", "/media.mp4/..%2f..%2fetc%2fpasswd.txt"] {
        assert_eq!(ask(served.address(), path, &[]).await.status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(
            send(served.address(), method, "/cameras.json", &[])
                .await
                .status,
            405
        );
    }
}

#[test]
fn clients_that_do_not_read_hold_no_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let view = Scripted::new(20 << 20);
        let served = page(&view, None).await;
        let at = served.address();
        let mut clients = Vec::new();
        for _ in 0..20 {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket
                .set_recv_buffer_size(1 << 14)
                .expect("a small buffer");
            let mut client = socket.connect(at).await.expect("it listens");
            let request = format!(
                "GET /media.mp4?source=3&file={CLOSED} HTTP/1.1\r\nHost: localhost\r\n\r\n"
            );
            client
                .write_all(request.as_bytes())
                .await
                .expect("it reads");
            // The answer has begun.
            let mut first = [0; 12];
            client.read_exact(&mut first).await.expect("it answers");
            assert_eq!(&first, b"HTTP/1.1 200");
            clients.push(client);
        }
        let open = format!("/media.mp4?source=3&file={OPEN}");
        assert_eq!(ask(at, &open, &[]).await.status, 200);
        assert_eq!(ask(at, "/cameras.json", &[]).await.status, 200);
        assert_eq!(clients.len(), 20);
    });
}
