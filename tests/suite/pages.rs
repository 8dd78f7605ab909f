//! The pages of a processor and a wall: access by other hosts, proxies and probes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use tempfile::TempDir;

use crate::support::process::{Running, nvr};
use crate::support::wait::SOON;

/// A process with a page.
struct Served {
    process: Running,
    address: SocketAddr,
    _dir: TempDir,
}

impl Served {
    /// `role` with a page on a free port of this machine, and `file` as its configuration.
    fn start(role: &str, file: &str) -> Self {
        let dir = TempDir::new().expect("a folder");
        let config = dir.path().join("nvr.toml");
        std::fs::write(&config, file).expect("the folder is writable");
        let mut command = nvr();
        command
            .args([role, "--http", "127.0.0.1:0", "--mqtt-port", "1"])
            .args([
                "--source",
                "0=test-pattern:?width=320&height=240&fps=5&objects=1",
            ])
            .args([
                "--instance-id",
                &format!("pages-{role}-{}", fastrand::u32(..)),
            ])
            .args(match role {
                "wall" => ["--output", "headless"],
                _ => ["--backend", "scripted"],
            })
            .arg("--config")
            .arg(&config);
        let process = Running::start(command);
        let line = process.err().find("the page's address", SOON * 2, |line| {
            line.contains("serving ") && line.contains("127.0.0.1:")
        });
        let from = line.find("127.0.0.1:").expect("an address");
        let address = line[from..]
            .split(|letter: char| letter != '.' && letter != ':' && !letter.is_ascii_digit())
            .next()
            .and_then(|address| address.parse().ok());
        Self {
            process,
            address: address.unwrap_or_else(|| panic!("an address in {line}")),
            _dir: dir,
        }
    }

    /// The answer to one request.
    fn ask(&self, question: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        let text = format!("{question} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn status(&self, question: &str, host: &str) -> u16 {
        let answer = self.ask(question, host);
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("a status in {answer:?}"))
    }
}

const HOSTS: &str = "http_hosts = [\"wall.example\"]\n";

#[test]
fn both_pages_answer_to_this_machine_and_to_the_names_that_were_allowed_alone() {
    for (role, paths) in [
        ("processor", &["/metrics"][..]),
        ("wall", &["/metrics", "/", "/state.json", "/wall.jpg"]),
    ] {
        let served = Served::start(role, HOSTS);
        for path in paths {
            for host in [
                "localhost",
                "127.0.0.1:80",
                "[::1]:80",
                "wall.example",
                "Wall.Example:443",
            ] {
                assert_ne!(
                    served.status(&format!("GET {path}"), host),
                    421,
                    "{role} {path} {host}"
                );
            }
            for host in ["evil.example", "wall.example.evil.example", "10.0.0.1", ""] {
                assert_eq!(
                    served.status(&format!("GET {path}"), host),
                    421,
                    "{role} {path} {host}"
                );
            }
            let forged = "evil.example\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost";
            assert_eq!(
                served.status(&format!("GET {path}"), forged),
                421,
                "{role} {path}"
            );
        }
        assert_eq!(
            served.status("GET /healthz", "10.0.0.1:9090"),
            200,
            "{role}"
        );
    }
}

#[test]
fn head_and_paths_of_a_proxy_work_on_every_route() {
    for (role, names) in [
        ("processor", &["metrics", "healthz"][..]),
        (
            "wall",
            &["", "state.json", "metrics", "healthz", "wall.mjpg"],
        ),
    ] {
        let served = Served::start(role, "");
        for name in names {
            for below in ["/", "/site/", "/site/of/ours/"] {
                let answer = served.ask(&format!("HEAD {below}{name}"), "localhost");
                assert!(
                    answer.starts_with("HTTP/1.1 200 "),
                    "{role} {below}{name}: {answer}"
                );
                assert!(answer.ends_with("\r\n\r\n"), "no body: {answer}");
            }
        }
        assert_eq!(served.status("GET /site/nothing.txt", "localhost"), 404);
    }
}

#[test]
fn the_page_is_found_without_its_slash_below_a_path_that_nobody_announces() {
    let wall = Served::start("wall", HOSTS);
    for (path, place) in [
        ("/wall", "./wall/"),
        ("/site/of/ours", "./ours/"),
        ("/site/wall?head=0", "./wall/?head=0"),
    ] {
        for host in ["localhost", "wall.example"] {
            let answer = wall.ask(&format!("GET {path}"), host);
            assert!(answer.starts_with("HTTP/1.1 307 "), "{path}: {answer}");
            let line = format!("\r\nlocation: {place}\r\n");
            assert!(answer.contains(&line), "{path}: {answer}");
            let (before, _) = path.rsplit_once('/').expect("a path");
            let led = wall.ask(&format!("GET {before}/{}", &place[2..]), host);
            assert!(led.starts_with("HTTP/1.1 200 ") && led.contains("<canvas"));
        }
    }
    let processor = Served::start("processor", HOSTS);
    assert_eq!(processor.status("GET /site", "localhost"), 404);
    assert_eq!(processor.status("GET /site/", "localhost"), 404);
}

#[test]
fn a_probe_is_answered_beside_hundreds_of_connections_that_ask_nothing() {
    for role in ["processor", "wall"] {
        let mut served = Served::start(role, "");
        let mut idle = Vec::new();
        for says in [
            "",
            "GET /healthz HTT",
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ] {
            for _ in 0..100 {
                let mut stream = TcpStream::connect(served.address).expect("it listens");
                // One that was closed for a newcomer does not take it any more.
                let _ = stream.write_all(says.as_bytes());
                idle.push(stream);
            }
            let start = Instant::now();
            assert_eq!(
                served.status("GET /healthz", "probe"),
                200,
                "{role} {says:?}"
            );
            assert!(start.elapsed() < SOON, "{role} {says:?}");
        }
        assert!(!served.process.has_ended());
    }
}
