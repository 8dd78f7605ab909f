//! The settings of the system that a provisioning file has: kept in the folder of the state, and given to systemd at each start of the
//! machine. They are written below `/run`, because `/etc` of an image is read-only.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tracing::{info, warn};

use super::network::SystemSettings;
use crate::agent::state_dir;

/// The name of the file in the folder of the state.
pub(super) const SYSTEM_FILE: &str = "system.json";
/// What the names of all written files contain.
const MARK: &str = "-nvr";
/// The folders below `/run/systemd`.
const FOLDERS: [&str; 2] = ["network", "timesyncd.conf.d"];

/// Keeps the settings.
pub(super) fn save(state_dir: &Path, settings: &SystemSettings) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(settings)?;
    state_dir::save(&state_dir.join(SYSTEM_FILE), &text)
}

/// The kept settings; the defaults if there are none, or if they are damaged.
pub(super) fn load(state_dir: &Path) -> SystemSettings {
    let path = state_dir.join(SYSTEM_FILE);
    match fs::read(&path) {
        Err(err) if err.kind() == ErrorKind::NotFound => SystemSettings::default(),
        read => read
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from))
            .unwrap_or_else(|err| {
                warn!(path = %path.display(), %err, "the settings of the network are damaged; the box asks for an address by DHCP. Provision it again");
                SystemSettings::default()
            }),
    }
}

/// Gives the settings to systemd: files below `systemd` (`/run/systemd`), and the zone as `etc/localtime`, or where that can't be
/// written as a variable in `environment`. Settings of a former file are removed.
///
/// # Errors
/// Those of the system.
pub(super) fn apply(
    settings: &SystemSettings,
    systemd: &Path,
    etc: &Path,
    environment: &Path,
) -> io::Result<()> {
    let files = settings.files();
    for folder in FOLDERS {
        let entries = fs::read_dir(systemd.join(folder));
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_meant = files
                .iter()
                .any(|(of, file, _)| *of == folder && *file == name);
            if name.contains(MARK) && !is_meant {
                fs::remove_file(entry.path())?;
            }
        }
    }
    for (folder, name, text) in &files {
        let folder = systemd.join(folder);
        fs::create_dir_all(&folder)?;
        // Read by users of systemd's own. They contain no secret.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        let path = folder.join(name);
        let mut file = fs::File::create(&path)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        info!(path = %path.display(), "a setting of the system");
    }
    set_zone(settings.zone.as_deref(), etc, environment)
}

fn set_zone(zone: Option<&str>, etc: &Path, environment: &Path) -> io::Result<()> {
    match fs::remove_file(environment) {
        Err(err) if err.kind() != ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    let Some(zone) = zone else {
        return Ok(());
    };
    let target = Path::new("/usr/share/zoneinfo").join(zone);
    let link = etc.join("localtime");
    if fs::read_link(&link).is_ok_and(|found| found.ends_with(Path::new("zoneinfo").join(zone))) {
        return Ok(());
    }
    let part = etc.join(".localtime.part");
    let _ = fs::remove_file(&part);
    let linked = std::os::unix::fs::symlink(&target, &part).and_then(|()| fs::rename(&part, &link));
    linked.or_else(|err| {
        info!(%err, zone, "/etc/localtime can't be written; only nvr uses the time zone");
        fs::write(environment, format!("TZ={zone}\n"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outlast_a_restart_and_others_take_their_place() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        let (systemd, etc, environment) = (at("systemd"), at("etc"), at("environment"));
        fs::create_dir_all(&etc).expect("a folder");
        fs::create_dir_all(systemd.join("network")).expect("a folder");
        fs::write(systemd.join("network/20-other.network"), "").expect("written");
        let mut settings = SystemSettings {
            ntp: vec!["10.0.0.1".to_owned()],
            zone: Some("Europe/Berlin".to_owned()),
            network: Some(super::super::network::Network::default()),
        };
        save(dir.path(), &settings).expect("saved");
        assert_eq!(load(dir.path()), settings);
        apply(&settings, &systemd, &etc, &environment).expect("applied");
        let time = fs::read_to_string(systemd.join("timesyncd.conf.d/20-nvr.conf"));
        assert_eq!(time.expect("there"), "[Time]\nNTP=10.0.0.1\n");
        let network = systemd.join("network/10-nvr-wired.network");
        assert!(network.exists());
        let zone = fs::read_link(etc.join("localtime")).expect("a link");
        assert!(zone.ends_with("zoneinfo/Europe/Berlin"));
        assert!(!environment.exists());
        settings.network = None;
        apply(&settings, &systemd, &at("nonexistent"), &environment).expect("applied");
        assert!(!network.exists() && systemd.join("network/20-other.network").exists());
        let variable = fs::read_to_string(&environment).expect("written");
        assert_eq!(variable, "TZ=Europe/Berlin\n");
        fs::write(at(SYSTEM_FILE), "{").expect("written");
        assert_eq!(load(dir.path()), SystemSettings::default());
    }
}
