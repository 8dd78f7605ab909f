//! The lockfile holds only packages that the oldest supported compiler can build.
//!
//! Cargo checks the `rust-version` of dependencies only against the compiler that runs: a lockfile made by a newer one can name
//! packages that the compiler of an embedded distribution refuses.

use std::process::Command;

use serde::Deserialize;

/// What is built for; packages of other systems may ask for what they like.
const PLATFORMS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    rust_version: Option<String>,
}

/// `1.94` and `1.94.0` are the same release.
fn release(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| {
        part.parse::<u32>()
            .expect("a rust-version is numbers with dots")
    });
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

/// Those of `packages` that ask for a newer compiler than `oldest`.
fn too_new(packages: &[Package], oldest: &str) -> Vec<String> {
    packages
        .iter()
        .filter_map(|package| {
            let wanted = package.rust_version.as_deref()?;
            (release(wanted) > release(oldest)).then(|| {
                format!(
                    "{} {} asks for Rust {wanted}",
                    package.name, package.version
                )
            })
        })
        .collect()
}

fn locked_packages() -> Metadata {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--all-features",
        ])
        .args(PLATFORMS.map(|platform| format!("--filter-platform={platform}")))
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints its documented JSON")
}

#[test]
fn lockfile_builds_with_the_manifests_rust_version() {
    let locked = locked_packages();
    let ours = locked
        .packages
        .iter()
        .find(|package| locked.workspace_members.contains(&package.id))
        .expect("the workspace has a member");
    let oldest = ours
        .rust_version
        .clone()
        .expect("Cargo.toml names a rust-version");
    assert_eq!(
        too_new(&locked.packages, &oldest),
        Vec::<String>::new(),
        "run `cargo update -p NAME --precise VERSION` with an older one for each"
    );
}

#[test]
fn a_package_that_asks_for_a_newer_compiler_is_named() {
    let package = |name: &str, rust_version: Option<&str>| Package {
        id: name.to_owned(),
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        rust_version: rust_version.map(str::to_owned),
    };
    let packages = [
        package("old", Some("1.56")),
        package("same", Some("1.94.0")),
        package("new", Some("1.95")),
        package("silent", None),
    ];
    assert_eq!(too_new(&packages, "1.94"), ["new 1.0.0 asks for Rust 1.95"]);
}
