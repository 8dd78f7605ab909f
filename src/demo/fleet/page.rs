//! What the page of the wall tells.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Number of tiles whose picture is live, from the page at `address`. `None` while nothing answers there.
pub(super) async fn live_tiles(address: SocketAddr) -> Option<usize> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    // HTTP/1.0: the answer is in one piece and ends with the connection.
    let request = format!("GET /state.json HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let state: serde_json::Value = serde_json::from_str(body).ok()?;
    let tiles = state["tiles"].as_array()?;
    let live = tiles.iter().filter(|tile| tile["video"]["state"] == "live");
    Some(live.count())
}
