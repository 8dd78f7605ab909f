//! A DRM card: opens it, checks its abilities, and shares it between heads.
//!
//! Each head has a thread. All heads of a card share one file, one master right and one stream of events. The head that reads
//! the events notifies the heads they belong to.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use drm::control::{Device as _, Event};
use drm::{ClientCapability, Device as _, DriverCapability};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::console::Console;
use super::head_registry::HeadRegistry;
use crate::base::sync::lock;
use crate::display::DisplayError;

/// The folder of the device nodes.
const NODES: &str = "/dev/dri";

/// An open card.
pub(super) struct Card {
    file: OwnedFd,
    path: PathBuf,
    driver: String,
    heads: HeadRegistry,
    /// Locked while a head chooses and activates its monitor, so that two heads do not take the same objects.
    modeset_lock: Mutex<()>,
    console: OnceLock<Option<Arc<Console>>>,
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

impl Card {
    /// The nodes of all cards, ordered by number.
    pub(super) fn nodes() -> Vec<PathBuf> {
        let mut nodes: Vec<(u32, PathBuf)> = std::fs::read_dir(NODES)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let number = name.to_str()?.strip_prefix("card")?.parse().ok()?;
                Some((number, entry.path()))
            })
            .collect();
        nodes.sort_unstable();
        nodes.into_iter().map(|(_, path)| path).collect()
    }

    /// Opens a card and enables atomic mode setting. The first program that opens a card becomes its master. That right is given
    /// up at once and requested by [`Card::become_master`].
    ///
    /// # Errors
    /// If the user has no right to open it, or its driver has no atomic mode setting. The message contains the remedy.
    pub(super) fn open(path: &Path) -> Result<Self, DisplayError> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed())
            .open(path);
        let file = opened.map_err(|err| cannot_open(path, &err))?;
        let mut card = Self {
            file: file.into(),
            path: path.to_owned(),
            driver: String::new(),
            heads: HeadRegistry::default(),
            modeset_lock: Mutex::default(),
            console: OnceLock::new(),
        };
        let _ = card.release_master_lock();
        let driver = card.get_driver().map_err(|err| cannot_open(path, &err))?;
        card.driver = driver.name().to_string_lossy().into_owned();
        card.set_client_capability(ClientCapability::UniversalPlanes, true)
            .and_then(|()| card.set_client_capability(ClientCapability::Atomic, true))
            .map_err(|_| card.failed(without_modes(&card.driver)))?;
        card.resource_handles().map_err(|_| {
            card.failed(format_args!(
                "its driver {} drives no monitors",
                card.driver
            ))
        })?;
        if card
            .get_driver_capability(DriverCapability::DumbBuffer)
            .unwrap_or(0)
            == 0
        {
            return Err(card.failed(format_args!(
                "its driver {} has no dumb buffers, which are required",
                card.driver
            )));
        }
        Ok(card)
    }

    /// Path of its device node.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Name of its driver.
    pub(super) fn driver(&self) -> &str {
        &self.driver
    }

    /// Whether `wanted` names this card by its node or its driver.
    pub(super) fn is_named(&self, wanted: &str) -> bool {
        is_named(&self.path, &self.driver, wanted)
    }

    /// Requests the right to set modes.
    ///
    /// # Errors
    /// While another program has it. The message contains the program's name if it is known.
    pub(super) fn become_master(&self) -> Result<(), DisplayError> {
        self.acquire_master_lock().map_err(|err| {
            let holders = holders(&self.path);
            let who = if holders.is_empty() { "another program".to_owned() } else { holders.join(", ") };
            match Errno::from_io_error(&err) {
                Some(Errno::BUSY | Errno::ACCESS | Errno::PERM | Errno::INVAL) => self.failed(format_args!(
                    "{who} is its master already; stop it (a desktop: systemctl isolate multi-user.target) or use another card"
                )),
                _ => self.failed(format_args!("can't become its master: {err}")),
            }
        })
    }

    /// Sets the text console to graphics mode while this card is open. To be called after [`Card::become_master`].
    pub(super) fn take_console(&self) {
        self.console.get_or_init(Console::take);
    }

    /// The remedy where its driver accepts no mode.
    pub(super) fn mode_remedy(&self) -> String {
        mode_remedy(&self.driver, &holders(&self.path))
    }

    /// An error that names this card.
    pub(super) fn failed(&self, what: impl std::fmt::Display) -> DisplayError {
        DisplayError::Device(format!("{}: {what}", self.path.display()))
    }

    /// The error for a request that the kernel refused. `doing` names the action.
    pub(super) fn refused(&self, doing: &str, err: &io::Error) -> DisplayError {
        match Errno::from_io_error(err) {
            Some(Errno::ACCESS | Errno::PERM) => self.failed(format_args!(
                "lost the right to {doing}: another program became its master; stop that program"
            )),
            Some(Errno::NODEV | Errno::NXIO | Errno::IO) => self.failed(format_args!(
                "can't {doing}: the device is gone ({err}); it is looked for again"
            )),
            _ => self.failed(format_args!(
                "its driver {} can't {doing}: {err}",
                self.driver
            )),
        }
    }

    /// The heads of the card.
    pub(super) fn heads(&self) -> &HeadRegistry {
        &self.heads
    }

    /// The lock to hold while a head chooses its objects.
    pub(super) fn modeset_lock(&self) -> MutexGuard<'_, ()> {
        lock(&self.modeset_lock)
    }

    /// Reads the events of the card and notifies the heads.
    pub(super) fn dispatch(&self) -> io::Result<()> {
        loop {
            let events = match self.receive_events() {
                Ok(events) => events,
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                Err(err) => return Err(err),
            };
            for event in events {
                let Event::PageFlip(flip) = event else {
                    continue;
                };
                self.heads.flipped(flip.crtc.into());
            }
        }
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        // Before the console returns to text mode, because the kernel redraws it only if the card has no master.
        let _ = self.release_master_lock();
    }
}

