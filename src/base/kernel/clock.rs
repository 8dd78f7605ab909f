//! The state of the kernel's clock. `adjtimex(2)` without a mode only reads; its manual page defines states and units.
#![expect(
    unsafe_code,
    reason = "no safe crate has the system call that reads the kernel's clock state"
)]

/// State of the kernel's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelClock {
    /// Whether a time service has set it and keeps it.
    pub synchronised: bool,
    /// The correction that remains.
    pub offset_ms: f64,
    /// The maximum error.
    pub max_error_ms: f64,
}

/// Reads the state of the kernel's clock.
///
/// # Errors
/// When the system refuses it, as some sandboxes do.
pub fn kernel_clock() -> std::io::Result<KernelClock> {
    // SAFETY: a timex has only numbers, for which zero is a valid value.
    let mut clock: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: without a mode the kernel only writes into the struct, which this function owns.
    let state = unsafe { libc::adjtimex(&raw mut clock) };
    if state < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let nanoseconds = clock.status & libc::STA_NANO != 0;
    Ok(KernelClock {
        synchronised: clock.status & libc::STA_UNSYNC == 0 && state != libc::TIME_ERROR,
        offset_ms: clock.offset as f64 / if nanoseconds { 1e6 } else { 1e3 },
        max_error_ms: clock.maxerror as f64 / 1e3,
    })
}
