#![expect(unsafe_code, reason = "virtual terminals are spoken to by ioctl")]
//! The text console under the picture: put into graphics mode while the wall runs, and given back.
//!
//! In graphics mode the kernel writes no message and blinks no cursor over the picture. The keyboard is off meanwhile: else
//! what is typed goes to a shell that nobody sees. Dropping the [`Console`] gives both back, unwinding included. A killed
//! process can't: it leaves a file that tells the next start what there was before.

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

/// The file's name, in the folder of the process's sockets.
const STATE_FILE: &str = "console.json";

/// All displays of this process share the one console.
static CONSOLE: Mutex<Weak<Console>> = Mutex::new(Weak::new());

/// A virtual terminal in graphics mode.
#[derive(Debug)]
pub(super) struct Console {
    terminal: File,
    before: ConsoleState,
    state_file: Option<PathBuf>,
    given_back: Mutex<bool>,
}

/// How the console was, and whose it is.
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
    /// Takes the terminal that the monitor shows; none where there is none, as in a container, or where it is not ours to
    /// take. To be called with the card's master right: then a console in graphics mode was left behind by somebody who is
    /// gone.
    pub(super) fn take() -> Option<Arc<Self>> {
        let mut taken = lock(&CONSOLE);
        if let Some(console) = taken.upgrade() {
            return Some(console);
        }
        let (vt, terminal) = match foreground() {
            Ok(found) => found,
            Err(err) => {
                info!(%err, "no text console to put away");
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
            // A keyboard that is off without a note of ours was left off by somebody: text needs one.
            keyboard: keyboard.filter(|mode| *mode != K_OFF).unwrap_or(K_UNICODE),
        });
        if left.is_some() {
            info!(
                vt,
                "the console was left in graphics mode by a process that was killed; it is given back at the end"
            );
        }
        let state_file = files.into_iter().find(|file| write_state(file, before));
        if state_file.is_none() {
            warn!(
                vt,
                "no folder for the console's state: if this process is killed, the console stays dark"
            );
        }
        if let Err(err) = set::<KDSETMODE>(&terminal, KD_GRAPHICS) {
            warn!(vt, %err, "the console can't be put into graphics mode, messages may appear over the picture; \
                run the wall as root, or as a unit with TTYPath=/dev/tty1 and StandardInput=tty");
            if let Some(file) = state_file {
                let _ = std::fs::remove_file(file);
            }
            return None;
        }
        if let Err(err) = set::<KDSKBMODE>(&terminal, K_OFF as usize) {
            warn!(vt, %err, "the console's keyboard can't be switched off, what is typed goes to it");
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
            warn!(vt = self.before.vt, %err, "the console's keyboard stays off");
        }
        if let Err(err) = set::<KDSETMODE>(&self.terminal, KD_TEXT) {
            warn!(vt = self.before.vt, %err, "the console stays in graphics mode");
            return;
        }
        if let Some(file) = &self.state_file {
            let _ = std::fs::remove_file(file);
        }
        info!(vt = self.before.vt, "console given back");
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Gives the console back at once: for ends of the process that run no destructors. Nothing where it was not taken.
pub fn restore_console() {
    let console = lock(&CONSOLE).upgrade();
    if let Some(console) = console {
        console.give_back();
    }
}

/// The terminal that the monitor shows.
fn foreground() -> Result<(u16, File), String> {
    let open = |path: &str| {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        // The group tty may write only.
        opened.or_else(|_| OpenOptions::new().write(true).open(path))
    };
    // A service without rights on tty0 has its own terminal where its unit names one.
    let mut problem = String::new();
    for path in ["/dev/tty0", "/dev/tty"] {
        let state = open(path)
            .map_err(|err| format!("{path}: {err}"))
            .and_then(|terminal| {
                // SAFETY: VT_GETSTATE fills a struct vt_stat, three 16-bit integers, which is what VtState is; the file stays
                // open during the call.
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
    // SAFETY: KDGKBMODE writes one int to the pointer it is given, which is what the Getter passes; the file stays open.
    let mode = unsafe { ioctl(terminal, Getter::<KDGKBMODE, i32>::new()) };
    mode.ok().and_then(|mode| u32::try_from(mode).ok())
}

fn set<const OPCODE: Opcode>(terminal: &File, value: usize) -> rustix::io::Result<()> {
    // SAFETY: KDSETMODE and KDSKBMODE, with which alone this is called, take an integer and no pointer.
    unsafe { ioctl(terminal, IntegerSetter::<OPCODE>::new_usize(value)) }
}

fn read_state(file: &Path) -> Option<ConsoleState> {
    let text = std::fs::read(file).ok()?;
    match serde_json::from_slice(&text) {
        Ok(before) => Some(before),
        Err(err) => {
            debug!(file = %file.display(), %err, "unreadable note of the console's state");
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
