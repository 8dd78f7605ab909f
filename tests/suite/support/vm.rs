//! A virtual machine whose kernel drives a display that tests can read; see docs/building.md.
//!
//! The guest runs Debian's kernel and `tests/kms/init`, sees this machine's files, and reaches servers of a test at
//! [`HOST`]. It lives as long as its [`Vm`]. Waits are long, because without hardware support it is some ten times
//! slower than this machine.

mod guest;
mod machine;
mod planes;
pub(crate) mod qmp;

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use image::RgbaImage;
use nvr::base::{Size, cache_dir};
use tempfile::TempDir;
use url::Url;

use super::broker::free_port;
use super::process::Running;
pub(crate) use guest::Job;
use guest::{Agent, quoted};
use machine::{has_kvm, qemu};
pub(crate) use planes::Plane;
use qmp::Qmp;

/// This machine's loopback, as the guest reaches it.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Longest wait for events in the guest that are immediate on a real machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Longest boot without hardware support: 5 s where the machine has nothing else to do.
const BOOT_LIMIT: Duration = Duration::from_secs(120);
/// Longest boot with it: nested in another virtual machine it may hang instead.
const KVM_BOOT_LIMIT: Duration = Duration::from_secs(20);

/// Tried once, and not again for each guest.
static KVM_FAILED: AtomicBool = AtomicBool::new(false);

/// The display device of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gpu {
    /// None: for tests of something else.
    Absent,
    /// QEMU's own: one primary plane, and flips that complete at once. Read by [`Vm::screendump`].
    Virtio {
        /// The monitor's preferred mode.
        size: Size,
    },
    /// The kernel's virtual one: a primary plane, eight overlays, a cursor, 60 Hz. Read by [`Vm::writeback`].
    Vkms,
}

/// A running guest, killed on drop.
pub(crate) struct Vm {
    name: String,
    agent: Agent,
    qmp: Qmp,
    gpu: Gpu,
    dir: TempDir,
    /// Killed when this is dropped.
    _machine: Running,
}

/// The result of a command in the guest.
#[derive(Debug)]
pub(crate) struct Output {
    /// Its exit code; 128 and the signal's number where it was killed.
    pub(crate) code: i32,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
}

impl Vm {
    /// Keeps a text in the cache, beside the guest's console.
    pub(crate) fn note(&self, what: &str, text: &str) {
        let path = kept("logs").join(format!("{}-{what}", self.name));
        fs::write(path, text).expect("the cache is writable");
    }

    /// Boots a guest with the driver of `gpu` and further kernel modules, and waits until it takes commands. The console
    /// and pictures are kept in the cache under `name`, which should tell the test. An option of a module is
    /// written as `vivid.n_devs=1`.
    ///
    /// # Panics
    /// With the last lines of the console where it does not come up.
    pub(crate) fn boot(name: &str, gpu: Gpu, modules: &[&str]) -> Self {
        Self::boot_machine(name, gpu, modules, None)
    }

    /// The same with a disk, `/dev/vda`, whose content is in the file `disk`. What the guest has not written when it is dropped
    /// is lost, as at a loss of power. The guest has ext4, and the device mapper for faults of the disk.
    pub(crate) fn boot_with_disk(name: &str, gpu: Gpu, disk: &Path) -> Self {
        Self::boot_machine(
            name,
            gpu,
            &["virtio_blk", "dm_mod", "crc32c_generic", "ext4"],
            Some(disk),
        )
    }

    fn boot_machine(name: &str, gpu: Gpu, modules: &[&str], disk: Option<&Path>) -> Self {
        // Its plugins are registered by this machine, which is quicker at it.
        let registered = Command::new("gst-inspect-1.0").arg("--version").output();
        assert!(registered.is_ok_and(|output| output.status.success()));
        if has_kvm() && !KVM_FAILED.load(Ordering::Relaxed) {
            if let Ok(vm) = Self::start(name, gpu, modules, disk, true) {
                return vm;
            }
            KVM_FAILED.store(true, Ordering::Relaxed);
        }
        // Emulated CPUs crash the kernel now and then before its first process, in code of its own (`sched_clock_cpu` of 6.12
        // on QEMU 7.2). That says nothing about the program under test: such a guest is booted once more.
        let console = kept("logs").join(format!("{name}.log"));
        let panicked = || {
            let console = fs::read(&console).unwrap_or_default();
            String::from_utf8_lossy(&console).contains("Kernel panic")
        };
        match Self::start(name, gpu, modules, disk, false) {
            Err(_) if panicked() => Self::start(name, gpu, modules, disk, false),
            outcome => outcome,
        }
        .unwrap_or_else(|reason| panic!("{reason}"))
    }

