use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// A file tree: a line `PATH CONTENT` for a file, `PATH -> TARGET` for a link, `PATH/` for a folder.
fn tree(lines: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.ends_with('/') {
            let folder = root.path().join(line.trim_start_matches('/'));
            fs::create_dir_all(folder).expect("a folder");
            continue;
        }
        let (path, content) = line.split_once(' ').unwrap_or((line, ""));
        let path = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        match content.strip_prefix("-> ") {
            Some(target) => symlink(target, path).expect("a link"),
            None => fs::write(path, content.replace("\\n", "\n")).expect("a file"),
        }
    }
    root
}

fn medium_of(tree: &tempfile::TempDir, dir: &str) -> Medium {
    Medium::in_tree(tree.path(), Path::new(dir))
}

/// A Jetson AGX Orin with its system on the eMMC and an NVMe drive at /srv.
const ORIN: &str = r"
/proc/self/mountinfo 23 1 179:1 / / rw,relatime shared:1 - ext4 /dev/mmcblk0p1 rw\n24 23 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n25 23 0:5 / /dev rw,nosuid shared:2 - devtmpfs none rw,size=31377672k\n31 23 0:26 / /run rw,nosuid,nodev shared:5 - tmpfs tmpfs rw,size=6439600k,mode=755\n88 23 259:1 / /srv rw,relatime shared:47 - ext4 /dev/nvme0n1p1 rw\n
/sys/dev/block/179:1 -> ../../devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p1
/sys/devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p1/partition 1\n
/sys/devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p1/size 124321792\n
/sys/devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/size 124321792\n
/sys/devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/device -> ../../../mmc0:0001
/sys/devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/queue/rotational 0\n
/sys/devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/queue/write_cache write back\n
/sys/devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/type MMC\n
/sys/devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/name G1M15L\n
/sys/devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/life_time 0x02 0x01\n
/sys/devices/platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/pre_eol_info 0x01\n
/sys/dev/block/259:1 -> ../../devices/platform/bus@0/14160000.pcie/pci0004:00/0004:00:00.0/0004:01:00.0/nvme/nvme0/nvme0n1/nvme0n1p1
/sys/devices/platform/bus@0/14160000.pcie/pci0004:00/0004:00:00.0/0004:01:00.0/nvme/nvme0/nvme0n1/nvme0n1p1/partition 1\n
/sys/devices/platform/bus@0/14160000.pcie/pci0004:00/0004:00:00.0/0004:01:00.0/nvme/nvme0/nvme0n1/size 976773168\n
/sys/devices/platform/bus@0/14160000.pcie/pci0004:00/0004:00:00.0/0004:01:00.0/nvme/nvme0/nvme0n1/queue/rotational 0\n
/sys/devices/platform/bus@0/14160000.pcie/pci0004:00/0004:00:00.0/0004:01:00.0/nvme/nvme0/nvme0n1/queue/write_cache write back\n
/sys/devices/platform/bus@0/14160000.pcie/pci0004:00/0004:00:00.0/0004:01:00.0/nvme/nvme0/nvme0n1/device -> ../../nvme0
/sys/devices/platform/bus@0/14160000.pcie/pci0004:00/0004:00:00.0/0004:01:00.0/nvme/nvme0/model Samsung SSD 980 500GB                   \n
/srv/recordings/
";

