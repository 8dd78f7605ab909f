//! A box in a virtual machine: it boots the image of `tools/lib/boot.sh` from power-on; see docs/building.md.
//!
//! Its processors are emulated, some twenty times slower than a board. Servers of a test are at
//! [`HOST`](super::vm::HOST) in the box. Its disks outlast it, as those of a box do.

mod disks;
mod machine;
mod shell;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use image::RgbaImage;
use nvr::base::cache_dir;
use serde_json::json;

use super::process::Running;
use super::vm::qmp::Qmp;
use super::wait::until;
pub(crate) use disks::{Disks, Stick};
pub(crate) use machine::SCREEN;
use machine::qemu;
use shell::Shell;

/// Longest boot until commands are taken: 20 s where the machine has nothing else to do.
const BOOT_LIMIT: Duration = Duration::from_secs(240);
/// How often a condition is looked at. Pictures are taken and read by the processors that emulate the box.
const PACE: Duration = Duration::from_millis(250);
/// Longest wait for what a board does at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// A running box. Its power is cut on drop.
pub(crate) struct Device {
    name: String,
    qmp: Qmp,
    shell: Option<Shell>,
    shell_socket: PathBuf,
    /// The moment of power-on.
    started: Instant,
    machine: Running,
}

/// The result of a command in the box.
#[derive(Debug)]
pub(crate) struct Output {
    /// Its exit code.
    pub(crate) code: i32,
    /// Both of its outputs.
    pub(crate) out: String,
}

impl Device {
    /// Switches a box on. `name` is that of the serial log and of the pictures in the cache. Without a cable it has an interface
    /// without a link.
    pub(crate) fn power_on(name: &str, disks: &Disks, has_cable: bool) -> Self {
        let started = Instant::now();
        let serial = kept("logs").join(format!("{name}.log"));
        let machine = Running::start(qemu(disks, &serial));
        let connect = |socket: &str| {
            let path = disks.path(socket);
            until("QEMU's socket", PATIENCE, || {
                UnixStream::connect(&path).ok()
            })
        };
        let qmp = Qmp::new(connect("qmp"));
        let mut device = Self {
            name: name.to_owned(),
            qmp,
            shell: None,
            shell_socket: disks.path("shell"),
            started,
            machine,
        };
        if !has_cable {
            device.plug_cable(false);
        }
        device
    }

    /// Time since power-on.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Plugs the network cable in or out.
    pub(crate) fn plug_cable(&mut self, plugged: bool) {
        self.qmp
            .execute("set_link", &json!({ "name": "nic", "up": plugged }));
    }

    /// Plugs a USB stick in.
    pub(crate) fn plug_in(&mut self, stick: &Stick) {
        let Stick { name, image } = stick;
        let file = json!({ "driver": "file", "filename": image });
        let node = json!({ "driver": "raw", "node-name": name, "file": file });
        self.qmp.execute("blockdev-add", &node);
        let device = json!({ "driver": "usb-storage", "id": name, "bus": "usb.0", "drive": name, "removable": true });
        self.qmp.execute("device_add", &device);
    }

    /// Pulls it out again.
    pub(crate) fn pull_out(&mut self, stick: &Stick) {
        self.qmp.execute("device_del", &json!({ "id": stick.name }));
        // The controller gives the stick up a moment later.
        until("the stick is out", PATIENCE, || {
            let freed = json!({ "node-name": stick.name });
            self.qmp.try_execute("blockdev-del", &freed).ok()
        });
    }

    /// Cuts the power: nothing is written to the disks any more that has not been written.
    pub(crate) fn cut_power(self) {
        drop(self);
    }

    /// Runs a line of shell in the box, as root, and waits for its end.
    pub(crate) fn run(&mut self, line: &str) -> Output {
        let shell = match self.shell.take() {
            Some(shell) => shell,
            None => self.connect(),
        };
        self.shell.insert(shell).run(line)
    }

    /// The same for a line that has to succeed: its output.
    pub(crate) fn ok(&mut self, line: &str) -> String {
        let Output { code, out } = self.run(line);
        assert_eq!(code, 0, "`{line}` in the box:\n{out}");
        out
    }

    fn connect(&mut self) -> Shell {
        let socket = UnixStream::connect(&self.shell_socket).expect("QEMU listens");
        let shell = Shell::new(socket);
        let deadline = Instant::now() + BOOT_LIMIT;
        while !shell.is_ready() {
            self.assert_on();
            assert!(
                Instant::now() < deadline,
                "the box takes no commands within {BOOT_LIMIT:?}; its serial log is {}",
                kept("logs").join(format!("{}.log", self.name)).display()
            );
            std::thread::sleep(PACE);
        }
        shell
    }

    fn assert_on(&mut self) {
        let ended = self.machine.has_ended();
        assert!(!ended, "the box is off: {:?}", self.machine.err().all());
    }

    /// Calls `look` until it returns a value; else it gives the reason.
    ///
    /// # Panics
    /// When there is none within `limit`, with the last reason and the end of the journal.
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> T {
        let deadline = Instant::now() + limit;
        loop {
            let missing = match look(self) {
                Ok(found) => return found,
                Err(missing) => missing,
            };
            self.assert_on();
            if Instant::now() >= deadline {
                panic!(
                    "{what}: not within {limit:?}: {missing}\n{}",
                    self.journal()
                );
            }
            std::thread::sleep(PACE);
        }
    }

    /// What the monitor shows. Kept as a picture under the box's name and `label`.
    pub(crate) fn screen(&mut self, label: &str) -> RgbaImage {
        let file = kept("pictures").join(format!("{}-{label}.png", self.name));
        self.qmp
            .execute("screendump", &json!({ "filename": file, "format": "png" }));
        image::open(&file).expect("QEMU writes a PNG").to_rgba8()
    }

    /// Takes pictures of the monitor until one passes `check`, which gives the reason for a failure, and returns it.
    ///
    /// # Panics
    /// When none passes within `limit`, with the journal's last lines.
    pub(crate) fn until_shown(
        &mut self,
        label: &str,
        limit: Duration,
        check: impl Fn(&RgbaImage) -> Result<(), String>,
    ) -> RgbaImage {
        self.until(label, limit, |device| {
            let picture = device.screen(label);
            check(&picture).map(|()| picture)
        })
    }

    /// The end of the journal of our units.
    pub(crate) fn journal(&mut self) -> String {
        self.run("journalctl -b -o short-monotonic --no-pager -n 60 -u 'nvr-*'")
            .out
    }
}

/// A folder of the cache for people to look into.
fn kept(name: &str) -> PathBuf {
    let path = cache_dir().join("boot").join(name);
    fs::create_dir_all(&path).expect("the cache is writable");
    path
}
