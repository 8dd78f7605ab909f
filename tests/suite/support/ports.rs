//! Ports for servers that can't report a port chosen by the system. Each port is used once on the whole machine, even if several
//! suites run at the same time.
//!
//! A process reserves ports in blocks. The reservation is an abstract Unix socket with the block's name: it is unique in a network
//! namespace, as ports are, and the kernel removes it when the process ends.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, PoisonError};

const BLOCK: u16 = 64;
const LOWEST: u16 = 10_000;
/// Start of the ephemeral ports of clients, by default on Linux.
const USUAL_CLIENTS: u16 = 32_768;

/// The blocks of this process, and the free ports of the last one.
struct Taken {
    rights: Vec<UnixDatagram>,
    left: Range<u16>,
}

static TAKEN: Mutex<Taken> = Mutex::new(Taken {
    rights: Vec::new(),
    left: 0..0,
});

/// A port without a listener that no other test gets, in this or another process, until this process ends. It is below the range
/// of ephemeral ports. Otherwise a client that retries could get this port as its own and connect to itself.
pub(crate) fn free_port() -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(port) = taken.left.find(|port| is_free(*port)) {
            return port;
        }
        let (right, ports) = block();
        taken.rights.push(right);
        taken.left = ports;
    }
}

/// Reserves a free block.
fn block() -> (UnixDatagram, Range<u16>) {
    let blocks = (clients_from() - LOWEST) / BLOCK;
    // Somewhere: what a suite that was killed left running has ports of the blocks that it had.
    let first = fastrand::u16(..blocks);
    let found = (0..blocks).find_map(|step| {
        let from = LOWEST + (first + step) % blocks * BLOCK;
        let name = format!("nvr-test-ports-{from}");
        let address = SocketAddr::from_abstract_name(name).expect("a short name");
        let right = UnixDatagram::bind_addr(&address).ok()?;
        Some((right, from..from + BLOCK))
    });
    found.expect("fewer suites than blocks of ports")
}

/// Start of the ephemeral ports on this machine.
fn clients_from() -> u16 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let from = text
        .unwrap_or_default()
        .split_whitespace()
        .next()
        .map(str::parse);
    match from {
        Some(Ok(from)) if from >= LOWEST + 16 * BLOCK => from,
        // This machine leaves too few to servers: those that its clients will use last.
        _ => USUAL_CLIENTS,
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[test]
fn no_port_is_given_out_twice() {
    let many = 3 * usize::from(BLOCK);
    let threads: Vec<_> = (0..2)
        .map(|_| std::thread::spawn(move || (0..many).map(|_| free_port()).collect::<Vec<_>>()))
        .collect();
    let ports = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("it ends"));
    let different: std::collections::BTreeSet<u16> = ports.collect();
    assert_eq!(different.len(), 2 * many);
    let rights = &TAKEN.lock().unwrap_or_else(PoisonError::into_inner).rights;
    let address = rights[0].local_addr().expect("it is bound");
    let other = UnixDatagram::bind_addr(&address).expect_err("another suite can't have it");
    assert_eq!(other.kind(), std::io::ErrorKind::AddrInUse);
}
