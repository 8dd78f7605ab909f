//! Receives hot-plug events from the kernel: uevents over netlink.
//!
//! Containers without the host's network namespace do not receive them, so the caller also polls the connectors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

/// The multicast group of messages from the kernel. Messages from udev have another group.
const KERNEL_GROUP: u32 = 1;
/// The kernel's `UEVENT_BUFFER_SIZE` and the path before it.
const LONGEST_MESSAGE: usize = 4096;

/// A socket for the kernel's device events.
pub(super) struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    /// Opens the socket.
    ///
    /// # Errors
    /// If the kernel refuses, for example in a sandbox.
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

    /// Reads all pending events. Gives whether one of them was about a monitor or a card.
    pub(super) fn drain(&self) -> bool {
        let mut about_monitors = false;
        let mut message = [0; LONGEST_MESSAGE];
        loop {
            match recv(&self.socket, &mut message[..], RecvFlags::empty()) {
                Ok((length, _)) => {
                    about_monitors |= is_about_monitors(&message[..length.min(LONGEST_MESSAGE)])
                }
                // Events were lost. One of them may have been about a monitor.
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

/// Whether a message is about a DRM device. A message is `change@/devices/…/card0`, followed by `KEY=value` lines, each with a
/// zero byte at its end.
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
