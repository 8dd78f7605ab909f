//! A Jetson's releases of L4T and JetPack.
//!
//! The release of L4T is in `/etc/nv_tegra_release`. The release of JetPack is the version of the package `nvidia-jetpack`, if it is
//! installed. The pairs are those of NVIDIA's JetPack archive (developer.nvidia.com/embedded/jetpack-archive).

use super::{Emit, FileTree, Line};

/// A release of L4T: major, minor and patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct L4t([u32; 3]);

/// The release of JetPack that contains a release of L4T. By the major version alone, only that of JetPack is known.
const JETPACKS: [(&str, &str); 22] = [
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
    ("36.4.7", "6.2.1"),
    ("36.5.0", "6.2.2"),
    ("38.2.0", "7.0"),
    ("38.2.1", "7.0"),
    ("38.4.0", "7.1"),
    ("39.2.0", "7.2"),
    ("32", "4.x"),
    ("34", "5.x"),
    ("35", "5.x"),
    ("36", "6.x"),
    ("38", "7.x"),
    ("39", "7.x"),
];

pub(super) fn check(tree: &FileTree, emit: Emit<'_>) {
    let Some(l4t) = L4t::of_release(&tree.text("/etc/nv_tegra_release")) else {
        emit(Line::warning(
            "L4T",
            "/etc/nv_tegra_release is missing, or names no release",
            "in a container mount it from the host (-v /etc/nv_tegra_release:/etc/nv_tegra_release:ro); otherwise flash the board with JetPack",
        ));
        return;
    };
    let core = package_version(tree, "nvidia-l4t-core");
    let core = core.filter(|core| L4t::of(core).is_some_and(|of_core| of_core != l4t));
    emit(match core {
        Some(core) => Line::warning(
            "L4T",
            format!("the release file says {l4t}, the package nvidia-l4t-core {core}"),
            "an upgrade is incomplete: run `sudo apt-get dist-upgrade` and restart the board",
        ),
        None => Line::ok("L4T", l4t),
    });
    let jetpack = match package_version(tree, "nvidia-jetpack") {
        // `6.2+b77` is 6.2.
        Some(version) => {
            let short = version.split(['+', '-']).next().unwrap_or(&version);
            format!("{short} (package nvidia-jetpack {version})")
        }
        None => format!("{} (by the release of L4T)", l4t.jetpack()),
    };
    emit(match l4t.0 {
        [..35, ..] => Line::fault(
            "JetPack",
            format!("{jetpack}: its TensorRT is older than 8.5, its GStreamer older than 1.16"),
            "flash the board with JetPack 5.1 or later",
        ),
        _ => Line::ok("JetPack", jetpack),
    });
}

impl L4t {
    /// The release of JetPack that contains it: `6.2`, or `6.x` if only the major version is known.
    fn jetpack(self) -> &'static str {
        let of = |release: String| JETPACKS.iter().find(|(l4t, _)| *l4t == release);
        let known = of(self.to_string()).or_else(|| of(self.0[0].to_string()));
        known.map_or("of an unknown version", |(_, jetpack)| jetpack)
    }

    /// From the first line of the release file: `# R36 (release), REVISION: 4.3, GCID: …`.
    fn of_release(text: &str) -> Option<Self> {
        let rest = text.lines().next()?.strip_prefix("# R")?;
        let (major, rest) = rest.split_once(' ')?;
        let (_, revision) = rest.split_once("REVISION: ")?;
        let revision = revision.split(',').next()?.trim();
        Self::of(&format!("{major}.{revision}"))
    }

    /// From `36.4.3`, or from the version of a package: `36.4.3-20250107174145`.
    fn of(text: &str) -> Option<Self> {
        let numbers = text.split('-').next()?;
        let mut parts = numbers.split('.').map(|part| part.parse().ok());
        let (major, minor) = (parts.next()??, parts.next()??);
        Some(Self([major, minor, parts.next().flatten().unwrap_or(0)]))
    }
}

impl std::fmt::Display for L4t {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
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
