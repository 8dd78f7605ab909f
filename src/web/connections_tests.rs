//! Clients that send no request, or too slowly, or do not read: others are served nevertheless.

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn quick() -> Limits {
    Limits {
        connections: 6,
        per_address: 6,
        spare: 2,
        read: Duration::from_millis(400),
        write: Duration::from_millis(600),
    }
}

/// A page with a short answer and an endless one; it ends with the token.
fn page(limits: Limits) -> (SocketAddr, CancellationToken) {
    let endless = || async {
        let zeros = Bytes::from_static(&[0; 65_536]);
        Body::from_stream(futures_util::stream::repeat_with(move || {
            Ok::<_, Infallible>(zeros.clone())
        }))
    };
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/endless", get(endless));
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let stop = CancellationToken::new();
    let site = Arc::new(Site {
        routes,
        names: &["healthz"],
    });
    tokio::spawn(serve(listener, site, limits, stop.clone()));
    (address, stop)
}

async fn dial(address: SocketAddr, says: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(says.as_bytes()).await.expect("it reads");
    stream
}

/// Sends a request on a new connection, and reads to the end.
async fn ask(address: SocketAddr) -> String {
    let question = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut stream = dial(address, question).await;
    let mut answer = String::new();
    let _ = timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .expect("in time");
    answer
}

/// The time until the other side closes the connection.
async fn closed(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut rest))
        .await
        .expect("it is closed");
    start.elapsed()
}

#[tokio::test]
async fn a_silent_a_half_and_an_idle_connection_end_after_the_limit() {
    let (address, _stop) = page(quick());
    for says in [
        "",
        "GET /healthz HTT",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut stream = dial(address, says).await;
        let after = closed(&mut stream).await;
        assert!(after >= Duration::from_millis(350), "{says:?}: {after:?}");
    }
}

#[tokio::test]
async fn a_byte_now_and_then_is_no_request_in_time() {
    let (address, _stop) = page(quick());
    let (mut read, mut write) = dial(address, "GET /").await.into_split();
    let drip = tokio::spawn(async move {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut rest = Vec::new();
    let _ = timeout(SOON, read.read_to_end(&mut rest))
        .await
        .expect("it is closed");
    drip.abort();
}

#[tokio::test]
async fn a_newcomer_is_served_however_many_do_nothing() {
    let limits = Limits {
        read: SOON,
        write: SOON,
        ..quick()
    };
    let (address, _stop) = page(limits);
    let mut idle = Vec::new();
    for says in [
        "",
        "GET",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        for _ in 0..8 {
            idle.push(dial(address, says).await);
        }
        assert!(ask(address).await.ends_with("\r\n\r\nok\n"), "{says:?}");
    }
}

#[tokio::test]
async fn one_that_does_not_read_its_answer_ends_after_the_limit() {
    let (address, _stop) = page(quick());
    let mut stream = dial(address, "GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    // Buffered data can still be read, then the connection ends.
    closed(&mut stream).await;
}

#[tokio::test]
async fn one_address_can_not_use_all_connections() {
    let limits = Limits {
        per_address: 2,
        read: SOON,
        ..quick()
    };
    let (address, _stop) = page(limits);
    let mut first = dial(address, "").await;
    let _second = dial(address, "").await;
    let _third = dial(address, "").await;
    assert!(closed(&mut first).await < SOON, "the oldest goes");
}

#[tokio::test]
async fn a_client_that_reads_is_not_closed_for_another() {
    let (address, _stop) = page(Limits {
        connections: 2,
        ..quick()
    });
    let mut readers = Vec::new();
    for _ in 0..2 {
        let mut stream = dial(address, "GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        readers.push(tokio::spawn(async move {
            let mut some = vec![0; 65_536];
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(2) {
                assert_ne!(stream.read(&mut some).await.expect("it goes on"), 0);
            }
        }));
    }
    for _ in 0..5 {
        assert!(ask(address).await.ends_with("ok\n"));
    }
    for reader in readers {
        reader.await.expect("it read to its end");
    }
}

#[tokio::test]
async fn the_end_closes_idle_connections_and_the_port() {
    let (address, stop) = page(quick());
    let mut idle = dial(address, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut some = [0; 12];
    idle.read_exact(&mut some).await.expect("it answers");
    stop.cancel();
    closed(&mut idle).await;
    assert!(TcpStream::connect(address).await.is_err());
}
