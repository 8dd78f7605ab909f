//! The machine: QEMU's command line, and whether this machine's processor helps.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use nvr::base::cache_dir;

use super::Gpu;

/// The machine. What it has of QEMU's defaults is said here: other releases have other ones.
pub(super) fn qemu(dir: &Path, console: &Path, gpu: Gpu, modules: &[&str], kvm: bool) -> Command {
    let kms = cache_dir().join("kms");
    let (kernel, initramfs) = (kms.join("kernel/vmlinux"), kms.join("initramfs.gz"));
    assert!(
        kernel.exists() && initramfs.exists(),
        "there is no kernel in {}: run `tools/setup kms`",
        kms.display()
    );
    let (names, options): (Vec<&str>, Vec<&str>) =
        modules.iter().partition(|word| !word.contains('='));
    let mut names = names.join(",");
    let mut line = options.join(" ");
    match gpu {
        Gpu::Absent => {}
        Gpu::Virtio { .. } => names += ",virtio_gpu",
        Gpu::Vkms => {
            names += ",vkms";
            line += " vkms.enable_overlay=1 vkms.enable_writeback=1 vkms.enable_cursor=1";
        }
    }
    write!(
        line,
        " console=ttyS0 loglevel=4 panic=-1 nvr.modules={names}"
    )
    .expect("text");

    let at = |name: &str| dir.join(name).display().to_string();
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-M", "q35", "-smp", "2", "-m", "768"]);
    command.args(if kvm {
        ["-accel", "kvm", "-cpu", "host"]
    } else {
        ["-accel", "tcg,thread=multi", "-cpu", "max"]
    });
    command.args(["-nodefaults", "-no-user-config", "-no-reboot"]);
    command.args(["-display", "none", "-vga", "none"]);
    command.arg("-kernel").arg(kernel);
    command.arg("-initrd").arg(initramfs);
    command.args(["-append", line.trim()]);
    command.args(["-serial", &format!("file:{}", console.display())]);
    command.args(["-qmp", &format!("unix:{},server=on,wait=off", at("qmp"))]);
    let agent = format!("socket,id=agent,path={},server=on,wait=off", at("agent"));
    command.args(["-chardev", &agent, "-device", "virtio-serial-pci"]);
    command.args(["-device", "virtserialport,chardev=agent,name=agent"]);
    command.args(["-netdev", "user,id=net"]);
    command.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
    for (tag, path, access) in [
        (
            "host",
            "/".to_owned(),
            "security_model=none,readonly=on,multidevs=remap",
        ),
        // The guest's root writes here as whoever runs this.
        ("share", at("share"), "security_model=mapped-file"),
    ] {
        command.args(["-fsdev", &format!("local,id={tag},path={path},{access}")]);
        let device = format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}");
        command.args(["-device", &device]);
    }
    if let Gpu::Virtio { size } = gpu {
        let (width, height) = (size.width, size.height);
        let device = format!("virtio-gpu-pci,edid=on,xres={width},yres={height}");
        command.args(["-device", &device]);
    }
    command
}

/// Whether KVM may work: its device exists on some machines whose processor can't do it.
pub(super) fn has_kvm() -> bool {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let can = processor
        .lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| {
            line.split_whitespace()
                .any(|flag| flag == "vmx" || flag == "svm")
        });
    let mut device = fs::File::options();
    can && device.read(true).write(true).open("/dev/kvm").is_ok()
}
