//! This machine's clock: whether a time service keeps it, and the kernel's estimate of its error.
//!
//! `adjtimex(2)` without a mode only reads; its manual page defines states and units. Events carry the time of this clock, cameras'
//! sender reports are compared with it (2 s), and other machines of the fleet compare their clocks with it.

use super::{Emit, Line, Machine, State};
use crate::base::{KernelClock, kernel_clock};

/// With a larger offset, boxes of one machine do not match the pictures of another machine that has only arrival times.
const MAX_OFFSET_MS: f64 = 500.0;

/// Time services, by the files that exist while they run.
const TIME_SERVICES: [(&str, &str); 4] = [
    ("/run/systemd/timesync/synchronized", "systemd-timesyncd"),
    ("/run/chrony/chronyd.pid", "chronyd"),
    ("/run/chronyd.pid", "chronyd"),
    ("/run/ntpd.pid", "ntpd"),
];

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let service = machine.tree.first(&TIME_SERVICES);
    emit(clock_line(kernel_clock(), service));
    let none =
        "none of systemd-timesyncd, chronyd and ntpd runs here; a container's host may run one";
    let found = service.map_or(none.to_owned(), |name| format!("{name} runs here"));
    emit(Line::ok("time service", found));
}

fn clock_line(clock: std::io::Result<KernelClock>, service: Option<&str>) -> Line {
    let (synchronised, offset, error) = match clock {
        Ok(clock) => (clock.synchronised, clock.offset_ms, clock.max_error_ms),
        Err(error) => {
            let found = format!("the kernel does not report its state ({error})");
            return Line::ok("clock", found);
        }
    };
    let is_far = offset.abs() > MAX_OFFSET_MS;
    let found = match (synchronised, service) {
        (true, _) if is_far => format!("synchronised, but {offset:.0} ms remain to correct"),
        (true, _) => format!(
            "synchronised according to the kernel; {offset:.1} ms to correct, maximum error {error:.0} ms"
        ),
        (false, service) => {
            let reason = match service {
                Some(name) => &format!("{name} runs but has not set it yet"),
                None => "no time service sets it",
            };
            format!("not synchronised according to the kernel: {reason}")
        }
    };
    Line::new(
        State::of(false, is_far || !synchronised),
        "clock",
        found,
        "start a time service (`timedatectl set-ntp true`, or chrony with a server that this network reaches)",
    )
    .with_figure("offset_ms", offset)
    .with_figure("most_ms", error)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{machine_with, short};
    use super::*;

    #[test]
    fn a_clock_has_no_fault_if_a_service_keeps_it_near() {
        let line = |synchronised, offset_ms, service| {
            let clock = KernelClock {
                synchronised,
                offset_ms,
                max_error_ms: 12.0,
            };
            short(&clock_line(Ok(clock), service))
        };
        assert_eq!(
            [
                line(true, 0.4, Some("chronyd")),
                line(true, -900.0, None),
                line(false, 0.4, None),
            ],
            [
                "Ok | clock | synchronised according to the kernel; 0.4 ms to correct, maximum error 12 ms",
                "Warning | clock | synchronised, but -900 ms remain to correct",
                "Warning | clock | not synchronised according to the kernel: no time service sets it",
            ]
        );
        let refused = std::io::Error::from_raw_os_error(1);
        assert_eq!(clock_line(Err(refused), None).state, State::Ok);
    }

    #[test]
    fn the_kernel_is_asked_and_the_time_service_is_seen() {
        let clock = kernel_clock();
        assert!(clock.is_ok() || clock.is_err_and(|error| error.raw_os_error().is_some()));
        let (_dir, machine) = machine_with(r"/run/chrony/chronyd.pid 7\n");
        assert_eq!(machine.tree.first(&TIME_SERVICES), Some("chronyd"));
    }
}
