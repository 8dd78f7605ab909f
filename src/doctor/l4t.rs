//! A Jetson's releases of L4T and JetPack.
//!
//! L4T's stands in `/etc/nv_tegra_release`, JetPack's in the version of the package `nvidia-jetpack`, where that one is
//! installed; the pairs are those of NVIDIA's JetPack archive (developer.nvidia.com/embedded/jetpack-archive).

use super::check::Emit;
use super::file_tree::FileTree;
use super::report::Line;

/// A release of L4T.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct L4t {
    major: u32,
    minor: u32,
    patch: u32,
}

/// Exact releases only; of others the major version is all that is said.
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
            "/etc/nv_tegra_release is not there, or says no release",
            "in a container mount it from the host (-v /etc/nv_tegra_release:/etc/nv_tegra_release:ro); else flash the board with JetPack",
        ));
        return;
    };
    let package = package_version(tree, "nvidia-l4t-core");
    emit(
        match package
            .as_deref()
            .map(|version| (version, L4t::of_package(version)))
        {
            Some((version, Some(of_package))) if of_package != l4t => Line::warning(
                "L4T",
                format!("the release file says {l4t}, the package nvidia-l4t-core {version}"),
                "an upgrade is half done: run `sudo apt-get dist-upgrade` and restart the board",
            ),
            _ => Line::ok("L4T", l4t.to_string()),
        },
    );
    let named = package_version(tree, "nvidia-jetpack");
    let jetpack = match &named {
        Some(version) => format!(
            "{} (package nvidia-jetpack {version})",
            jetpack_of_package(version)
        ),
        None => format!("{} (by the release of L4T)", jetpack_of(l4t)),
    };
    emit(if l4t.major < 35 {
        Line::fault(
            "JetPack",
            format!("{jetpack}: its TensorRT is older than 8.5, its GStreamer older than 1.16"),
            "flash the board with JetPack 5.1 or later",
        )
    } else {
        Line::ok("JetPack", jetpack)
    });
}

/// The release that L4T belongs to, `6.2`; `6.x` where only the major version is certain.
fn jetpack_of(l4t: L4t) -> String {
    let text = l4t.to_string();
    if let Some((_, jetpack)) = JETPACKS.iter().find(|(known, _)| *known == text) {
        return (*jetpack).to_owned();
    }
    match l4t.major {
        32 => "4.x".to_owned(),
        34 | 35 => "5.x".to_owned(),
        36 => "6.x".to_owned(),
        38 | 39 => "7.x".to_owned(),
        _ => "of an unknown version".to_owned(),
    }
}

/// `6.2+b77` is 6.2.
fn jetpack_of_package(version: &str) -> &str {
    version.split(['+', '-']).next().unwrap_or(version)
}

impl L4t {
    /// Of the first line of the file: `# R36 (release), REVISION: 4.3, GCID: …`.
    fn of_release(text: &str) -> Option<Self> {
        let rest = text.lines().next()?.strip_prefix("# R")?;
        let (major, rest) = rest.split_once(' ')?;
        let (_, revision) = rest.split_once("REVISION: ")?;
        let revision = revision.split(',').next()?.trim();
        Self::of(&format!("{major}.{revision}"))
    }

    /// Of the package's version: `36.4.3-20250107174145`.
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

/// The version of a Debian package that is installed.
fn package_version(tree: &FileTree, name: &str) -> Option<String> {
    let status = tree.read("/var/lib/dpkg/status")?;
    let wanted = format!("Package: {name}");
    let entry = status
        .split("\n\n")
        .find(|entry| entry.lines().any(|line| line == wanted))?;
    let field = |key: &str| entry.lines().find_map(|line| line.strip_prefix(key));
    let installed = field("Status: ").is_none_or(|status| status.ends_with(" installed"));
    field("Version: ").filter(|_| installed).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::board;
    use super::super::check::lines_of;
    use super::super::machine::tests::fixture;
    use super::super::report::State;

    const STATUS: &str = "Package: nvidia-l4t-core\nStatus: install ok installed\nVersion: 36.4.3-20250107174145\n\n\
        Package: nvidia-jetpack\nStatus: install ok installed\nVersion: 6.2+b77\n\n\
        Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";

    fn jetson(release: &str, status: &str) -> Vec<(State, String, String)> {
        let (_dir, machine) = fixture(&[
            (
                "/proc/device-tree/model",
                "NVIDIA Jetson Orin Nano Developer Kit\0",
            ),
            ("/etc/nv_tegra_release", release),
            ("/var/lib/dpkg/status", status),
        ]);
        let lines = lines_of(board::check, &machine);
        lines
            .into_iter()
            .take(3)
            .map(|line| (line.state, line.what, line.found))
            .collect()
    }

    fn line(state: State, what: &str, found: &str) -> (State, String, String) {
        (state, what.to_owned(), found.to_owned())
    }

    #[test]
    fn jetpack_6_is_told_by_its_packages() {
        let release = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 2025\n# KERNEL_VARIANT: oot\n";
        assert_eq!(
            jetson(release, STATUS),
            [
                line(State::Ok, "model", "NVIDIA Jetson Orin Nano Developer Kit"),
                line(State::Ok, "L4T", "36.4.3"),
                line(State::Ok, "JetPack", "6.2 (package nvidia-jetpack 6.2+b77)"),
            ]
        );
    }

    #[test]
    fn without_the_package_jetpack_is_told_by_the_release_of_l4t() {
        for (release, l4t, jetpack) in [
            (
                "# R35 (release), REVISION: 4.1, GCID: 33958178",
                "35.4.1",
                "5.1.2 (by the release of L4T)",
            ),
            (
                "# R38 (release), REVISION: 2.0, GCID: 41844464",
                "38.2.0",
                "7.0 (by the release of L4T)",
            ),
            (
                "# R36 (release), REVISION: 99.0, GCID: 1",
                "36.99.0",
                "6.x (by the release of L4T)",
            ),
        ] {
            let found = jetson(release, "");
            assert_eq!(found[1], line(State::Ok, "L4T", l4t));
            assert_eq!(found[2], line(State::Ok, "JetPack", jetpack));
        }
    }

    #[test]
    fn too_old_a_jetpack_is_a_fault_and_half_an_upgrade_a_warning() {
        let found = jetson("# R32 (release), REVISION: 7.1, GCID: 1", "");
        assert_eq!(found[2].0, State::Fault);
        let found = jetson("# R36 (release), REVISION: 3.0, GCID: 1", STATUS);
        assert_eq!(
            found[1],
            line(
                State::Warning,
                "L4T",
                "the release file says 36.3.0, the package nvidia-l4t-core 36.4.3-20250107174145"
            )
        );
        assert_eq!(jetson("nothing of the kind", "")[1].0, State::Warning);
    }
}
