#![expect(
    clippy::print_stdout,
    reason = "the exposure of each unit is part of the output"
)]
//! The files of `board/`: that they are installed as the table says, that systemd accepts them, how exposed the units are, and that nothing in
//! them belongs to one device.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BOARDS: [&str; 4] = [
    "jetson-agx-orin-devkit",
    "jetson-orin-nano-devkit",
    "p3768-0000-p3767-0000",
    "qemuarm64",
];

fn board() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("board")
}

fn install(arguments: &[&str]) -> Output {
    let mut command = Command::new(board().join("install"));
    command.args(arguments).output().expect("it runs")
}

/// An image of a board, with what its units name.
fn image(machine: &str) -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a folder");
    let at = tree.path().to_str().expect("a text");
    let done = install(&["--destdir", at, "--for", "image", "--machine", machine]);
    assert!(done.status.success(), "{done:?}");
    for program in ["usr/bin/nvr", "bin/kill"] {
        let path = tree.path().join(program);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::copy("/bin/true", path).expect("copied");
    }
    // systemd's own units, which the verification looks for.
    let units = tree.path().join("usr/lib/systemd/system");
    for unit in [
        "sysinit.target",
        "shutdown.target",
        "basic.target",
        "network-pre.target",
    ] {
        std::fs::write(units.join(unit), "[Unit]\nDescription=for the test\n").expect("written");
    }
    tree
}

fn units(tree: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(tree.join("usr/lib/systemd/system")).expect("a folder");
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let units = names.filter(|name| name.starts_with("nvr-") && name.ends_with(".service"));
    let mut units: Vec<_> = units.map(|name| name.replace('@', "@sda1")).collect();
    units.sort();
    units
}

fn analyze(tree: &Path, arguments: &[&str]) -> Output {
    let root = format!("--root={}", tree.display());
    let mut command = Command::new("systemd-analyze");
    let run = command.arg(root).args(arguments).output();
    run.expect(
        "systemd-analyze is installed: `tools/setup packages test` names the package systemd",
    )
}

/// Every file below `folder`, as a path from there.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder").flatten() {
            match entry.file_type().expect("a type").is_dir() {
                true => open.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    let mut found: Vec<String> = found
        .iter()
        .filter_map(|path| Some(path.strip_prefix(folder).ok()?.to_str()?.to_owned()))
        .collect();
    found.sort();
    found
}

#[test]
fn a_list_names_what_is_installed_and_a_wrong_argument_is_named() {
    let lists = [
        vec!["--for", "package"],
        vec!["--for", "image"],
        vec!["--for", "image", "--machine", BOARDS[1]],
        vec!["--for", "image", "--machine", BOARDS[3]],
    ];
    let mut lengths = Vec::new();
    for purpose in lists {
        let tree = tempfile::tempdir().expect("a folder");
        let at = tree.path().to_str().expect("a text");
        assert!(
            install(&[&["--destdir", at], &*purpose].concat())
                .status
                .success()
        );
        let list = install(&[&["--list"], &*purpose].concat());
        let mut list: Vec<_> = String::from_utf8_lossy(&list.stdout)
            .lines()
            .map(|line| line.trim_start_matches('/').to_owned())
            .collect();
        list.sort();
        assert_eq!(list, files(tree.path()), "{purpose:?}");
        lengths.push(list.len());
    }
    // Each has more than the one before it, but for the last: a Jetson has more files of its own than the virtual machine.
    assert!(
        lengths[0] < lengths[1] && lengths[1] < lengths[3] && lengths[3] < lengths[2],
        "{lengths:?}"
    );
    for (arguments, wanted) in [
        (vec!["--list"], "--for is missing"),
        (
            vec!["--list", "--for", "box"],
            "must be package or image, got box",
        ),
        (
            vec!["--list", "--for", "image", "--machine", "toaster"],
            "no board named toaster",
        ),
        (
            vec!["--list", "--for", "package", "--machine", "qemuarm64"],
            "goes with --for image only",
        ),
        (vec!["--for", "image"], "--destdir is missing"),
    ] {
        let refused = install(&arguments);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && told.contains(wanted),
            "{wanted} in {told}"
        );
    }
}

