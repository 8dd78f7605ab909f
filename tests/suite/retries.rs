//! The behaviour of a processor for cameras that are unreachable, refuse its login, or exceed its resources.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nvr::config::{Credentials, Secret};
use nvr::media::testcam::{LoginScheme, Testcam, TestcamLogin, TestcamOptions};
use serde_json::Value;

use crate::support::broker::{Broker, Kind, free_port};
use crate::support::process::{Running, clean, nvr};
use crate::support::stage::{documents, pattern_cameras};
use crate::support::wait::{SOON, until, until_true};

/// Forwards RTSP to a server of this machine and counts the requests with a login.
struct LoginCounter {
    port: u16,
    logins: Arc<AtomicUsize>,
}

impl LoginCounter {
    fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it has one").port();
        let logins = Arc::new(AtomicUsize::new(0));
        let counted = logins.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
                    continue;
                };
                let clones = (near.try_clone(), far.try_clone());
                let (Ok(near_out), Ok(far_out)) = clones else {
                    continue;
                };
                let counted = counted.clone();
                std::thread::spawn(move || {
                    pass(near, far_out, |bytes| {
                        let text = String::from_utf8_lossy(bytes);
                        counted
                            .fetch_add(text.matches("Authorization:").count(), Ordering::Relaxed);
                    });
                });
                std::thread::spawn(move || pass(far, near_out, |_| ()));
            }
        });
        Self { port, logins }
    }

    fn logins(&self) -> usize {
        self.logins.load(Ordering::Relaxed)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, seen: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        seen(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// A private folder, in which a control socket is allowed.
fn private_dir() -> tempfile::TempDir {
    tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir()
        .expect("a folder")
}

/// The last published status of a source.
fn status(reader: &Running, id: u32) -> Option<Value> {
    documents(reader, &format!("nvr/sources/{id}")).pop()
}

fn file(dir: &Path, broker: &Broker, processor: &str, cameras: &str) -> String {
    let path = dir.join("nvr.toml");
    let text = format!(
        "instance_id = \"box-{0}\"\n[mqtt]\nport = {0}\n[processor]\nbackend = \"scripted\"\n{processor}\n{cameras}",
        broker.port()
    );
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// Test cameras at one address, which take the login `viewer`, `right`.
fn cameras_with_login(count: usize) -> Testcam {
    Testcam::start(&TestcamOptions {
        login: Some(TestcamLogin {
            credentials: Credentials {
                username: Secret::new("viewer"),
                password: Secret::new("right"),
            },
            scheme: LoginScheme::Digest,
        }),
        ..pattern_cameras(count)
    })
    .expect("cameras start")
}

fn start(config: &str, dir: &Path) -> Running {
    let mut command = nvr();
    command
        .args(["processor", "--config", config])
        .env("XDG_RUNTIME_DIR", dir)
        .env("NVR_RUNTIME_DIR", dir);
    Running::start(command)
}

/// `nvr control restart` of a source.
fn restart(broker: &Broker, dir: &Path, id: u32) {
    let instance = format!("box-{}", broker.port());
    let asked = nvr()
        .args(["control", "--instance-id", &instance, "restart"])
        .arg(id.to_string())
        .env("XDG_RUNTIME_DIR", dir)
        .env("NVR_RUNTIME_DIR", dir)
        .output()
        .expect("it runs");
    assert!(asked.status.success(), "{asked:?}");
}

#[test]
fn the_cameras_of_one_recorder_try_a_wrong_login_once() {
    const CAMERAS: u32 = 6;
    let server = cameras_with_login(CAMERAS as usize);
    let counting = LoginCounter::to(server.port());
    let dir = private_dir();
    let broker = Broker::start(Kind::Mosquitto);
    let reader = broker.observe("nvr/#");
    let with = |password: &str| {
        let camera = |id: u32| {
            let port = counting.port;
            format!(
                "[[camera]]\nid = {id}\nuri = \"rtsp://viewer:{password}@127.0.0.1:{port}/live{id}.stream\"\n"
            )
        };
        let cameras: String = (0..CAMERAS).map(camera).collect();
        file(dir.path(), &broker, "", &cameras)
    };
    let processor = start(&with("wrong"), dir.path());
    let reasons: Vec<String> = (0..CAMERAS)
        .map(|id| {
            let failed = until("the refusal", SOON, || {
                status(&reader, id).filter(|status| status["state"] == "failed")
            });
            assert_eq!(failed["reason"]["code"], "unauthorized", "{failed}");
            failed["reason"]["message"].to_string()
        })
        .collect();
    assert_eq!(counting.logins(), 1, "{reasons:#?}");
    let naming_another = |reason: &&String| reason.contains("refused the same one for camera");
    let others = reasons.iter().filter(naming_another).count();
    assert_eq!(others, CAMERAS as usize - 1, "{reasons:#?}");

    // Each request of an operator is one attempt.
    restart(&broker, dir.path(), 2);
    until_true("the attempt that was asked for", SOON, || {
        counting.logins() == 2
    });

    with("right");
    processor.signal("HUP");
    for id in 0..CAMERAS {
        until("the camera's frames", SOON, || {
            status(&reader, id).filter(|status| status["state"] == "live")
        });
    }
}

#[test]
fn a_refused_login_waits_and_a_change_of_the_configuration_tries_at_once() {
    let server = cameras_with_login(1);
    let counting = LoginCounter::to(server.port());
    let gone = free_port();
    let dir = private_dir();
    let broker = Broker::start(Kind::Mosquitto);
    let reader = broker.observe("nvr/#");
    let with = |password: &str| {
        let cameras = format!(
            "[[camera]]\nid = 0\nuri = \"rtsp://viewer:{password}@127.0.0.1:{}/live0.stream\"\n\
             [[camera]]\nid = 1\nuri = \"rtsp://127.0.0.1:{gone}/live1.stream\"\n",
            counting.port
        );
        let soon = "retry_first = \"100ms\"\nretry_longest = \"500ms\"";
        file(dir.path(), &broker, soon, &cameras)
    };
    let processor = start(&with("wrong"), dir.path());
    let refused = until("the refusal", SOON, || {
        status(&reader, 0).filter(|status| status["state"] == "failed")
    });
    assert_eq!(refused["reason"]["code"], "unauthorized", "{refused}");
    let logins = counting.logins();
    assert!(logins > 0);
    // Ordinary failures are tried again all the time meanwhile.
    let ended = |code: &str| {
        let lines = processor.err().all();
        let of = |line: &&String| line.contains("session ended") && line.contains(code);
        lines.iter().filter(of).count()
    };
    until_true("ten attempts at the other camera", SOON * 2, || {
        ended("\"unreachable\"") >= 10
    });
    assert_eq!(ended("\"unauthorized\""), 1);
    assert_eq!(counting.logins(), logins, "logins after the refusal");
    let last = status(&reader, 0).expect("it was published");
    assert_eq!(last["reason"], refused["reason"], "the reason stays");
    let line = processor
        .err()
        .find("the wait", SOON, |line| line.contains("unauthorized"));
    let wait_ms: u64 = line
        .split("wait_ms=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .expect("a wait");
    assert!((30_000..=60_000).contains(&wait_ms), "{line}");

    // An operator may ask for another attempt.
    restart(&broker, dir.path(), 0);
    until_true("the attempt that was asked for", SOON, || {
        ended("\"unauthorized\"") == 2
    });

    with("right");
    processor.signal("HUP");
    until("the camera's frames", SOON, || {
        status(&reader, 0).filter(|status| status["state"] == "live")
    });
}

/// Threads of a process.
fn threads(process: &Running) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", process.id())).map_or(0, |tasks| tasks.count())
}

#[test]
fn hundreds_of_cameras_that_can_not_be_reached_take_no_threads_while_they_wait() {
    const CAMERAS: usize = 400;
    let dir = private_dir();
    let broker = Broker::start(Kind::Mosquitto);
    let gone = free_port();
    let cameras: String = (0..CAMERAS)
        .map(|id| format!("[[camera]]\nid = {id}\nuri = \"rtsp://127.0.0.1:{gone}/{id}\"\n"))
        .collect();
    let rarely = "retry_first = \"1h\"\nretry_longest = \"1h\"";
    let config = file(dir.path(), &broker, rarely, &cameras);
    let mut command = nvr();
    command
        .args(["processor", "--config", &config])
        .env("XDG_RUNTIME_DIR", dir.path())
        .env("NVR_RUNTIME_DIR", dir.path());
    let mut processor = Running::start(command);
    let ended = || {
        let lines = processor.err().all();
        lines
            .iter()
            .filter(|line| line.contains("session ended"))
            .count()
    };
    until_true("every camera was tried", SOON * 4, || ended() == CAMERAS);
    until_true("their threads are gone", SOON, || threads(&processor) < 60);
    processor.signal("TERM");
    assert!(processor.end(SOON).success());
}

/// A processor with a limit of open descriptors.
fn with_descriptors(limit: &str, arguments: &[&str], dir: &Path) -> Running {
    let mut command = Command::new("sh");
    clean(&mut command);
    command
        .arg("-c")
        .arg(format!("ulimit {limit}; exec \"$0\" \"$@\""))
        .arg(env!("CARGO_BIN_EXE_nvr"))
        .args(arguments)
        .env("XDG_RUNTIME_DIR", dir)
        .env("NVR_RUNTIME_DIR", dir);
    Running::start(command)
}

#[test]
fn cameras_beyond_the_descriptors_are_refused_by_name_and_have_their_turn_when_there_is_room() {
    const CAMERAS: u32 = 24;
    let server = Testcam::start(&pattern_cameras(2)).expect("cameras start");
    let dir = private_dir();
    let broker = Broker::start(Kind::Mosquitto);
    let reader = broker.observe("nvr/#");
    let of = |ids: &mut dyn Iterator<Item = u32>| {
        let camera = |id: u32| {
            format!(
                "[[camera]]\nid = {id}\nmax_fps = 1\nuri = \"{}\"\n",
                server.url((id % 2) as usize)
            )
        };
        file(
            dir.path(),
            &broker,
            "",
            &ids.map(camera).collect::<String>(),
        )
    };
    let config = of(&mut (0..CAMERAS));
    let arguments = ["processor", "--config", &config];
    let mut processor = with_descriptors("-n 160", &arguments, dir.path());
    let states = |state: &str| {
        let is = |id: &u32| status(&reader, *id).is_some_and(|status| status["state"] == state);
        (0..CAMERAS).filter(is).collect::<Vec<_>>()
    };
    let without_means =
        |id: &u32| status(&reader, *id).filter(|status| status["reason"]["code"] == "no-resources");
    let refused = until("each camera is live or refused", SOON * 4, || {
        let refused: Vec<u32> = (0..CAMERAS)
            .filter(|id| without_means(id).is_some())
            .collect();
        let live = states("live").len();
        (live >= 2 && live + refused.len() == CAMERAS as usize).then_some(refused)
    });
    assert!(!refused.is_empty());
    for id in &refused {
        let status = without_means(id).expect("it was refused");
        assert_eq!(status["state"], "failed", "{status}");
        let message = status["reason"]["message"].as_str().unwrap_or_default();
        for words in [&*format!("camera {id} "), "160", "LimitNOFILE="] {
            assert!(message.contains(words), "{message}");
        }
    }
    assert!(!processor.has_ended());
    // When one is removed, a refused one starts; the admitted ones stay.
    let live = states("live");
    of(&mut (0..CAMERAS).filter(|id| *id != live[0]));
    processor.signal("HUP");
    until_true("a refused camera becomes live", SOON * 2, || {
        refused.iter().any(|id| states("live").contains(id))
    });
    assert!(!live[1..].iter().any(|id| without_means(id).is_some()));
    processor.signal("TERM");
    assert!(processor.end(SOON).success());
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let dir = private_dir();
    let broker = Broker::start(Kind::Mosquitto);
    let camera = "[[camera]]\nid = 0\nuri = \"test-pattern:\"\n";
    let config = file(dir.path(), &broker, "", camera);
    let arguments = ["processor", "--config", &config];
    let processor = with_descriptors("-Sn 100", &arguments, dir.path());
    let limits = format!("/proc/{}/limits", processor.id());
    until("the raised limit", SOON, || {
        let limits = std::fs::read_to_string(&limits).ok()?;
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[3] == words[4] && words[3] != "100").then_some(())
    });
}
