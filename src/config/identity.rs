//! The default of `instance_id`: hostname and machine id.

/// Maximum length of an instance id, which is part of a socket path (at most 108 bytes) and of an MQTT client id.
pub const LONGEST: usize = 64;

const LONGEST_HOSTNAME: usize = 24;

/// `{hostname}-{first 8 of the machine id}`, the same at every start. The second value says whether the machine id is missing.
pub(super) fn default_instance_id() -> (String, bool) {
    let machine_id = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .into_iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    let hostname = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    compose(&hostname, machine_id.as_deref())
}

fn compose(hostname: &str, machine_id: Option<&str>) -> (String, bool) {
    let label = hostname.split('.').next().unwrap_or_default();
    let host: String = label
        .chars()
        .map(|c| if is_allowed(c) { c } else { '-' })
        .take(LONGEST_HOSTNAME)
        .collect();
    let host = if host.is_empty() { "nvr" } else { &host };
    // The file contains "uninitialized" on images that have not booted yet.
    let machine = machine_id
        .map(str::trim)
        .filter(|id| id.len() >= 8 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    match machine {
        Some(id) => (format!("{host}-{}", &id[..8]), false),
        None => (host.to_owned(), true),
    }
}

/// Whether a text can name a processor, a wall or a device: 1 to [`LONGEST`] letters, digits, `-`, `_` and `.`. Such a name is
/// one level of a topic and a part of a client id.
pub fn is_instance_id(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.chars().all(is_allowed)
}

/// Letters, digits, `-`, `_` and `.`, which are valid in topics, client ids and file names.
pub(super) fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_hostname_and_a_part_of_the_machine_id() {
        let id = "0123456789abcdef0123456789abcdef\n";
        assert_eq!(
            compose("dock-box.example.org", Some(id)),
            ("dock-box-01234567".to_owned(), false)
        );
    }

    #[test]
    fn an_id_is_one_level_of_a_topic_of_limited_length() {
        let longest = "x".repeat(LONGEST);
        for id in ["a", "Dock_box-1.b", longest.as_str()] {
            assert!(is_instance_id(id), "{id}");
        }
        let longer = "x".repeat(LONGEST + 1);
        for id in ["", "a/b", "+", "#", "a\0", "a b", "é", longer.as_str()] {
            assert!(!is_instance_id(id), "{id}");
        }
    }

    #[test]
    fn without_a_machine_id_the_hostname_stands_alone() {
        for machine_id in [None, Some(""), Some("uninitialized\n")] {
            assert_eq!(compose("box", machine_id), ("box".to_owned(), true));
        }
    }

    #[test]
    fn characters_that_topics_reserve_are_replaced() {
        assert_eq!(compose("a/b+c#d é", None).0, "a-b-c-d--");
    }
}
