//! The wall's page behind proxies that serve it below another path.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use nvr::base::Size;
use serde_json::json;

use super::{Staged, live};
use crate::support::browser::Browser;

/// What a proxy does with its own path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Takes it away, as nginx does with a slash behind the address of `proxy_pass`.
    Strips,
    /// Takes it away with or without a slash at its end, and tells it, as Traefik does.
    StripsAndTells,
    /// Leaves it.
    Leaves,
}

const BELOW: &str = "/site/wall";

/// A proxy that serves the page at `target` below [`BELOW`], one question a connection.
fn proxy(target: SocketAddr, way: Way) -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("it has one");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || pass(client, target, way));
        }
    });
    address
}

fn pass(mut client: TcpStream, target: SocketAddr, way: Way) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let (line, _) = head.split_once("\r\n")?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let Some(rest) = path.strip_prefix(BELOW) else {
        return client
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .ok();
    };
    let (path, told) = match way {
        Way::Leaves => (path.to_owned(), String::new()),
        Way::Strips => (rest.to_owned(), "X-Forwarded-Proto: http\r\n".to_owned()),
        Way::StripsAndTells if rest.starts_with('/') => {
            (rest.to_owned(), format!("X-Forwarded-Prefix: {BELOW}\r\n"))
        }
        Way::StripsAndTells => (
            format!("/{rest}"),
            format!("X-Forwarded-Prefix: {BELOW}\r\n"),
        ),
    };
    let cookie = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("cookie:"));
    let cookie = cookie.map_or_else(String::new, |line| format!("{line}\r\n"));
    let mut page = TcpStream::connect(target).ok()?;
    let question = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: site.example\r\n{told}{cookie}Connection: close\r\n\r\n"
    );
    page.write_all(question.as_bytes()).ok()?;
    std::io::copy(&mut page, &mut client).ok()?;
    Some(())
}

#[test]
fn a_viewer_behind_a_proxy_gives_the_token_and_sees_the_wall_below_its_path() {
    let wall = Staged::new(vec![live(0, "Ramp")]);
    let page = wall
        .page(([127, 0, 0, 1], 0).into(), Some("open; sesame"))
        .expect("a free port");
    for (way, path) in [
        (Way::Strips, "/site/wall/"),
        (Way::Leaves, "/site/wall/"),
        (Way::StripsAndTells, "/site/wall"),
    ] {
        let address = proxy(page.address(), way);
        let mut browser = Browser::open(&format!("http://{address}{path}"), Size::new(800, 600));
        browser.expect(json!({ "says": "This wall needs a token", "in": "h1" }));
        browser.expect(json!({ "fill": "input", "with": "open; sesame" }));
        browser.expect(json!({ "says": "1 of 1 cameras live", "in": "#tally" }));
        browser.expect(json!({ "at": "/site/wall/" }));
        browser.expect(json!({ "changes": 2 }));
    }
}
