//! The same with SWUpdate itself as the installer: the description of the bundle, the settings of the daemon and the script are those
//! of the image. The slots are files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::stage::{document, sources};
use super::Slots;
use crate::support::process::Running;
use crate::support::wait::{SOON, until_true};

/// A machine for which the layer makes bundles.
const MACHINE: &str = "p3768-0000-p3767-0000";

/// A file of the layer's folder for SWUpdate.
fn of_layer(path: &str) -> PathBuf {
    let layer = "yocto/meta-nvr/dynamic-layers/swupdate";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(layer).join(path)
}

/// Runs a shell script with these variables, and requires that it succeeds.
fn sh(script: &str, variables: &[(&str, &Path)]) {
    let mut command = Command::new("sh");
    command
        .args(["-euc", script])
        .envs(variables.iter().copied());
    let done = command.output().expect("sh runs");
    assert!(
        done.status.success(),
        "{script}: {}; `tools/setup packages test` names the packages that it needs",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Makes a key and its certificate, as the maker of an image has them.
fn certificate(dir: &Path, name: &str) {
    let base = dir.join(name);
    sh(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout \"$BASE.key\" -out \"$BASE.crt\" -days 30 -subj /CN=maker \
         -addext extendedKeyUsage=emailProtection",
        &[("BASE", &base)],
    );
}

/// A bundle with the root file system `root` for `machine`, signed with the key `signer` of `dir`.
fn bundle(dir: &Path, root: &str, machine: &str, signer: &str) -> Vec<u8> {
    let parts = dir.join("parts");
    fs::create_dir_all(&parts).expect("a folder");
    // One line, as the stand-in for the bootloader reads it, and so long that the byte in the middle of a bundle is one of it.
    let noise: String = (0..400_000_u32)
        .map(|number| char::from(b'a' + (number.wrapping_mul(2_654_435_761) >> 24) as u8 % 26))
        .collect();
    let system = format!("{root} {noise}\n");
    fs::write(parts.join("rootfs.ext4"), system).expect("written");
    fs::write(parts.join("tegra-bl.cap"), "a capsule").expect("written");
    let text = fs::read_to_string(of_layer("recipes-core/images/nvr-update/sw-description"))
        .expect("the layer has it");
    let here = dir.display().to_string();
    let text = text
        .replace("@@DISTRO_VERSION@@", "2.0")
        .replace("@@MACHINE@@", machine)
        .replace("@@NVR_ROOTFS@@", "rootfs.ext4.zst")
        .replace("@@NVR_FIRMWARE_VERSION@@", "36.4")
        .replace("/dev/disk/by-partlabel/APP_b", &format!("{here}/image-b"))
        .replace("/dev/disk/by-partlabel/APP", &format!("{here}/image-a"))
        .replace("/boot/efi", &format!("{here}/efi"));
    fs::write(parts.join("sw-description"), text).expect("written");
    let signer = dir.join(signer);
    sh(
        "cd \"$PARTS\"\n\
         zstd -q -f rootfs.ext4\n\
         for file in rootfs.ext4.zst tegra-bl.cap; do\n\
         sum=$(sha256sum $file)\n\
         sed -i \"s/\\$swupdate_get_sha256($file)/${sum%% *}/\" sw-description\n\
         done\n\
         openssl cms -sign -binary -nosmimecap -outform DER -signer \"$SIGNER.crt\" -inkey \"$SIGNER.key\" \
         -in sw-description -out sw-description.sig\n\
         printf '%s\\n' sw-description sw-description.sig rootfs.ext4.zst tegra-bl.cap | cpio -o -H crc --quiet >bundle.swu",
        &[("PARTS", &parts), ("SIGNER", &signer)],
    );
    fs::read(parts.join("bundle.swu")).expect("made")
}

/// Starts the daemon, as the image does for a box that runs in slot a.
fn daemon(dir: &Path) -> Running {
    let settings = fs::read_to_string(of_layer(
        "recipes-support/nvr-firmware/files/swupdate.cfg.in",
    ))
    .expect("the layer has it");
    let key = format!("public-key-file = \"{}/maker.crt\";", dir.display());
    let settings = settings
        .replace("@SLOT@", "a")
        .replace("@PUBLIC_KEY@", &key);
    let config = dir.join("swupdate.cfg");
    fs::write(&config, settings).expect("written");
    let mut command = Command::new("sh");
    let run = format!(
        "exec swupdate -f \"$TMPDIR/swupdate.cfg\" -H {MACHINE}:1.0 >>\"$TMPDIR/daemon.log\" 2>&1"
    );
    command.args(["-c", &run]);
    // Debian's SWUpdate has its sockets there.
    command.env("TMPDIR", dir);
    let daemon = Running::start(command);
    until_true("the daemon's socket", SOON, || {
        dir.join("sockinstctrl").exists()
    });
    daemon
}

/// Stands for the journal, in which the image has the daemon's output. Its cursor is the number of lines.
const JOURNAL: &str = r#"#!/bin/sh
log="$TMPDIR/daemon.log"
lines=$(wc -l <"$log")
first=1
for argument; do
    case $argument in
        --show-cursor) first=$lines; echo "-- cursor: $lines" ;;
        --after-cursor=*) first=$((${argument#*=} + 1)) ;;
    esac
done
tail -n "+$first" "$log"
"#;

#[test]
fn swupdate_installs_a_good_bundle_and_refuses_others_with_a_reason() {
    let mut slots = Slots::new();
    let dir = slots.dir.clone();
    for name in ["maker", "stranger"] {
        certificate(&dir, name);
    }
    slots.write("image-b", "0.0 empty");
    let _daemon = daemon(&dir);
    slots.write("journalctl", JOURNAL);
    sh("chmod 755 \"$DIR/journalctl\"", &[("DIR", &dir)]);
    let config = slots.stage.config.join("firmware.toml");
    let text = fs::read_to_string(&config).expect("written");
    let script = of_layer("recipes-support/nvr-firmware/files/firmware");
    let install = format!(
        "install = [\"env\", \"TMPDIR={at}\", \"PATH={at}:{path}\", \"sh\", {script:?}, \"install\", \"{{file}}\"]",
        at = dir.display(),
        path = std::env::var("PATH").unwrap_or_default(),
    );
    let text: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("install ="))
        .collect();
    fs::write(&config, format!("{install}\n{}\n", text.join("\n"))).expect("written");
    slots.runs(sources(&[0]));

    let good = bundle(&dir, "2.0 good", MACHINE, "maker");
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let cut = good[..good.len() / 2].to_vec();
    let foreign = bundle(&dir, "2.0 good", MACHINE, "stranger");
    let other = bundle(&dir, "2.0 good", "jetson-agx-orin-devkit", "maker");
    let refused = [
        (damaged, "rootfs.ext4.zst"),
        (cut, "rootfs.ext4.zst"),
        (foreign, "Authentication of all signatures failed"),
        (other, "HW compatibility not found"),
    ];
    for (generation, (bundle, reason)) in (1..).zip(refused) {
        let document = document(generation + 1, sources(&[0]));
        let update = slots.with_version(document, generation, &bundle, "2.0");
        slots.stage.desire(&update);
        let failed = slots.firmware("failed", generation);
        assert_eq!(failed["error"]["code"], "not-installed", "{failed}");
        let told = failed["error"]["message"].as_str().unwrap_or_default();
        assert!(told.contains(reason), "{reason} in {told}");
        assert_eq!(slots.read("current").as_deref(), Some("a"));
        assert!(slots.read("trial").is_none());
    }

    // The daemon takes a good one after all of them.
    let update = slots.with_version(document(6, sources(&[0])), 5, &good, "2.0");
    slots.stage.desire(&update);
    slots.reboot();
    let confirmed = slots.firmware("confirmed", 5);
    assert_eq!(
        (&confirmed["slot"], &confirmed["image"]),
        (&"b".into(), &"2.0".into())
    );
    let written = fs::read(dir.join("image-b")).expect("written");
    let wanted = fs::read(dir.join("parts/rootfs.ext4")).expect("made");
    assert_eq!(written, wanted);
    // The file beside the root file system, too.
    let capsule = fs::read_to_string(dir.join("efi/EFI/UpdateCapsule/TEGRA_BL.Cap"));
    assert_eq!(capsule.expect("written"), "a capsule");
}
