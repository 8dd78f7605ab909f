//! A disk as `/sys/block` describes it, and the disks below a block device: partitions, mappings (LVM, dm-crypt) and RAID.
//!
//! The wear of eMMC is that of JEDEC's JESD84-B50 (EXT_CSD 267–269; the kernel's `Documentation/driver-api/mmc/mmc-dev-attrs.rst`).
//! The wear of NVMe and SATA drives is known by commands to the drive only, for which the kernel has no file: here it is unknown.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

/// Levels of mappings that are followed. Real ones have up to four: a logical volume in dm-crypt on RAID.
const MAX_LEVELS: usize = 8;

/// The kind of a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediumKind {
    /// Flash memory that is soldered to the board.
    Emmc,
    /// An SD or microSD card.
    SdCard,
    /// An NVMe drive.
    Nvme,
    /// Another flash drive: SATA or UFS.
    Ssd,
    /// A drive that rotates.
    HardDisk,
    /// A drive at a USB port, of which the system does not know more.
    Usb,
    /// Memory: its content is lost without power.
    Memory,
    /// Another machine.
    Network,
    /// A disk or folder of a virtual machine's host.
    Virtual,
    /// None of these can be told.
    Unknown,
}

/// A disk. What the kernel does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The kernel's name, such as `mmcblk0`.
    pub name: String,
    /// Its kind.
    pub kind: MediumKind,
    /// The maker's name for it.
    pub model: Option<String>,
    /// Its size in bytes.
    pub size_bytes: Option<u64>,
    /// Whether it has a volatile cache for writes, so that only a flush makes them durable.
    pub has_write_cache: Option<bool>,
    /// How far it is worn.
    pub wear: Option<Wear>,
}

/// How far a disk is worn, by its own estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wear {
    /// The used part of its life time in percent, at least and at most; 100 also beyond its life time. Not all report it.
    pub used_percent: Option<(u8, u8)>,
    /// Its spare blocks.
    pub spare: SpareBlocks,
}

/// The state of the blocks with which a disk replaces worn ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpareBlocks {
    /// Not reported.
    Unknown,
    /// Under 80 % are used.
    Normal,
    /// 80 % are used.
    Low,
    /// Nearly all are used.
    Urgent,
}

impl Display for Wear {
    /// `10–20 % of its life time used, and 80 % of its spare blocks`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.used_percent {
            Some((least, _)) if least >= 100 => f.write_str("all of its life time used"),
            Some((least, most)) if least == most => {
                write!(f, "{most} % of its life time used")
            }
            Some((least, most)) => write!(f, "{least}–{most} % of its life time used"),
            None => f.write_str("unknown share of its life time used"),
        }?;
        f.write_str(match self.spare {
            SpareBlocks::Unknown | SpareBlocks::Normal => "",
            SpareBlocks::Low => ", and 80 % of its spare blocks",
            SpareBlocks::Urgent => ", and nearly all of its spare blocks",
        })
    }
}

impl MediumKind {
    /// The kind of the disk at a folder such as `/sys/block/sda`.
    pub fn of(block: &Path) -> Self {
        let folder = block.canonicalize();
        let folder = folder.as_deref().unwrap_or(block);
        let name = folder.file_name().unwrap_or_default();
        kind(folder, &name.to_string_lossy())
    }

    /// The name for people, to follow a blank.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emmc => "eMMC",
            Self::SdCard => "SD card",
            Self::Nvme => "NVMe drive",
            Self::Ssd => "SSD",
            Self::HardDisk => "hard disk",
            Self::Usb => "USB drive",
            Self::Memory => "memory",
            Self::Network => "network",
            Self::Virtual => "virtual disk",
            Self::Unknown => "unknown medium",
        }
    }

    /// The name for programs.
    pub fn id(self) -> &'static str {
        match self {
            Self::Emmc => "emmc",
            Self::SdCard => "sd_card",
            Self::Nvme => "nvme",
            Self::Ssd => "ssd",
            Self::HardDisk => "hard_disk",
            Self::Usb => "usb",
            Self::Memory => "memory",
            Self::Network => "network",
            Self::Virtual => "virtual",
            Self::Unknown => "unknown",
        }
    }

    /// Whether continuous recording wears it out within a few years, so that it needs a decision.
    pub fn wears_out(self) -> bool {
        matches!(self, Self::Emmc | Self::SdCard)
    }
}

impl Disk {
    /// The disk at a folder of `/sys/devices`, which has no links in its path.
    pub(super) fn read(folder: &Path) -> Self {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let kind = kind(folder, &name);
        let is_card = kind.wears_out();
        let model = text(
            folder,
            if is_card {
                "device/name"
            } else {
                "device/model"
            },
        );
        // Counted in units of 512 bytes, whatever the size of its sectors.
        let sectors = text(folder, "size").and_then(|size| size.parse::<u64>().ok());
        let has_write_cache = match text(folder, "queue/write_cache").as_deref() {
            Some("write back") => Some(true),
            Some("write through") => Some(false),
            _ => None,
        };
        Self {
            name: name.into_owned(),
            kind,
            model,
            size_bytes: sectors.map(|sectors| sectors.saturating_mul(512)),
            has_write_cache,
            wear: is_card.then(|| wear(folder)).flatten(),
        }
    }
}

