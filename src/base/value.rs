//! The files of the kernel that have a key and its value on each line, as `/proc/meminfo`.

/// The text after `key`, of the first line that begins with it.
pub fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(value.trim())
}
