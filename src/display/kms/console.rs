#![expect(unsafe_code, reason = "virtual terminals are controlled by ioctl")]
//! Sets the text console to graphics mode while the wall runs, and restores it afterwards.
//!
//! In graphics mode the kernel writes no messages and no cursor over the picture. The keyboard is switched off, because
//! otherwise typed text goes to an invisible shell. Dropping the [`Console`] restores both, also during unwinding. A killed
//! process can't restore them; it leaves a file with the earlier state for the next start.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use rustix::ioctl::{Getter, IntegerSetter, Opcode, ioctl};
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use crate::base::sync::lock;

/// From the kernel's linux/vt.h and linux/kd.h.
const VT_GETSTATE: Opcode = 0x5603;
const KDSETMODE: Opcode = 0x4b3a;
const KDGKBMODE: Opcode = 0x4b44;
const KDSKBMODE: Opcode = 0x4b45;
const KD_TEXT: usize = 0;
const KD_GRAPHICS: usize = 1;
const K_UNICODE: u32 = 3;
const K_OFF: u32 = 4;

/// Name of the state file, in the folder of the process's sockets.
const STATE_FILE: &str = "console.json";

/// The console, shared by all displays of this process.
static CONSOLE: Mutex<Weak<Console>> = Mutex::new(Weak::new());

/// A virtual terminal in graphics mode.
#[derive(Debug)]
pub(super) struct Console {
    terminal: File,
    before: ConsoleState,
    state_file: Option<PathBuf>,
    given_back: Mutex<bool>,
}

/// The state of the console before the wall started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct ConsoleState {
    /// The terminal's number.
    vt: u16,
    /// The keyboard's mode.
    keyboard: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct VtState {
    active: u16,
    signal: u16,
    open: u16,
}

impl Console {
    /// Sets the foreground terminal to graphics mode. `None` if there is none, as in a container, or this process has no right
    /// to it. To be called with the card's master right: then no other running program uses a console in graphics mode.
    pub(super) fn take() -> Option<Arc<Self>> {
        let mut taken = lock(&CONSOLE);
        if let Some(console) = taken.upgrade() {
            return Some(console);
        }
        let (vt, terminal) = match foreground() {
            Ok(found) => found,
            Err(err) => {
                info!(%err, "no text console found");
                return None;
            }
        };
        let files = crate::base::folder::ready_folder("wall")
            .into_iter()
            .map(|dir| dir.join(STATE_FILE));
        let console = Self::take_terminal(vt, terminal, files.collect())?;
        let console = Arc::new(console);
        *taken = Arc::downgrade(&console);
        Some(console)
    }

    fn take_terminal(vt: u16, terminal: File, files: Vec<PathBuf>) -> Option<Self> {
        let left = files
            .iter()
            .find_map(|file| read_state(file))
            .filter(|left| left.vt == vt);
        let keyboard = keyboard_mode(&terminal);
        let before = left.unwrap_or(ConsoleState {
            vt,
            // Without a state file of ours, another program has left the keyboard off. Text mode needs it.
            keyboard: keyboard.filter(|mode| *mode != K_OFF).unwrap_or(K_UNICODE),
        });
        if left.is_some() {
            info!(
                vt,
                "a killed process has left the console in graphics mode; it is restored at the end"
            );
        }
        let state_file = files.into_iter().find(|file| write_state(file, before));
        if state_file.is_none() {
            warn!(
                vt,
                "the state of the console can't be saved; if this process is killed, the console stays in graphics mode"
            );
        }
        if let Err(err) = set::<KDSETMODE>(&terminal, KD_GRAPHICS) {
            warn!(vt, %err, "the console can't be set to graphics mode, messages may appear over the picture; \
                run the wall as root, or as a unit with TTYPath=/dev/tty1 and StandardInput=tty");
            if let Some(file) = state_file {
                let _ = std::fs::remove_file(file);
            }
            return None;
        }
        if let Err(err) = set::<KDSKBMODE>(&terminal, K_OFF as usize) {
            warn!(vt, %err, "the console's keyboard can't be switched off; typed text goes to the console");
        }
        info!(vt, "console in graphics mode");
        Some(Self {
            terminal,
            before,
            state_file,
            given_back: Mutex::new(false),
        })
    }

