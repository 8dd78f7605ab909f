//! This machine's clock: whether something keeps it right, and by how much the kernel thinks that it is wrong.
//!
//! `adjtimex(2)` without a mode only reads; its state and units are those of that page. Events carry this clock's time, cameras'
//! sender reports are held against it (2 s), and other machines of the fleet compare theirs with it.
#![expect(
    unsafe_code,
    reason = "the kernel's clock is asked by a system call that no safe crate has"
)]

use super::check::Emit;
use super::file_tree::FileTree;
use super::machine::Machine;
use super::report::Line;

/// More than this and boxes of one machine do not fit the pictures of another that fell back to arrival times.
const FAR_OFF_MS: f64 = 500.0;

/// What the kernel says.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Kernel {
    synchronised: bool,
    /// What is still to be corrected.
    offset_ms: f64,
    /// The most by which the clock may be wrong.
    most_ms: f64,
}

/// Services that keep a clock right, by the files that they leave while they run.
const KEEPERS: [(&str, &str); 4] = [
    ("/run/systemd/timesync/synchronized", "systemd-timesyncd"),
    ("/run/chrony/chronyd.pid", "chronyd"),
    ("/run/chronyd.pid", "chronyd"),
    ("/run/ntpd.pid", "ntpd"),
];

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let keeper = keeper(&machine.tree);
    emit(judge(kernel(), keeper));
    emit(Line::ok(
        "clock's keeper",
        match keeper {
            Some(name) => format!("{name} runs here"),
            None => "none of systemd-timesyncd, chronyd and ntpd is seen here; a container's host may run one".to_owned(),
        },
    ));
}

fn judge(kernel: std::io::Result<Kernel>, keeper: Option<&str>) -> Line {
    let what = "clock";
    let kernel = match kernel {
        Ok(kernel) => kernel,
        Err(error) => {
            return Line::ok(
                what,
                format!("the kernel does not tell how it is ({error})"),
            );
        }
    };
    let remedy = "start a time service (`timedatectl set-ntp true`, or chrony with a server that this network reaches)";
    let line = if !kernel.synchronised {
        let why = match keeper {
            Some(name) => format!("{name} runs and has not set it yet"),
            None => "nothing keeps it right".to_owned(),
        };
        Line::warning(
            what,
            format!("not synchronised, by the kernel's word: {why}"),
            remedy,
        )
    } else if kernel.offset_ms.abs() > FAR_OFF_MS {
        Line::warning(
            what,
            format!(
                "synchronised, and still {:.0} ms to correct",
                kernel.offset_ms
            ),
            remedy,
        )
    } else {
        Line::ok(
            what,
            format!(
                "synchronised; {:.1} ms to correct, wrong by {:.0} ms at most, by the kernel's word",
                kernel.offset_ms, kernel.most_ms
            ),
        )
    };
    line.with_figure("offset_ms", kernel.offset_ms)
        .with_figure("most_ms", kernel.most_ms)
}

fn keeper(tree: &FileTree) -> Option<&'static str> {
    KEEPERS
        .into_iter()
        .find_map(|(path, name)| tree.has(path).then_some(name))
}

fn kernel() -> std::io::Result<Kernel> {
    // SAFETY: a timex is numbers alone, for which zero is a value.
    let mut facts: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: without a mode the kernel only writes into the struct, which is ours and lives.
    let state = unsafe { libc::adjtimex(&raw mut facts) };
    if state < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let nanoseconds = facts.status & libc::STA_NANO != 0;
    Ok(Kernel {
        synchronised: facts.status & libc::STA_UNSYNC == 0 && state != libc::TIME_ERROR,
        offset_ms: facts.offset as f64 / if nanoseconds { 1e6 } else { 1e3 },
        most_ms: facts.maxerror as f64 / 1e3,
    })
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::fixture;
    use super::super::report::State;
    use super::*;

    #[test]
    fn a_clock_is_well_where_it_is_kept_and_near() {
        let kept = Kernel {
            synchronised: true,
            offset_ms: 0.4,
            most_ms: 12.0,
        };
        let line = judge(Ok(kept), Some("chronyd"));
        assert_eq!(
            line.found,
            "synchronised; 0.4 ms to correct, wrong by 12 ms at most, by the kernel's word"
        );
        assert_eq!(line.state, State::Ok);
        let far = Kernel {
            offset_ms: -900.0,
            ..kept
        };
        assert_eq!(judge(Ok(far), None).state, State::Warning);
        let free = Kernel {
            synchronised: false,
            ..kept
        };
        assert_eq!(
            judge(Ok(free), None).found,
            "not synchronised, by the kernel's word: nothing keeps it right"
        );
        let refused = std::io::Error::from_raw_os_error(1);
        assert_eq!(judge(Err(refused), None).state, State::Ok);
    }

    #[test]
    fn the_kernel_is_asked_and_the_keeper_seen() {
        let told = kernel();
        assert!(told.is_ok() || told.is_err_and(|error| error.raw_os_error().is_some()));
        let (_dir, machine) = fixture(&[("/run/chrony/chronyd.pid", "7\n")]);
        assert_eq!(keeper(&machine.tree), Some("chronyd"));
    }
}