#[test]
fn a_jetson_has_its_root_on_emmc_and_its_recordings_on_nvme() {
    let orin = tree(ORIN);
    let expected = Disk {
        name: "mmcblk0".to_owned(),
        kind: MediumKind::Emmc,
        model: Some("G1M15L".to_owned()),
        size_bytes: Some(63_652_757_504),
        has_write_cache: Some(true),
        wear: Some(Wear {
            used_percent: Some((10, 20)),
            spare: SpareBlocks::Normal,
        }),
    };
    // It is not there yet: that of its nearest parent counts.
    let medium = medium_of(&orin, "/var/lib/nvr/processor/record");
    assert_eq!(
        (medium.kind, medium.disks.as_slice()),
        (MediumKind::Emmc, &[expected][..])
    );
    assert_eq!(
        medium.to_string(),
        "eMMC G1M15L, 63.7 GB, ext4 on /dev/mmcblk0p1"
    );
    let medium = medium_of(&orin, "/srv/recordings/cameras");
    assert_eq!(
        medium.to_string(),
        "NVMe drive Samsung SSD 980 500GB, 500.1 GB, ext4 on /dev/nvme0n1p1"
    );
    assert_eq!(medium.kind, MediumKind::Nvme);
    assert_eq!(medium.disks[0].wear, None);
}

#[test]
fn a_link_leads_to_the_disk_of_its_target() {
    let orin = tree(&format!(
        "{ORIN}/srv/link -> ../var\n/var/lib/x\n/home -> srv/recordings\n"
    ));
    assert_eq!(medium_of(&orin, "/srv/link/lib").kind, MediumKind::Emmc);
    assert_eq!(medium_of(&orin, "/home/a/b").kind, MediumKind::Nvme);
    assert_eq!(medium_of(&orin, "/run/nvr").kind, MediumKind::Emmc);
    let orin = tree(&format!("{ORIN}/run/nvr/\n"));
    let medium = medium_of(&orin, "/run/nvr");
    assert_eq!(
        (medium.kind, medium.to_string().as_str()),
        (MediumKind::Memory, "memory, tmpfs on tmpfs")
    );
}

#[test]
fn wear_is_the_worse_value_and_may_be_unknown() {
    for (life_time, pre_eol, expected) in [
        (
            "0x01 0x01",
            "0x01",
            Some((Some((0, 10)), SpareBlocks::Normal)),
        ),
        (
            "0x03 0x0a",
            "0x02",
            Some((Some((90, 100)), SpareBlocks::Low)),
        ),
        (
            "0x0b 0x01",
            "0x03",
            Some((Some((100, 100)), SpareBlocks::Urgent)),
        ),
        ("0x00 0x00", "0x01", Some((None, SpareBlocks::Normal))),
        ("0x00 0x00", "0x00", None),
        ("", "", None),
    ] {
        let files = ORIN
            .replace("0x02 0x01", life_time)
            .replace("pre_eol_info 0x01", &format!("pre_eol_info {pre_eol}"));
        let disk = &medium_of(&tree(&files), "/").disks[0];
        let wear = disk.wear.map(|wear| (wear.used_percent, wear.spare));
        assert_eq!(wear, expected, "{life_time} {pre_eol}");
    }
}

/// A Raspberry Pi 4 on an SD card, with `overlayroot`: CASE is where the overlay writes.
const PI: &str = r"
/proc/self/mountinfo 22 1 0:22 / / rw,relatime shared:1 - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=CASE/overlay,workdir=CASE/overlay-workdir/_\n27 22 179:2 / /media/root-ro ro,relatime shared:5 - ext4 /dev/mmcblk0p2 ro\n28 22 0:23 / /media/root-rw rw,relatime shared:6 - tmpfs tmpfs-root rw\n29 22 179:3 / /media/my\040data rw,relatime shared:7 - ext4 /dev/mmcblk0p3 rw\n
/media/root-rw/overlay/
/media/my data/overlay/
/srv/
/sys/dev/block/179:2 -> ../../devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/mmcblk0p2
/sys/dev/block/179:3 -> ../../devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/mmcblk0p3
/sys/devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/mmcblk0p2/partition 2\n
/sys/devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/mmcblk0p3/partition 3\n
/sys/devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/size 31116288\n
/sys/devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/device -> ../../../mmc0:aaaa
/sys/devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/queue/write_cache write through\n
/sys/devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/type SD\n
/sys/devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/name SC16G\n
";