fn is_named(path: &Path, driver: &str, wanted: &str) -> bool {
    let wanted_path = Path::new(wanted);
    driver == wanted
        || path == wanted_path
        || path.file_name() == Some(wanted_path.as_os_str())
        // `/dev/dri/by-path/…`, which stays the same when the numbers of cards change.
        || wanted_path.is_absolute() && wanted_path.canonicalize().is_ok_and(|target| target == path)
}

/// Why a driver without atomic mode setting can't be used, with the remedy.
fn without_modes(driver: &str) -> String {
    let remedy = match driver {
        "nvidia-drm" => "load it with the option modeset=1",
        // Of Xavier boards with JetPack 5: it hands memory to NVIDIA's desktop, and has no modes at all.
        "tegra-udrm" => {
            "no JetPack gives this board one: a processor runs here, and a wall on an Orin or a PC"
        }
        _ => "use a newer kernel, or another card",
    };
    format!("its driver {driver} has no atomic mode setting, which is required; {remedy}")
}

/// What helps where a driver accepts no mode. NVIDIA's X driver holds the display without being the card's master (over NVKMS): this
/// program becomes master then, and every mode is refused.
fn mode_remedy(driver: &str, holders: &[String]) -> String {
    const DESKTOP: &str = "end the desktop (systemctl isolate multi-user.target)";
    match holders {
        _ if driver != "nvidia-drm" => "give one with --mode".to_owned(),
        [] => format!("if a desktop runs here, {DESKTOP}; else give a mode with --mode"),
        holders => format!("{} has it open: {DESKTOP}", holders.join(", ")),
    }
}

fn cannot_open(path: &Path, err: &io::Error) -> DisplayError {
    let remedy = match Errno::from_io_error(err) {
        Some(Errno::ACCESS | Errno::PERM) => {
            "; add the user to the groups that own it (usermod -aG video,render USER, then log in again) or run as root"
        }
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => "; the device is gone",
        _ => "",
    };
    DisplayError::Device(format!("can't open {}: {err}{remedy}", path.display()))
}

/// Other processes that have the card open: `Xorg (712)`. Only processes whose files this user may read.
pub(super) fn holders(path: &Path) -> Vec<String> {
    // By device number, because a container may have the node at another path.
    let device = |path: &Path| std::fs::metadata(path).map(|file| file.rdev()).unwrap_or(0);
    let wanted = device(path);
    if wanted == 0 {
        return Vec::new();
    }
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            if id == std::process::id() {
                return None;
            }
            let mut files = std::fs::read_dir(entry.path().join("fd")).ok()?.flatten();
            files.find(|file| device(&file.path()) == wanted)?;
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            Some(format!("{} ({id})", name.trim()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_named_by_its_node_or_its_driver() {
        let path = Path::new("/dev/dri/card1");
        assert!(is_named(path, "vkms", "vkms"));
        assert!(is_named(path, "vkms", "/dev/dri/card1"));
        assert!(is_named(path, "vkms", "card1"));
        assert!(!is_named(path, "vkms", "/dev/dri/card0"));
        assert!(!is_named(path, "vkms", "vkm"));
    }

    #[test]
    fn an_error_of_rights_says_which_groups_help() {
        let err = io::Error::from_raw_os_error(Errno::ACCESS.raw_os_error());
        let text = cannot_open(Path::new("/dev/dri/card0"), &err).to_string();
        assert!(
            text.contains("/dev/dri/card0") && text.contains("video,render"),
            "{text}"
        );
    }

    #[test]
    fn the_remedies_of_nvidia_s_drivers_name_what_holds_the_display() {
        assert_eq!(mode_remedy("i915", &[]), "give one with --mode");
        let free = mode_remedy("nvidia-drm", &[]);
        assert!(free.contains("isolate multi-user.target") && free.contains("--mode"));
        let held = mode_remedy("nvidia-drm", &["Xorg (712)".to_owned()]);
        assert!(held.starts_with("Xorg (712) has it open: end the desktop"));
        assert!(without_modes("nvidia-drm").contains("modeset=1"));
        assert!(without_modes("tegra-udrm").contains("a wall on an Orin or a PC"));
        assert!(without_modes("ast").contains("newer kernel"));
    }

    #[test]
    fn who_holds_a_file_open_is_named() {
        assert_eq!(
            holders(Path::new("/dev/dri/no-such-card")),
            Vec::<String>::new()
        );
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .stdin(std::fs::File::open("/dev/zero").expect("a device"))
            .spawn()
            .expect("another process");
        let found = holders(Path::new("/dev/zero"));
        let _ = other.kill();
        let _ = other.wait();
        assert!(
            found.contains(&format!("sleep ({})", other.id())),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_no_card_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(matches!(
            Card::open(file.path()),
            Err(DisplayError::Device(_))
        ));
    }
}
