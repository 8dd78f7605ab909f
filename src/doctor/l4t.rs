//! A Jetson's releases of L4T and JetPack.
//!
//! The release of L4T is in `/etc/nv_tegra_release`. The release of JetPack is the version of the package `nvidia-jetpack`, if it is
//! installed. The pairs are those of NVIDIA's JetPack archive (developer.nvidia.com/embedded/jetpack-archive).

use super::check::Emit;
use super::file_tree::FileTree;
use super::report::{Line, State};

/// A release of L4T.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct L4t {
    major: u32,
    minor: u32,
    patch: u32,
}

/// Exact releases. For other releases only the major version of JetPack is known.
const JETPACKS: &[(&str, &str)] = &[
    ("35.1.0", "5.0.2"),
    ("35.2.1", "5.1"),
    ("35.3.1", "5.1.1"),
    ("35.4.1", "5.1.2"),
    ("35.5.0", "5.1.3"),
    ("35.6.0", "5.1.4"),
    ("36.3.0", "6.0"),
    ("36.4.0", "6.1"),
    ("36.4.3", "6.2"),
    ("36.4.4", "6.2.1"),
    ("38.2.0", "7.0"),
    ("38.2.1", "7.0"),
    ("38.4.0", "7.1"),
];

pub(super) fn check(tree: &FileTree, emit: Emit<'_>) {
    let release = tree.read("/etc/nv_tegra_release");
    let Some(l4t) = release.as_deref().and_then(L4t::of_release) else {
        emit(Line::warning(
            "L4T",
            "/etc/nv_tegra_release is missing, or names no release",
            "in a container mount it from the host (-v /etc/nv_tegra_release:/etc/nv_tegra_release:ro); otherwise flash the board with JetPack",
        ));
        return;
    };
    let core = package_version(tree, "nvidia-l4t-core");
    let core = core.filter(|core| L4t::of_package(core).is_some_and(|of_core| of_core != l4t));
    emit(match core {
        Some(core) => Line::warning(
            "L4T",
            format!("the release file says {l4t}, the package nvidia-l4t-core {core}"),
            "an upgrade is incomplete: run `sudo apt-get dist-upgrade` and restart the board",
        ),
        None => Line::ok("L4T", l4t.to_string()),
    });
    let jetpack = match package_version(tree, "nvidia-jetpack") {
        // `6.2+b77` is 6.2.
        Some(version) => {
            let short = version.split(['+', '-']).next().unwrap_or(&version);
            format!("{short} (package nvidia-jetpack {version})")
        }
        None => format!("{} (by the release of L4T)", l4t.jetpack()),
    };
    let is_old = l4t.major < 35;
    let reason = if is_old {
        ": its TensorRT is older than 8.5, its GStreamer older than 1.16"
    } else {
        ""
    };
    emit(Line::new(
        State::of(is_old, false),
        "JetPack",
        format!("{jetpack}{reason}"),
        "flash the board with JetPack 5.1 or later",
    ));
}

impl L4t {
    /// The release of JetPack that contains it: `6.2`, or `6.x` if only the major version is known.
    fn jetpack(self) -> &'static str {
        let text = self.to_string();
        let exact = JETPACKS.iter().find(|(l4t, _)| *l4t == text);
        match (exact, self.major) {
            (Some((_, jetpack)), _) => jetpack,
            (None, 32) => "4.x",
            (None, 34 | 35) => "5.x",
            (None, 36) => "6.x",
            (None, 38 | 39) => "7.x",
            (None, _) => "of an unknown version",
        }
    }

    /// From the first line of the release file: `# R36 (release), REVISION: 4.3, GCID: …`.
    fn of_release(text: &str) -> Option<Self> {
        let rest = text.lines().next()?.strip_prefix("# R")?;
        let (major, rest) = rest.split_once(' ')?;
        let (_, revision) = rest.split_once("REVISION: ")?;
        let revision = revision.split(',').next()?.trim();
        Self::of(&format!("{major}.{revision}"))
    }

    /// From the version of the package: `36.4.3-20250107174145`.
    fn of_package(version: &str) -> Option<Self> {
        Self::of(version.split('-').next()?)
    }

    fn of(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::parse);
        Some(Self {
            major: parts.next()?.ok()?,
            minor: parts.next()?.ok()?,
            patch: parts.next().and_then(Result::ok).unwrap_or(0),
        })
    }
}

impl std::fmt::Display for L4t {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The version of an installed Debian package.
fn package_version(tree: &FileTree, name: &str) -> Option<String> {
    let status = tree.read("/var/lib/dpkg/status")?;
    let first = format!("Package: {name}");
    let mut entries = status.split("\n\n");
    let entry = entries.find(|entry| entry.lines().any(|line| line == first))?;
    let field = |key: &str| entry.lines().find_map(|line| line.strip_prefix(key));
    let installed = field("Status: ").is_none_or(|status| status.ends_with(" installed"));
    field("Version: ").filter(|_| installed).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::board;
    use super::super::fixture::{cases, short_with};

    const STATUS: &str = r"Package: nvidia-l4t-core\nStatus: install ok installed\nVersion: 36.4.3-20250107174145\n\n\
Package: nvidia-jetpack\nStatus: install ok installed\nVersion: 6.2+b77\n\n\
Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";

    /// The lines about the model, L4T and JetPack.
    fn jetson(release: &str, status: &str) -> Vec<String> {
        let status = status.replace("\\\n", "");
        let mut lines = short_with(
            board::check,
            &format!(
                r"
/proc/device-tree/model NVIDIA Jetson Orin Nano Developer Kit\0
/etc/nv_tegra_release {release}
/var/lib/dpkg/status {status}"
            ),
        );
        lines.truncate(3);
        lines
    }

    #[test]
    fn jetpack_6_is_known_by_its_packages() {
        let release = r"# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 2025\n# KERNEL_VARIANT: oot\n";
        assert_eq!(
            jetson(release, STATUS),
            [
                "Ok | model | NVIDIA Jetson Orin Nano Developer Kit",
                "Ok | L4T | 36.4.3",
                "Ok | JetPack | 6.2 (package nvidia-jetpack 6.2+b77)",
            ]
        );
    }

    #[test]
    fn without_the_package_jetpack_is_known_by_the_release_of_l4t() {
        let table = "
# R35 (release), REVISION: 4.1, GCID: 33958178 → Ok | L4T | 35.4.1, Ok | JetPack | 5.1.2 (by the release of L4T)
# R38 (release), REVISION: 2.0, GCID: 41844464 → Ok | L4T | 38.2.0, Ok | JetPack | 7.0 (by the release of L4T)
# R36 (release), REVISION: 99.0, GCID: 1 → Ok | L4T | 36.99.0, Ok | JetPack | 6.x (by the release of L4T)";
        for (release, expected) in cases(table) {
            assert_eq!(jetson(release, "")[1..].join(", "), expected);
        }
    }

    #[test]
    fn too_old_a_jetpack_is_a_fault_and_an_incomplete_upgrade_a_warning() {
        let found = jetson("# R32 (release), REVISION: 7.1, GCID: 1", "");
        assert!(found[2].starts_with("Fault | JetPack | 4.x"), "{found:?}");
        let found = jetson("# R36 (release), REVISION: 3.0, GCID: 1", STATUS);
        assert_eq!(
            found[1],
            "Warning | L4T | the release file says 36.3.0, the package nvidia-l4t-core 36.4.3-20250107174145"
        );
        let found = jetson("nothing of the kind", "");
        assert!(found[1].starts_with("Warning | L4T |"), "{found:?}");
    }
}