#[test]
fn an_overlay_lies_where_it_writes() {
    for (upper, kind, text) in [
        (
            "/media/root-rw",
            MediumKind::Memory,
            "memory, overlay on overlayroot",
        ),
        (
            r"/media/my\040data",
            MediumKind::SdCard,
            "SD card SC16G, 15.9 GB, overlay on overlayroot",
        ),
        // In a container the folder is out of sight.
        (
            "/var/lib/docker/overlay2/1f/diff",
            MediumKind::Unknown,
            "unknown medium, overlay on overlayroot",
        ),
    ] {
        let medium = medium_of(&tree(&PI.replace("CASE", upper)), "/srv");
        assert_eq!((medium.kind, medium.to_string().as_str()), (kind, text));
    }
    let disk = medium_of(&tree(PI), "/media/my data").disks.remove(0);
    assert_eq!((disk.has_write_cache, disk.wear), (Some(false), None));
}

/// A PC: dm-crypt over NVMe, LVM over RAID 1 of two hard disks, btrfs over two SSDs, a USB drive, an NFS mount, zram and a loop device.
const PC: &str = r"
/proc/self/mountinfo 30 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/luks-5f1c rw,errors=remount-ro\n40 30 253:1 / /raid rw,relatime - xfs /dev/mapper/vg0-rec rw,attr2\n41 30 0:34 /@rec /btrfs rw,relatime shared:31 - btrfs /dev/sdc1 rw,ssd,space_cache=v2,subvolid=257,subvol=/@rec\n42 30 0:35 / /crypt rw,relatime shared:32 - btrfs /dev/mapper/luks-5f1c rw,ssd\n43 30 8:65 / /usb rw,relatime - vfat /dev/sde1 rw\n44 30 0:52 / /nas rw,relatime shared:40 - nfs4 nas:/export/rec rw,vers=4.2\n45 30 252:0 / /zram rw,relatime - ext4 /dev/zram0 rw\n46 30 7:3 / /loop rw,relatime - ext4 /dev/loop3 rw\n47 30 0:60 / /tank rw,relatime - zfs tank/rec rw,xattr\n48 30 8:81 / /iscsi rw,relatime - ext4 /dev/sdf1 rw\n49 30 0:61 / /ssh rw,relatime - fuse.sshfs pi@box:/ rw\n
/raid/
/btrfs/
/crypt/
/usb/
/nas/
/zram/
/loop/
/tank/
/iscsi/
/ssh/
/usb/images/rec.img x
/dev/mapper/luks-5f1c -> ../dm-0
/dev/dm-0 x
/sys/class/block/dm-0 -> ../../devices/virtual/block/dm-0
/sys/class/block/sdc1 -> ../../devices/pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0/block/sdc/sdc1
/sys/dev/block/253:0 -> ../../devices/virtual/block/dm-0
/sys/devices/virtual/block/dm-0/dm/name luks-5f1c\n
/sys/devices/virtual/block/dm-0/slaves/nvme0n1p3 -> ../../../../pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme0/nvme0n1/nvme0n1p3
/sys/devices/pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme0/nvme0n1/nvme0n1p3/partition 3\n
/sys/devices/pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme0/nvme0n1/size 2000409264\n
/sys/devices/pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme0/nvme0n1/device -> ../../nvme0
/sys/devices/pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme0/model WDC WDS100T2B0C-00PXH0\n
/sys/dev/block/253:1 -> ../../devices/virtual/block/dm-1
/sys/devices/virtual/block/dm-1/slaves/md0 -> ../../md0
/sys/devices/virtual/block/md0/slaves/sda1 -> ../../../../pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1
/sys/devices/virtual/block/md0/slaves/sdb1 -> ../../../../pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0/block/sdb/sdb1
/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1/partition 1\n
/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/queue/rotational 1\n
/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/size 7814037168\n
/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/device/model WDC WD42PURZ-85B\n
/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/device/vendor ATA     \n
/sys/devices/pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0/block/sdb/sdb1/partition 1\n
/sys/devices/pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0/block/sdb/queue/rotational 1\n
/sys/devices/pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0/block/sdc/sdc1/partition 1\n
/sys/devices/pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0/block/sdc/queue/rotational 0\n
/sys/devices/pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0/block/sdc/device/model Samsung SSD 870\n
/sys/devices/pci0000:00/0000:00:17.0/ata4/host3/target3:0:0/3:0:0:0/block/sdd/queue/rotational 0\n
/sys/fs/btrfs/features/raid1c34 0\n
/sys/fs/btrfs/8c3d0a5e/devices/sdc1 -> ../../../../devices/pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0/block/sdc/sdc1
/sys/fs/btrfs/8c3d0a5e/devices/sdd -> ../../../../devices/pci0000:00/0000:00:17.0/ata4/host3/target3:0:0/3:0:0:0/block/sdd
/sys/dev/block/8:65 -> ../../devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host4/target4:0:0/4:0:0:0/block/sde/sde1
/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host4/target4:0:0/4:0:0:0/block/sde/sde1/partition 1\n
/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host4/target4:0:0/4:0:0:0/block/sde/queue/rotational 1\n
/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host4/target4:0:0/4:0:0:0/block/sde/device/model Ultra Fit       \n
/sys/dev/block/252:0 -> ../../devices/virtual/block/zram0
/sys/devices/virtual/block/zram0/size 33554432\n
/sys/dev/block/7:3 -> ../../devices/virtual/block/loop3
/sys/devices/virtual/block/loop3/loop/backing_file /usb/images/rec.img\n
/sys/dev/block/8:81 -> ../../devices/platform/host5/session1/target5:0:0/5:0:0:1/block/sdf/sdf1
/sys/devices/platform/host5/session1/target5:0:0/5:0:0:1/block/sdf/sdf1/partition 1\n
/sys/devices/platform/host5/session1/target5:0:0/5:0:0:1/block/sdf/queue/rotational 1\n
";

