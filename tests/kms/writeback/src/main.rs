//! `kms-writeback PID FILE`: what a running program shows by vkms, with every plane, as raw RGBA; prints its width and height.
//!
//! The kernel lets only one program, the master, commit to a card. This one duplicates that program's descriptor of the
//! card, which carries its rights, and asks the writeback connector for the next picture, so that the program under test
//! knows nothing of it. It gives the connector back afterwards: one that stays on a CRTC would keep it from being switched
//! off. A flip of the program at that very time may be answered by EBUSY, as flips generally may.
#![expect(
    unsafe_code,
    reason = "the kernel hands the fence out as a number, through a pointer"
)]

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use drm::buffer::{Buffer, DrmFourcc};
use drm::control::atomic::AtomicModeReq;
use drm::control::dumbbuffer::DumbBuffer;
use drm::control::{
    AtomicCommitFlags, Device as ControlDevice, RawResourceHandle, connector, crtc, framebuffer,
    property,
};
use drm::{ClientCapability, Device};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// Longest that the program under test may keep us from committing.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one picture is waited for before it is asked for again.
const ONE_PICTURE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000_000,
};

struct Card(OwnedFd);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
impl Device for Card {}
impl ControlDevice for Card {}

/// Where the picture comes from and the properties that ask for it.
struct Writeback {
    connector: connector::Handle,
    crtc: crtc::Handle,
    size: (u32, u32),
    crtc_id: property::Handle,
    fb_id: property::Handle,
    fence: property::Handle,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(pid), Some(file), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        bail!("usage: kms-writeback PID FILE");
    };
    let card = card_of(pid.parse().context("the first argument is no process id")?)?;
    let writeback = Writeback::of(&card)?;
    let mut buffer = card.create_dumb_buffer(writeback.size, DrmFourcc::Xrgb8888, 32)?;
    let frame = card.add_framebuffer(&buffer, 24, 32)?;
    let taken = writeback.take(&card, frame);
    let released = writeback.release(&card);
    let picture = taken.and_then(|()| rgba(&card, &mut buffer));
    card.destroy_framebuffer(frame)?;
    card.destroy_dumb_buffer(buffer)?;
    fs::write(&file, picture?).with_context(|| format!("{file} can't be written"))?;
    released.context("the writeback connector can't be given back")?;
    let (width, height) = writeback.size;
    writeln!(io::stdout(), "{width} {height}")?;
    Ok(())
}

/// The program's own descriptor of a vkms card.
fn card_of(pid: i32) -> Result<Card> {
    let process = Pid::from_raw(pid).ok_or_else(|| anyhow!("no process has the id {pid}"))?;
    let process = pidfd_open(process, PidfdFlags::empty())
        .with_context(|| format!("there is no process {pid}"))?;
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        let is_card = fs::read_link(entry.path())
            .is_ok_and(|path| path.to_string_lossy().starts_with("/dev/dri/card"));
        let number = entry.file_name().to_string_lossy().parse();
        let (true, Ok(number)) = (is_card, number) else {
            continue;
        };
        let card = Card(pidfd_getfd(&process, number, PidfdGetfdFlags::empty())?);
        if card.get_driver()?.name() == "vkms" {
            return Ok(card);
        }
    }
    bail!("process {pid} has no card of the driver vkms open")
}

