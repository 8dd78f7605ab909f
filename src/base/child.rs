//! Waiting for other programs, and ending them with all that they have started.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How often a program is looked after.
const LOOK: Duration = Duration::from_millis(10);

/// Waits for the end of a program. None if it still runs at `deadline`.
pub fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK),
            _ => return None,
        }
    }
}

/// Kills a running program together with the programs that it has started; does nothing after its end. It must have been started with
/// `process_group(0)`.
pub fn kill_group(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Ok(None), Some(group)) = (child.try_wait(), group) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}
