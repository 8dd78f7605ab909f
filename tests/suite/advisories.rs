//! `tools/test deny`: where the advisory database comes from, with a double in the place of cargo-deny, in a copy of the checkout.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A double that notes how it is called, and reaches no network.
const CARGO_DENY: &str = r#"#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in *fetch*) echo 'failed to fetch advisory database: no network' >&2; exit 1 ;; esac
"#;

/// A checkout in a folder of its own, and a user's home.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        for folder in ["repo", "bin", "home"] {
            fs::create_dir(site.at(folder)).expect("a folder");
        }
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in ["tools", "deny.toml"] {
            let copied = Command::new("cp")
                .arg("-r")
                .arg(here.join(part))
                .arg(site.at("repo"))
                .status();
            assert!(copied.expect("cp runs").success());
        }
        let double = site.at("bin/cargo-deny");
        fs::write(&double, CARGO_DENY).expect("written");
        fs::set_permissions(double, fs::Permissions::from_mode(0o755)).expect("set");
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A database with one advisory of that day.
    fn database(&self, folder: &str, date: &str) {
        let folder = self.at(folder).join("crates/a");
        fs::create_dir_all(&folder).expect("a folder");
        let text =
            format!("```toml\n[advisory]\nid = \"RUSTSEC-2026-0001\"\ndate = \"{date}\"\n```\n");
        fs::write(folder.join("RUSTSEC-2026-0001.md"), text).expect("written");
    }

    fn deny(&self, environment: &[(&str, PathBuf)]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let _ = fs::remove_file(self.at("calls"));
        Command::new(self.at("repo/tools/test"))
            .arg("deny")
            .env("PATH", format!("{}:{path}", self.at("bin").display()))
            .env("HOME", self.at("home"))
            .env("CARGO_HOME", self.at("home/.cargo"))
            .env("NVR_CACHE", self.at("cache"))
            .env("CARGO_TARGET_DIR", self.at("target"))
            .env("CALLS", self.at("calls"))
            .env_remove("CI")
            .env_remove("NVR_ADVISORY_DB")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .output()
            .expect("it runs")
    }

    /// How cargo-deny was called last.
    fn last_call(&self) -> String {
        let calls = fs::read_to_string(self.at("calls")).expect("it was called");
        calls.lines().last().expect("a call").to_owned()
    }

    /// The day in the database that was checked against.
    fn checked(&self) -> String {
        let config = self.at("cache/advisory-dbs/used/deny.toml");
        let call = format!(
            "--workspace --all-features --offline --config {} check advisories",
            config.display()
        );
        assert_eq!(self.last_call(), call);
        let config: toml::Table =
            toml::from_str(&fs::read_to_string(config).expect("written")).expect("still TOML");
        let folder = config["advisories"]["db-path"].as_str().expect("a path");
        let used = Path::new(folder).join("advisory-db-3157b0e258782691");
        // As cargo-deny asks how old it is.
        let commit = Command::new("git")
            .arg("-C")
            .arg(&used)
            .args(["show", "-s", "--format=%cI", "HEAD"])
            .output()
            .expect("git runs");
        assert!(commit.status.success(), "{commit:?}");
        let text = fs::read_to_string(used.join("crates/a/RUSTSEC-2026-0001.md"));
        let text = text.expect("the advisory");
        text.split('"').nth(3).expect("a date").to_owned()
    }
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn without_a_database_people_are_warned_and_a_ci_job_fails() {
    let site = Site::new();
    let told = site.deny(&[]);
    assert!(told.status.success(), "{told:?}");
    assert!(
        err(&told).contains("advisories were NOT checked"),
        "{told:?}"
    );
    assert!(err(&told).contains("no network"), "{told:?}");
    assert!(!site.last_call().contains("advisories"), "{told:?}");
    let failed = site.deny(&[("CI", "true".into())]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(
        err(&failed).contains("error: advisories were NOT checked"),
        "{failed:?}"
    );
    assert!(err(&failed).contains("NVR_ADVISORY_DB"), "{failed:?}");
}

#[test]
fn the_newest_database_is_checked_against_and_its_age_is_told() {
    let site = Site::new();
    site.database("beside/advisory-db", "2026-01-02");
    let told = site.deny(&[("CI", "true".into())]);
    assert!(told.status.success(), "{told:?}");
    assert_eq!(site.checked(), "2026-01-02");
    assert!(
        out(&told).contains("newest advisory 2026-01-02"),
        "{told:?}"
    );
    // Written over, under the same name.
    site.database("beside/advisory-db", "2026-01-03");
    site.deny(&[]);
    assert_eq!(site.checked(), "2026-01-03");
    site.database("home/.cargo/advisory-dbs/advisory-db-0", "2026-01-01");
    site.deny(&[]);
    assert_eq!(site.checked(), "2026-01-03");
    site.database("advisory-db", "2026-01-04");
    site.deny(&[]);
    assert_eq!(site.checked(), "2026-01-04");

    site.database("old", "2020-05-05");
    let told = site.deny(&[("NVR_ADVISORY_DB", site.at("old"))]);
    assert_eq!(site.checked(), "2020-05-05");
    assert!(err(&told).contains("days old (limit 180)"), "{told:?}");
    let nothing = site.deny(&[("NVR_ADVISORY_DB", site.at("home"))]);
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert!(
        err(&nothing).contains("holds no advisory database"),
        "{nothing:?}"
    );
}

#[test]
fn every_exception_has_its_reason() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml"));
    let config: toml::Table = toml::from_str(&text.expect("deny.toml")).expect("TOML");
    let ignored = config["advisories"]
        .get("ignore")
        .and_then(|list| list.as_array());
    for entry in ignored.into_iter().flatten() {
        let reason = entry.get("reason").and_then(|reason| reason.as_str());
        assert!(reason.is_some_and(|reason| reason.len() > 20), "{entry}");
    }
}