#[test]
fn systemd_accepts_the_units_of_every_board_and_they_are_hardly_exposed() {
    for machine in BOARDS {
        let tree = image(machine);
        let units = units(tree.path());
        assert_eq!(units.len(), 5, "{units:?}");
        for unit in &units {
            let verified = analyze(tree.path(), &["verify", "--man=no", unit]);
            let told = String::from_utf8_lossy(&verified.stderr).into_owned();
            assert!(
                verified.status.success() && told.is_empty(),
                "{machine}: {told}"
            );
            // In tenths. It fails above.
            let limit = "--threshold=30";
            let judged = analyze(
                tree.path(),
                &["security", "--offline=yes", "--no-pager", limit, unit],
            );
            let text = String::from_utf8_lossy(&judged.stdout).into_owned();
            let told = text
                .lines()
                .find(|line| line.contains("Overall exposure level"));
            println!("{machine}: {}", told.unwrap_or_default());
            assert!(judged.status.success(), "{machine}, {unit}: {text}");
        }
    }
}

#[test]
fn the_image_enables_the_agent_and_provisioning_and_leaves_the_screen_alone() {
    let tree = image("qemuarm64");
    let read = |path: &str| std::fs::read_to_string(tree.path().join(path)).expect(path);
    let preset = read("usr/lib/systemd/system-preset/80-nvr.preset");
    for line in [
        "enable nvr-provision.service",
        "enable nvr-agent.service",
        "disable nvr-processor.service",
        "disable nvr-wall.service",
        "disable getty@.service",
        "disable systemd-networkd-wait-online.service",
    ] {
        assert!(preset.lines().any(|found| found == line), "{line}");
    }
    let arguments = read("usr/share/nvr/kernel-args.d/10-nvr.conf");
    for argument in ["quiet", "vt.global_cursor_default=0", "consoleblank=0"] {
        assert!(
            arguments.lines().any(|found| found == argument),
            "{argument}"
        );
    }
    // Nothing waits for the network or the time: the box shows what it has.
    for unit in units(tree.path()) {
        let text = read(&format!(
            "usr/lib/systemd/system/{}",
            unit.replace("@sda1", "@")
        ));
        let waits = ["After=", "Requires=", "Wants=", "BindsTo=", "Requisite="];
        let words = text.lines().filter_map(|line| {
            let key = waits.iter().find(|key| line.starts_with(**key))?;
            Some(line[key.len()..].split_whitespace())
        });
        for word in words.flatten() {
            let is_waiting = [
                "network-online.target",
                "nss-lookup.target",
                "remote-fs.target",
                "time-sync.target",
                // After network.target and remote-fs.target.
                "systemd-user-sessions.service",
            ];
            assert!(
                !is_waiting.contains(&word) && !word.contains("wait"),
                "{unit}: {word}"
            );
        }
    }
}

#[test]
fn nothing_of_one_device_and_no_secret_is_in_the_files_of_the_image() {
    for machine in BOARDS {
        let tree = tempfile::tempdir().expect("a folder");
        let at = tree.path().to_str().expect("a text");
        assert!(
            install(&["--destdir", at, "--for", "image", "--machine", machine])
                .status
                .success()
        );
        for file in files(tree.path()) {
            let text = std::fs::read_to_string(tree.path().join(&file)).expect("a text");
            // What only explains is not in force.
            let lines = text
                .lines()
                .filter(|line| !line.trim_start().starts_with('#'));
            for line in lines {
                let small = line.to_lowercase();
                for word in [
                    "password",
                    "passwd",
                    "secret",
                    "token",
                    "begin certificate",
                    "private key",
                    "ssh-",
                    "mqtt://",
                    "mqtts://",
                    "rtsp://",
                    "machine-id",
                    "macaddress",
                ] {
                    assert!(!small.contains(word), "{file}: {line}");
                }
                assert!(!has_address(line), "{file}: an address in {line}");
            }
            assert!(
                !file.ends_with("nvr-provision.toml") && !file.ends_with("device.toml"),
                "{file}"
            );
        }
    }
}

/// Whether four numbers with dots between them stand in a line.
fn has_address(line: &str) -> bool {
    let words = line.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    words
        .into_iter()
        .any(|word| word.parse::<std::net::Ipv4Addr>().is_ok())
}