impl Writeback {
    fn of(card: &Card) -> Result<Self> {
        card.set_client_capability(ClientCapability::Atomic, true)?;
        card.set_client_capability(ClientCapability::WritebackConnectors, true)?;
        let resources = card.resource_handles()?;
        let is_writeback = |handle: &&connector::Handle| {
            card.get_connector(**handle, false)
                .is_ok_and(|found| found.interface() == connector::Interface::Writeback)
        };
        let connector = *resources
            .connectors()
            .iter()
            .find(is_writeback)
            .context("no writeback connector; was vkms loaded with enable_writeback=1?")?;
        let (crtc, mode) = resources
            .crtcs()
            .iter()
            .find_map(|handle| Some((*handle, card.get_crtc(*handle).ok()?.mode()?)))
            .context("nothing is shown: no CRTC has a mode")?;
        let (width, height) = mode.size();
        let properties = card.get_properties(connector)?.as_hashmap(card)?;
        let named = |name: &str| {
            let found = properties.get(name).map(property::Info::handle);
            found.with_context(|| format!("the writeback connector has no property {name}"))
        };
        Ok(Self {
            connector,
            crtc,
            size: (width.into(), height.into()),
            crtc_id: named("CRTC_ID")?,
            fb_id: named("WRITEBACK_FB_ID")?,
            fence: named("WRITEBACK_OUT_FENCE_PTR")?,
        })
    }

    /// Has the next picture written into `frame`, and waits for it.
    fn take(&self, card: &Card, frame: framebuffer::Handle) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // First without a picture: vkms (6.12) drops what is asked for together with a new connector, where a flip follows
        // before the next vblank.
        self.attach(card, Some(self.crtc), deadline)?;
        let mut fences = Vec::new();
        while Instant::now() < deadline {
            fences.push(self.ask(card, frame, deadline)?);
            // Pictures are reported done in the order in which they were asked for, dropped ones too. All of ours are this
            // one frame: any that is done will do.
            let mut polled: Vec<_> = fences
                .iter()
                .map(|fence| PollFd::new(fence, PollFlags::IN))
                .collect();
            if poll(&mut polled, Some(&ONE_PICTURE))? > 0 {
                return Ok(());
            }
        }
        bail!("no picture within {PATIENCE:?}")
    }

    /// Asks for the next picture: what tells that it is done.
    fn ask(&self, card: &Card, frame: framebuffer::Handle, deadline: Instant) -> Result<OwnedFd> {
        let mut number: i32 = -1;
        let mut request = AtomicModeReq::new();
        request.add_property(
            self.connector,
            self.fb_id,
            property::Value::Framebuffer(Some(frame)),
        );
        request.add_raw_property(
            RawResourceHandle::from(self.connector),
            self.fence,
            &raw mut number as u64,
        );
        commit(card, &request, deadline).context("the picture is refused")?;
        if number < 0 {
            bail!("the kernel gave no fence");
        }
        // SAFETY: the successful commit made this descriptor for us alone; nothing else closes it.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    }

    fn release(&self, card: &Card) -> Result<()> {
        self.attach(card, None, Instant::now() + PATIENCE)
    }

    fn attach(&self, card: &Card, crtc: Option<crtc::Handle>, deadline: Instant) -> Result<()> {
        let mut request = AtomicModeReq::new();
        request.add_property(self.connector, self.crtc_id, property::Value::CRTC(crtc));
        commit(card, &request, deadline).context("the writeback connector can't be moved")
    }
}

/// Commits, again and again while the program under test does.
fn commit(card: &Card, request: &AtomicModeReq, deadline: Instant) -> Result<()> {
    loop {
        match card.atomic_commit(AtomicCommitFlags::ALLOW_MODESET, request.clone()) {
            Err(error)
                if error.raw_os_error() == Some(Errno::BUSY.raw_os_error())
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            ended => return Ok(ended?),
        }
    }
}

/// The buffer's pixels without its padding, in another order of bytes.
fn rgba(card: &Card, buffer: &mut DumbBuffer) -> Result<Vec<u8>> {
    let ((width, height), pitch) = (buffer.size(), buffer.pitch() as usize);
    let mapped = card.map_dumb_buffer(buffer)?;
    let rows = mapped.chunks(pitch).take(height as usize);
    Ok(rows
        .flat_map(|row| row.chunks_exact(4).take(width as usize))
        .flat_map(|pixel| [pixel[2], pixel[1], pixel[0], 255])
        .collect())
}