    fn start(
        name: &str,
        gpu: Gpu,
        modules: &[&str],
        disk: Option<&Path>,
        kvm: bool,
    ) -> Result<Self, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let share = dir.path().join("share");
        fs::create_dir(&share).expect("a new folder");
        let console = kept("logs").join(format!("{name}.log"));
        let mut command = qemu(dir.path(), &console, gpu, modules, kvm);
        if let Some(disk) = disk {
            // Past this machine's cache: what the guest has flushed is in the file.
            let drive = format!("file={},format=raw,if=virtio,cache=none", disk.display());
            command.args(["-drive", &drive]);
        }
        let mut machine = Running::start(command);
        let limit = if kvm { KVM_BOOT_LIMIT } else { BOOT_LIMIT };
        let deadline = Instant::now() + limit;
        let mut connect = |socket: &str| {
            let path = dir.path().join(socket);
            alive(&mut machine, deadline, || UnixStream::connect(&path).ok())
        };
        let up = connect("agent").zip(connect("qmp")).and_then(|sockets| {
            let agent = Agent::new(sockets.0, &share);
            let qmp = Qmp::new(sockets.1);
            alive(&mut machine, deadline, || agent.is_ready().then_some(()))?;
            Some((agent, qmp))
        });
        let Some((agent, qmp)) = up else {
            return Err(format!(
                "the guest is not up within {limit:?}; QEMU says: {:?}; the end of {}:\n{}",
                machine.err().all(),
                console.display(),
                last_lines(&console)
            ));
        };
        let vm = Self {
            name: name.to_owned(),
            agent,
            qmp,
            gpu,
            dir,
            _machine: machine,
        };
        // The guest read whole seconds off its clock.
        let now = nvr::base::unix_now();
        vm.ok(&format!("date -s @{:.3}", now.as_secs_f64()));
        Ok(vm)
    }

    /// Runs a line of shell in the guest and waits for its end.
    pub(crate) fn run(&self, line: &str) -> Output {
        let job = self.agent.start(line);
        let code = job.end(PATIENCE);
        let (out, err) = (job.out(), job.err());
        Output { code, out, err }
    }

    /// The same for a line that has to succeed: its output.
    pub(crate) fn ok(&self, line: &str) -> String {
        let Output { code, out, err } = self.run(line);
        assert_eq!(code, 0, "`{line}` in the guest:\n{err}{out}");
        out
    }

    /// Starts a program in the guest.
    pub(crate) fn spawn(&self, program: &str, arguments: &[&str]) -> Job {
        self.agent
            .start(&format!("exec {}", quoted(program, arguments)))
    }

    /// Puts a file into the folder that the guest has as `/run/share`.
    pub(crate) fn share(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join("share").join(name), text).expect("the share is writable");
    }

    /// Starts the program under test in the guest.
    pub(crate) fn nvr(&self, arguments: &[&str]) -> Job {
        self.spawn(env!("CARGO_BIN_EXE_nvr"), arguments)
    }

    /// Makes a port of the guest's reachable, and gives the port here that leads to it.
    pub(crate) fn forward(&mut self, port: u16) -> u16 {
        let here = free_port();
        let line = format!("hostfwd_add net tcp:127.0.0.1:{here}-:{port}");
        let answer = self.qmp.execute(
            "human-monitor-command",
            &serde_json::json!({ "command-line": line }),
        );
        assert_eq!(answer, "", "`{line}`");
        here
    }

    /// Plugs the monitor in or out: its status changes, and the kernel sends the event of a hot plug, here by our own hand,
    /// since neither driver does for a status that is forced.
    pub(crate) fn plug(&self, plugged: bool) {
        let status = if plugged { "on" } else { "off" };
        self.ok(&format!(
            "echo {status} >/sys/class/drm/card0-Virtual-1/status && \
             echo 'change 00000000-0000-4000-8000-000000000000 HOTPLUG=1' >/sys/class/drm/card0/uevent"
        ));
    }

    /// What the monitor of a virtio GPU shows. Kept as a picture under the guest's name and `label`.
    pub(crate) fn screendump(&mut self, label: &str) -> RgbaImage {
        let file = self.dir.path().join("screen.png");
        self.qmp.execute(
            "screendump",
            &serde_json::json!({ "filename": file, "format": "png" }),
        );
        let picture = image::open(&file).expect("QEMU writes a PNG").to_rgba8();
        self.keep(label, picture)
    }

    /// What a program that holds the vkms card shows, with all planes. Kept as a picture under the guest's name and `label`.
    pub(crate) fn writeback(&self, program: &Job, label: &str) -> RgbaImage {
        let size = self.ok(&format!(
            "/run/bin/kms-writeback {} /run/share/picture.rgba",
            program.pid()
        ));
        let mut sides = size.split_whitespace().map(str::parse);
        let (Some(Ok(width)), Some(Ok(height))) = (sides.next(), sides.next()) else {
            panic!("kms-writeback prints width and height, not {size}");
        };
        let pixels = fs::read(self.dir.path().join("share/picture.rgba")).expect("a picture");
        let picture = RgbaImage::from_raw(width, height, pixels).expect("four bytes a pixel");
        self.keep(label, picture)
    }

    /// All planes of the card as the kernel has them set, in its order.
    pub(crate) fn planes(&self) -> Vec<Plane> {
        Plane::all(&self.state())
    }

    /// The kernel's own account of the card: planes, CRTCs, connectors.
    pub(crate) fn state(&self) -> String {
        let driver = match self.gpu {
            Gpu::Absent => panic!("this guest has no card"),
            Gpu::Virtio { .. } => "virtio_gpu",
            Gpu::Vkms => "vkms",
        };
        self.ok(&format!(
            "cat \"$(dirname \"$(grep -l '^{driver} ' /sys/kernel/debug/dri/[0-9]/name)\")/state\""
        ))
    }

    fn keep(&self, label: &str, picture: RgbaImage) -> RgbaImage {
        let file = kept("pictures").join(format!("{}-{label}.png", self.name));
        picture.save(&file).expect("the cache is writable");
        picture
    }
}

/// An address of a server on this machine, as the guest reaches it.
pub(crate) fn from_guest(mut url: Url) -> Url {
    url.set_host(Some(&HOST.to_string())).expect("an address");
    url
}

/// What `look` finds before the deadline, and before the machine ends.
fn alive<T>(
    machine: &mut Running,
    deadline: Instant,
    mut look: impl FnMut() -> Option<T>,
) -> Option<T> {
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if machine.has_ended() || Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The end of a text, as much as a failure should show.
fn last_lines(file: &Path) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// A folder of the cache for people to look into.
fn kept(name: &str) -> PathBuf {
    let path = cache_dir().join("kms").join(name);
    fs::create_dir_all(&path).expect("the cache is writable");
    path
}