#[test]
fn mappings_raids_and_volumes_are_followed_to_their_disks() {
    let pc = tree(PC);
    for (dir, kind, disks, text) in [
        (
            "/",
            MediumKind::Nvme,
            "nvme0n1",
            "NVMe drive WDC WDS100T2B0C-00PXH0, 1024.2 GB, ext4 on /dev/mapper/luks-5f1c",
        ),
        (
            "/raid",
            MediumKind::HardDisk,
            "sda sdb",
            "hard disk WDC WD42PURZ-85B, 4000.8 GB and 1 more, xfs on /dev/mapper/vg0-rec",
        ),
        (
            "/btrfs",
            MediumKind::Ssd,
            "sdc sdd",
            "SSD Samsung SSD 870 and 1 more, btrfs on /dev/sdc1",
        ),
        (
            "/crypt",
            MediumKind::Nvme,
            "nvme0n1",
            "NVMe drive WDC WDS100T2B0C-00PXH0, 1024.2 GB, btrfs on /dev/mapper/luks-5f1c",
        ),
        (
            "/usb",
            MediumKind::Usb,
            "sde",
            "USB drive Ultra Fit, vfat on /dev/sde1",
        ),
        (
            "/nas",
            MediumKind::Network,
            "",
            "network, nfs4 on nas:/export/rec",
        ),
        (
            "/zram",
            MediumKind::Memory,
            "zram0",
            "memory, 17.2 GB, ext4 on /dev/zram0",
        ),
        (
            "/loop",
            MediumKind::Usb,
            "sde",
            "USB drive Ultra Fit, ext4 on /dev/loop3",
        ),
        (
            "/tank",
            MediumKind::Unknown,
            "",
            "unknown medium, zfs on tank/rec",
        ),
        (
            "/iscsi",
            MediumKind::Network,
            "sdf",
            "network, ext4 on /dev/sdf1",
        ),
        (
            "/ssh",
            MediumKind::Network,
            "",
            "network, fuse.sshfs on pi@box:/",
        ),
    ] {
        let medium = medium_of(&pc, dir);
        let names: Vec<&str> = medium.disks.iter().map(|disk| disk.name.as_str()).collect();
        assert_eq!(
            (
                medium.kind,
                names.join(" ").as_str(),
                medium.to_string().as_str()
            ),
            (kind, disks, text),
            "{dir}"
        );
    }
}

