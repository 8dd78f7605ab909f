//! QEMU's command line of a box.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nvr::base::cache_dir;

use super::Disks;

/// Width and height of the monitor's preferred mode: four tiles of 320×240.
pub(crate) const SCREEN: (u32, u32) = (640, 480);

/// The machine. What it has of QEMU's defaults is said here: other releases have other ones.
pub(super) fn qemu(disks: &Disks, serial: &Path) -> Command {
    let image = cache_dir().join("boot/image");
    let layer = layer();
    let arguments = fs::read_to_string(layer.join("kernel-args"));
    let arguments = arguments.unwrap_or_else(|error| {
        panic!(
            "{error}: there is no image in {}: run `tools/test boot`",
            layer.display()
        )
    });
    let at = |name: &str| disks.path(name).display().to_string();
    let mut command = Command::new("qemu-system-aarch64");
    command.args([
        "-M",
        "virt",
        "-cpu",
        "cortex-a72",
        "-smp",
        "2",
        "-m",
        "1024",
    ]);
    command.args(["-accel", "tcg,thread=multi"]);
    command.args(["-nodefaults", "-no-user-config", "-no-reboot"]);
    command.args(["-display", "none"]);
    command.arg("-kernel").arg(image.join("kernel"));
    command.arg("-initrd").arg(image.join("initramfs.gz"));
    command.args([
        "-append",
        &format!("console=ttyAMA0 systemd.getty_auto=no {}", arguments.trim()),
    ]);
    command.args(["-serial", &format!("file:{}", serial.display())]);
    command.args(["-qmp", &format!("unix:{},server=on,wait=off", at("qmp"))]);
    let shell = format!("socket,id=shell,path={},server=on,wait=off", at("shell"));
    command.args(["-chardev", &shell, "-device", "virtio-serial-pci"]);
    command.args(["-device", "virtserialport,chardev=shell,name=nvr-test"]);
    command.args(["-netdev", "user,id=net"]);
    command.args(["-device", "virtio-net-pci,id=nic,netdev=net,romfile="]);
    // Without it, the kernel of an emulated machine waits for random numbers.
    command.args(["-device", "virtio-rng-pci"]);
    drive(
        &mut command,
        "base",
        &image.join("base.ext4"),
        ",readonly=on",
    );
    drive(
        &mut command,
        "layer",
        &layer.join("layer.ext4"),
        ",readonly=on",
    );
    drive(&mut command, "data", &disks.data(), "");
    // Sticks are plugged in here.
    command.args(["-device", "qemu-xhci,id=usb"]);
    let (width, height) = SCREEN;
    let gpu = format!("virtio-gpu-pci,edid=on,xres={width},yres={height}");
    command.args(["-device", &gpu]);
    command
}

fn drive(command: &mut Command, name: &str, file: &Path, more: &str) {
    let file = file.display();
    let drive = format!("if=none,id={name},format=raw,file={file}{more}");
    let device = format!("virtio-blk-pci,drive={name},serial={name}");
    command.args(["-drive", &drive, "-device", &device]);
}

/// Where `tools/test boot` puts our files, in the target directory of this build.
fn layer() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("boot")
}