    fn give_back(&self) {
        let mut given_back = lock(&self.given_back);
        if std::mem::replace(&mut *given_back, true) {
            return;
        }
        if let Err(err) = set::<KDSKBMODE>(&self.terminal, self.before.keyboard as usize) {
            warn!(vt = self.before.vt, %err, "the console's keyboard can't be switched on again");
        }
        if let Err(err) = set::<KDSETMODE>(&self.terminal, KD_TEXT) {
            warn!(vt = self.before.vt, %err, "the console can't be set to text mode again");
            return;
        }
        if let Some(file) = &self.state_file {
            let _ = std::fs::remove_file(file);
        }
        info!(vt = self.before.vt, "console restored");
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Restores the console at once, for exits that run no destructors. Does nothing if the console was not changed.
pub fn restore_console() {
    let console = lock(&CONSOLE).upgrade();
    if let Some(console) = console {
        console.give_back();
    }
}

/// The foreground terminal.
fn foreground() -> Result<(u16, File), String> {
    let open = |path: &str| {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        // Members of the group tty may only write.
        opened.or_else(|_| OpenOptions::new().write(true).open(path))
    };
    // A service without rights on tty0 has a terminal if its unit names one.
    let mut problem = String::new();
    for path in ["/dev/tty0", "/dev/tty"] {
        let state = open(path)
            .map_err(|err| format!("{path}: {err}"))
            .and_then(|terminal| {
                // SAFETY: VT_GETSTATE fills a struct vt_stat of three 16-bit integers, which VtState is. The file stays open
                // during the call.
                let state = unsafe { ioctl(&terminal, Getter::<VT_GETSTATE, VtState>::new()) };
                state.map_err(|err| format!("{path}: {err}"))
            });
        match state {
            Ok(state) => {
                let path = format!("/dev/tty{}", state.active);
                let terminal = open(&path).map_err(|err| format!("{path}: {err}"))?;
                return Ok((state.active, terminal));
            }
            Err(err) if problem.is_empty() => problem = err,
            Err(_) => {}
        }
    }
    Err(problem)
}

fn keyboard_mode(terminal: &File) -> Option<u32> {
    // SAFETY: KDGKBMODE writes one int to the pointer that the Getter passes. The file stays open.
    let mode = unsafe { ioctl(terminal, Getter::<KDGKBMODE, i32>::new()) };
    mode.ok().and_then(|mode| u32::try_from(mode).ok())
}

fn set<const OPCODE: Opcode>(terminal: &File, value: usize) -> rustix::io::Result<()> {
    // SAFETY: this is called with KDSETMODE and KDSKBMODE only, which take an integer and no pointer.
    unsafe { ioctl(terminal, IntegerSetter::<OPCODE>::new_usize(value)) }
}

fn read_state(file: &Path) -> Option<ConsoleState> {
    let text = std::fs::read(file).ok()?;
    match serde_json::from_slice(&text) {
        Ok(before) => Some(before),
        Err(err) => {
            debug!(file = %file.display(), %err, "state file of the console is unreadable");
            None
        }
    }
}

fn write_state(file: &Path, before: ConsoleState) -> bool {
    let Ok(text) = serde_json::to_vec(&before) else {
        return false;
    };
    let folder = file
        .parent()
        .is_none_or(|dir| std::fs::create_dir_all(dir).is_ok());
    folder && std::fs::write(file, text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_leaves_is_read_by_the_next_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("nvr").join(STATE_FILE);
        let before = ConsoleState {
            vt: 1,
            keyboard: K_UNICODE,
        };
        assert_eq!(read_state(&file), None);
        assert!(write_state(&file, before));
        assert_eq!(read_state(&file), Some(before));
        std::fs::write(&file, "{").expect("written");
        assert_eq!(read_state(&file), None);
    }

    #[test]
    fn a_folder_that_can_not_be_made_holds_no_state() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(!write_state(
            &file.path().join(STATE_FILE),
            ConsoleState { vt: 1, keyboard: 3 }
        ));
    }

    #[test]
    fn what_is_no_terminal_is_left_alone() {
        let file = tempfile::tempfile().expect("a file");
        assert!(Console::take_terminal(1, file, Vec::new()).is_none());
    }
}