/// The folders of the whole disks below a block device; of a loop device that of the device itself.
pub(super) fn whole_disks(device: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(device, MAX_LEVELS, &mut found);
    found
}

fn collect(device: &Path, levels: usize, found: &mut Vec<PathBuf>) {
    let Ok(mut folder) = device.canonicalize() else {
        return;
    };
    if folder.join("partition").exists() {
        folder.pop();
    }
    let slaves = std::fs::read_dir(folder.join("slaves"));
    let slaves = slaves.into_iter().flatten().flatten();
    let mut slaves: Vec<PathBuf> = slaves.map(|slave| slave.path()).collect();
    slaves.sort_unstable();
    if slaves.is_empty() {
        if !found.contains(&folder) {
            found.push(folder);
        }
    } else if levels > 0 {
        for slave in slaves {
            collect(&slave, levels - 1, found);
        }
    }
}

/// The file behind a loop device.
pub(super) fn backing_file(folder: &Path) -> Option<PathBuf> {
    text(folder, "loop/backing_file").map(PathBuf::from)
}

fn kind(folder: &Path, name: &str) -> MediumKind {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if begins(&["mmcblk"]) {
        return match text(folder, "device/type").as_deref() {
            Some("MMC") => MediumKind::Emmc,
            Some(_) => MediumKind::SdCard,
            None => MediumKind::Unknown,
        };
    }
    if begins(&["nvme"]) {
        return MediumKind::Nvme;
    }
    if begins(&["zram", "ram"]) {
        return MediumKind::Memory;
    }
    if begins(&["nbd", "rbd", "drbd"]) {
        return MediumKind::Network;
    }
    if begins(&["vd", "xvd", "loop"]) {
        return MediumKind::Virtual;
    }
    let has = |is: &dyn Fn(&str) -> bool| {
        let mut parts = folder.components();
        parts.any(|part| is(&part.as_os_str().to_string_lossy()))
    };
    // `/sys/devices/…/usb2/2-1/2-1:1.0/host0/…`, `/sys/devices/platform/host3/session1/…`, `/sys/devices/…/virtio2/host2/…`
    if has(&|part| is_numbered(part, "usb")) {
        return MediumKind::Usb;
    }
    if has(&|part| is_numbered(part, "session")) {
        return MediumKind::Network;
    }
    let vendor = text(folder, "device/vendor").unwrap_or_default();
    let is_of_host = ["QEMU", "VMware", "VMware,", "Msft", "VBOX"].contains(&vendor.as_str());
    let model = text(folder, "device/model").unwrap_or_default();
    if is_of_host || model.starts_with("QEMU") || has(&|part| is_numbered(part, "virtio")) {
        return MediumKind::Virtual;
    }
    match text(folder, "queue/rotational").as_deref() {
        Some("0") if begins(&["sd", "hd"]) => MediumKind::Ssd,
        Some("1") if begins(&["sd", "hd"]) => MediumKind::HardDisk,
        _ => MediumKind::Unknown,
    }
}

/// Whether a name is `prefix` and a number.
fn is_numbered(name: &str, prefix: &str) -> bool {
    let number = name.strip_prefix(prefix).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The wear of an eMMC: the worse of its two kinds of cells. SD cards have none of these files.
fn wear(folder: &Path) -> Option<Wear> {
    let tenths = hex(folder, "device/life_time").into_iter().max();
    let used_percent = match tenths.unwrap_or(0) {
        0 => None,
        tenths @ 1..=10 => Some((tenths * 10 - 10, tenths * 10)),
        11.. => Some((100, 100)),
    };
    let spare = match hex(folder, "device/pre_eol_info").first() {
        Some(1) => SpareBlocks::Normal,
        Some(2) => SpareBlocks::Low,
        Some(3) => SpareBlocks::Urgent,
        _ => SpareBlocks::Unknown,
    };
    let is_known = used_percent.is_some() || spare != SpareBlocks::Unknown;
    is_known.then_some(Wear {
        used_percent,
        spare,
    })
}

fn hex(folder: &Path, file: &str) -> Vec<u8> {
    let text = text(folder, file).unwrap_or_default();
    let number = |word: &str| u8::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    text.split_whitespace().filter_map(number).collect()
}

/// The text of a file without blanks at its ends; none if it is empty or can't be read, which is normal in `/sys`.
fn text(folder: &Path, file: &str) -> Option<String> {
    let bytes = std::fs::read(folder.join(file)).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    (!text.is_empty()).then(|| text.to_owned())
}
