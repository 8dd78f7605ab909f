//! News of monitors from the kernel: uevents over netlink.
//!
//! Containers without the host's network namespace do not get them: the caller reads the connectors' states now and then,
//! too.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

/// The group of the kernel's own messages; udev's have another one.
const KERNEL_GROUP: u32 = 1;
/// The kernel's `UEVENT_BUFFER_SIZE` and the path before it.
const LONGEST_MESSAGE: usize = 4096;

/// A socket that hears what the kernel says of its devices.
pub(super) struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    /// Listens.
    ///
    /// # Errors
    /// Where the kernel refuses, as a sandbox can make it.
    pub(super) fn listen() -> rustix::io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(KOBJECT_UEVENT),
        )?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(Self { socket })
    }

    /// Reads all that has come; whether one of them was about a monitor or a card.
    pub(super) fn drain(&self) -> bool {
        let mut about_monitors = false;
        let mut message = [0; LONGEST_MESSAGE];
        loop {
            match recv(&self.socket, &mut message[..], RecvFlags::empty()) {
                Ok((length, _)) => {
                    about_monitors |= is_about_monitors(&message[..length.min(LONGEST_MESSAGE)])
                }
                // What did not fit is lost: it may have been about a monitor.
                Err(rustix::io::Errno::NOBUFS) => about_monitors = true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return about_monitors,
            }
        }
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// `change@/devices/…/card0`, then `KEY=value` lines, each ended by a zero byte.
fn is_about_monitors(message: &[u8]) -> bool {
    message
        .split(|byte| *byte == 0)
        .any(|line| line == b"SUBSYSTEM=drm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_about_cards_are_told_from_others() {
        let plugged = b"change@/devices/pci0/drm/card0\0ACTION=change\0SUBSYSTEM=drm\0HOTPLUG=1\0SEQNUM=2012\0";
        assert!(is_about_monitors(plugged));
        assert!(!is_about_monitors(
            b"add@/devices/usb1\0ACTION=add\0SUBSYSTEM=usb\0NAME=SUBSYSTEM=drm\0"
        ));
        assert!(!is_about_monitors(b""));
    }

    #[test]
    fn nothing_said_is_no_news() {
        let uevents = Uevents::listen().expect("a netlink socket");
        uevents.drain();
    }
}
