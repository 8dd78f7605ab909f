//! The outputs for monitors, as the kernel lists them. No display is opened.

use std::path::Path;

use crate::fleet::OutputAbility;

/// The connectors of all cards below `sys` (`/sys`), by name. Empty if there is no card, or before its driver is loaded.
pub(super) fn outputs(sys: &Path) -> Vec<OutputAbility> {
    let entries = std::fs::read_dir(sys.join("class/drm"));
    let names = entries.into_iter().flatten().flatten();
    let mut found: Vec<OutputAbility> = names
        .filter_map(|entry| {
            let name = entry.file_name();
            let connector = connector(name.to_str()?)?.to_owned();
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            Some(OutputAbility {
                connector,
                connected: status.trim() == "connected",
                planes: 0,
            })
        })
        .collect();
    found.sort_by(|one, other| one.connector.cmp(&other.connector));
    found
}

/// `HDMI-A-1` of `card0-HDMI-A-1`. A writeback connector has no monitor.
fn connector(name: &str) -> Option<&str> {
    let (number, connector) = name.strip_prefix("card")?.split_once('-')?;
    let is_card = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_card && !connector.starts_with("Writeback")).then_some(connector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connectors_are_listed_with_their_state() {
        let dir = tempfile::tempdir().expect("a folder");
        let drm = dir.path().join("class/drm");
        for (name, status) in [
            ("card1-HDMI-A-1", Some("connected\n")),
            ("card0-DP-2", Some("disconnected\n")),
            ("card0-Writeback-1", Some("unknown\n")),
            ("card0", None),
            ("renderD128", None),
        ] {
            std::fs::create_dir_all(drm.join(name)).expect("a folder");
            if let Some(status) = status {
                std::fs::write(drm.join(name).join("status"), status).expect("written");
            }
        }
        let found = outputs(dir.path());
        let told: Vec<_> = found
            .iter()
            .map(|one| (&*one.connector, one.connected))
            .collect();
        assert_eq!(told, [("DP-2", false), ("HDMI-A-1", true)]);
        assert_eq!(outputs(Path::new("/nonexistent")), []);
    }
}
