//! Brokers for tests: mosquitto and `nvr broker` as processes; and the clients of mosquitto.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) use super::ports::free_port;
use super::process::{Running, nvr};
use super::wait::{SOON, until};

/// The kind of broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Debian's mosquitto.
    Mosquitto,
    /// `nvr broker`.
    Ours,
}

/// Settings of a broker. The default has no access limits and no persistence.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// The only login.
    pub(crate) login: Option<(&'static str, &'static str)>,
    /// TLS.
    pub(crate) tls: Option<Tls>,
    /// Whether retained messages survive a restart (mosquitto).
    pub(crate) persistence: bool,
    /// An access list (mosquitto).
    pub(crate) acl: Option<&'static str>,
}

/// Files of a TLS server and its clients.
#[derive(Debug)]
pub(crate) struct Tls {
    /// CA file of all certificates.
    pub(crate) ca: PathBuf,
    /// The broker's certificate, for `localhost`.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// Whether clients must present a certificate.
    pub(crate) ask_client: bool,
}

/// A broker on a free port, killed on drop.
#[derive(Debug)]
pub(crate) struct Broker {
    kind: Kind,
    port: u16,
    setup: Setup,
    dir: TempDir,
    process: Option<Running>,
}

impl Broker {
    /// Starts a broker without access limits.
    pub(crate) fn start(kind: Kind) -> Self {
        Self::start_with(kind, Setup::default())
    }

    /// Starts a broker.
    pub(crate) fn start_with(kind: Kind, setup: Setup) -> Self {
        let mut broker = Self::absent(kind, setup);
        broker.up();
        broker
    }

    /// Prepares a broker without starting it.
    pub(crate) fn absent(kind: Kind, setup: Setup) -> Self {
        Self {
            kind,
            port: free_port(),
            setup,
            dir: TempDir::new().expect("a directory"),
            process: None,
        }
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it and waits until it listens.
    pub(crate) fn up(&mut self) {
        let command = match self.kind {
            Kind::Mosquitto => self.mosquitto(),
            Kind::Ours => self.ours(),
        };
        let process = Running::start(command);
        until("the broker listens", SOON, || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()
        });
        self.process = Some(process);
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Stops it with SIGTERM and waits for its end.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal("TERM");
            process.end(SOON);
        }
    }

    fn mosquitto(&self) -> Command {
        let dir = self.dir.path();
        let mut config = format!(
            "user root\nper_listener_settings false\nlistener {} 127.0.0.1\nallow_anonymous {}\n",
            self.port,
            self.setup.login.is_none()
        );
        if let Some((user, password)) = self.setup.login {
            let file = dir.join("passwords");
            run(Command::new("mosquitto_passwd")
                .arg("-c")
                .arg("-b")
                .arg(&file)
                .args([user, password]));
            config += &format!("password_file {}\n", file.display());
        }
        if let Some(acl) = self.setup.acl {
            let file = write(&dir.join("acl"), acl);
            config += &format!("acl_file {}\n", file.display());
        }
        if let Some(tls) = &self.setup.tls {
            config += &format!(
                "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate {}\n",
                tls.ca.display(),
                tls.certificate.display(),
                tls.key.display(),
                tls.ask_client
            );
        }
        if self.setup.persistence {
            config += &format!(
                "persistence true\npersistence_location {}/\n",
                dir.display()
            );
        }
        let file = write(&dir.join("mosquitto.conf"), &config);
        let mut command = Command::new(sbin("mosquitto"));
        command.arg("-c").arg(file);
        command
    }

    fn ours(&self) -> Command {
        let mut command = nvr();
        command.args(["broker", "--port", &self.port.to_string()]);
        if let Some((user, password)) = self.setup.login {
            command
                .env("MQTT_USERNAME", user)
                .env("MQTT_PASSWORD", password);
        }
        if let Some(tls) = &self.setup.tls {
            command
                .arg("--tls-cert")
                .arg(&tls.certificate)
                .arg("--tls-key")
                .arg(&tls.key);
            if tls.ask_client {
                command.arg("--ca").arg(&tls.ca);
            }
        }
        command
    }

    /// Runs `mosquitto_sub` for `filter`. It prints a line per message: topic, retain flag and payload, separated by blanks.
    pub(crate) fn observe(&self, filter: &str) -> Running {
        let mut command = Command::new("mosquitto_sub");
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-t", filter, "-F", "%t %r %p"]);
        if let Some((user, password)) = self.setup.login {
            command.args(["-u", user, "-P", password]);
        }
        Running::start(command)
    }

    /// Runs a `mosquitto_pub` that publishes each line of its standard input immediately.
    pub(crate) fn stream(&self, topic: &str) -> Running {
        let mut command = Command::new("mosquitto_pub");
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-q", "0", "-t", topic, "-l"]);
        Running::interactive(command)
    }

    /// Publishes a payload with `mosquitto_pub`.
    pub(crate) fn publish(&self, topic: &str, payload: &[u8], retain: bool) {
        let mut command = Command::new("mosquitto_pub");
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-q", "1", "-t", topic])
            // It accepts an empty payload only with this option.
            .arg(if payload.is_empty() { "-n" } else { "-s" });
        if retain {
            command.arg("-r");
        }
        if let Some((user, password)) = self.setup.login {
            command.args(["-u", user, "-P", password]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("mosquitto_pub is installed");
        std::io::Write::write_all(&mut child.stdin.take().expect("it is piped"), payload)
            .expect("it reads");
        assert!(child.wait().expect("it ends").success());
    }
}

/// Finds a daemon: on Debian, their folder is not in the path of ordinary users.
fn sbin(program: &str) -> PathBuf {
    let path = Path::new("/usr/sbin").join(program);
    if path.exists() { path } else { program.into() }
}

fn write(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).expect("the directory is writable");
    path.to_owned()
}

fn run(command: &mut Command) {
    let status = command
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