#[test]
fn a_volume_over_emmc_and_another_disk_counts_as_emmc() {
    let link = "/sys/devices/virtual/block/dm-9/slaves/a -> ../../../../platform/bus@0/14160000.pcie/pci0004:00/0004:00:00.0/0004:01:00.0/nvme/nvme0/nvme0n1
        /sys/devices/virtual/block/dm-9/slaves/b -> ../../../../platform/bus@0/3460000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p1
        /sys/dev/block/253:9 -> ../../devices/virtual/block/dm-9";
    let files = ORIN.replace("259:1 / /srv", "253:9 / /srv");
    let medium = medium_of(&tree(&format!("{files}{link}")), "/srv");
    let names: Vec<&str> = medium.disks.iter().map(|disk| disk.name.as_str()).collect();
    assert_eq!(
        (medium.kind, names),
        (MediumKind::Emmc, vec!["mmcblk0", "nvme0n1"])
    );
}

#[test]
fn disks_of_virtual_machines_are_virtual() {
    for (device, model) in [
        ("pci0000:00/0000:00:05.0/virtio2/block/vda", ""),
        (
            "pci0000:00/0000:00:05.0/virtio2/host2/target2:0:0/2:0:0:0/block/sda",
            "",
        ),
        (
            "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda",
            "QEMU HARDDISK",
        ),
    ] {
        let files = format!(
            "/proc/self/mountinfo 27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
            /sys/dev/block/254:0 -> ../../devices/{device}
            /sys/devices/{device}/size 41943040
            /sys/devices/{device}/queue/rotational 1
            /sys/devices/{device}/queue/write_cache write back
            /sys/devices/{device}/device/model {model}"
        );
        let medium = medium_of(&tree(&files), "/srv");
        assert_eq!(medium.kind, MediumKind::Virtual, "{device}");
        assert_eq!(medium.disks[0].has_write_cache, Some(true));
        assert_eq!(medium.disks[0].size_bytes, Some(21_474_836_480));
    }
}

#[test]
fn links_in_a_circle_and_missing_files_end_as_unknown() {
    let circle = "/proc/self/mountinfo 27 1 253:0 / / rw - ext4 /dev/dm-0 rw
        /sys/dev/block/253:0 -> ../../devices/virtual/block/dm-0
        /sys/devices/virtual/block/dm-0/slaves/dm-1 -> ../../dm-1
        /sys/devices/virtual/block/dm-1/slaves/dm-0 -> ../../dm-0";
    let looped = "/proc/self/mountinfo 27 1 7:0 / / rw - ext4 /dev/loop0 rw
        /sys/dev/block/7:0 -> ../../devices/virtual/block/loop0
        /sys/devices/virtual/block/loop0/loop/backing_file /disk.img";
    let gone = "/proc/self/mountinfo 27 1 8:1 / / rw - ext4 /dev/root rw";
    for (files, kind) in [
        (circle, MediumKind::Unknown),
        (looped, MediumKind::Virtual),
        (gone, MediumKind::Unknown),
        ("/etc/x y", MediumKind::Unknown),
    ] {
        let medium = medium_of(&tree(files), "/srv");
        assert_eq!(medium.kind, kind, "{files}");
    }
}

#[test]
fn this_machine_has_a_medium() {
    let medium = Medium::of(Path::new("/proc"));
    assert_eq!(
        (medium.kind, medium.file_system.as_str()),
        (MediumKind::Unknown, "proc")
    );
}
