//! Reads text files with a length limit, and normalises byte order marks, line ends and unusual blanks.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Maximum length of a configuration. 5,000 cameras with every key are 2 MB.
pub(super) const LONGEST_CONFIG: u64 = 8 << 20;

/// Reads a text file of at most `longest` bytes.
///
/// # Errors
/// The kind of a file that is not regular, its length, or its encoding, each with the remedy.
pub(super) fn read_text(path: &Path, longest: u64) -> Result<String, String> {
    let bytes = read_bytes(path, longest)?;
    decode(bytes)
}

fn read_bytes(path: &Path, longest: u64) -> Result<Vec<u8>, String> {
    let told = |err: std::io::Error| err.to_string();
    // Checked before opening, because opening a device can have side effects, and after, because the file may have changed.
    check_regular_file(&std::fs::metadata(path).map_err(told)?, longest)?;
    // Without NONBLOCK, opening a pipe without a writer would block.
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(told)?;
    let meta = file.metadata().map_err(told)?;
    check_regular_file(&meta, longest)?;
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default());
    // The file may grow while it is read, and files of /proc report length 0.
    file.take(longest + 1)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    if bytes.len() as u64 > longest {
        return Err(too_long(longest));
    }
    Ok(bytes)
}

/// Checks that this is a regular file of at most `longest` bytes.
fn check_regular_file(meta: &std::fs::Metadata, longest: u64) -> Result<(), String> {
    let kind = meta.file_type();
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else if kind.is_socket() {
        "a socket"
    } else if meta.len() > longest {
        return Err(too_long(longest));
    } else {
        return Ok(());
    };
    Err(format!(
        "it is {what}; give a regular file of at most {}",
        size(longest)
    ))
}

fn too_long(longest: u64) -> String {
    let limit = size(longest);
    format!("it is longer than the limit of {limit}; is it the right file?")
}

/// Decodes UTF-8 and removes a byte order mark.
fn decode(bytes: Vec<u8>) -> Result<String, String> {
    const REMEDY: &str = "save it as UTF-8";
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(format!("it is UTF-16; {REMEDY}"));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(format!(
            "it has a zero byte at {at}: it is UTF-16 or not text; {REMEDY}"
        ));
    }
    let text = String::from_utf8(bytes).map_err(|err| {
        let before = &err.as_bytes()[..err.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        format!("line {line} is not UTF-8 (Latin-1 or Windows-1252?); {REMEDY}")
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// The first line of a secret file without its line end (LF, CR LF or CR).
pub(super) fn first_line(text: &str) -> &str {
    let text = text.trim_start_matches('\u{feff}');
    text.split(['\n', '\r']).next().unwrap_or_default()
}

/// Normalises TOML: every line ends with a line feed, and blanks that TOML does not know become spaces outside of strings
/// and comments. Lines and columns stay the same.
pub fn as_meant(text: &str) -> String {
    let is_blank = |letter: char| {
        letter == '\u{feff}' || ('\u{200b}'..='\u{200d}').contains(&letter) || {
            letter.is_whitespace() && !matches!(letter, ' ' | '\t' | '\n' | '\r')
        }
    };
    let plain = !text.contains('\r') && !text.contains(is_blank);
    if plain {
        return text.to_owned();
    }
    let mut meant = String::with_capacity(text.len());
    let mut inside = TomlContext::Nothing;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (taken, next) = inside.after(rest, letter);
        let (piece, tail) = rest.split_at(taken);
        match (letter, &inside) {
            ('\r', _) if piece.len() == 1 && tail.starts_with('\n') => {}
            ('\r', _) if piece.len() == 1 => meant.push('\n'),
            (letter, TomlContext::Nothing) if is_blank(letter) => meant.push(' '),
            _ => meant.push_str(piece),
        }
        inside = next;
        rest = tail;
    }
    meant
}

/// Syntactic context of a character in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TomlContext {
    Nothing,
    Comment,
    /// A string in `quote`, of one line or, if `long`, of several.
    Text {
        quote: char,
        long: bool,
    },
}

impl TomlContext {
    /// The number of bytes at the beginning of `rest` that belong together, and the context after them.
    fn after(self, rest: &str, letter: char) -> (usize, Self) {
        let one = letter.len_utf8();
        let ends_line = matches!(letter, '\n' | '\r');
        match self {
            Self::Nothing => match letter {
                '#' => (one, Self::Comment),
                '"' | '\'' => {
                    let quote = letter;
                    let three: String = std::iter::repeat_n(quote, 3).collect();
                    let long = rest.starts_with(&three);
                    let taken = if long { 3 } else { 1 };
                    (taken, Self::Text { quote, long })
                }
                _ => (one, self),
            },
            Self::Comment if ends_line => (one, Self::Nothing),
            Self::Comment => (one, self),
            // An unclosed string of one line is an error, which the TOML parser reports.
            Self::Text { long: false, .. } if ends_line => (one, Self::Nothing),
            Self::Text { quote: '"', .. } if letter == '\\' => {
                let escaped = rest[1..].chars().next();
                match escaped {
                    Some(escaped) if !matches!(escaped, '\r' | '\n') => {
                        (1 + escaped.len_utf8(), self)
                    }
                    _ => (one, self),
                }
            }
            Self::Text { quote, long } if letter == quote => {
                if !long {
                    return (one, Self::Nothing);
                }
                // Up to two quotes may precede the three closing ones.
                let run = rest.len() - rest.trim_start_matches(quote).len();
                if run >= 3 {
                    (run.min(5), Self::Nothing)
                } else {
                    (run, self)
                }
            }
            Self::Text { .. } => (one, self),
        }
    }
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 {
        format!("{} MB", bytes >> 20)
    } else {
        format!("{bytes} bytes")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        read_text(file.path(), 100)
    }

    #[test]
    fn what_is_no_file_of_text_is_told_by_name_and_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .expect("a pipe");
        for (path, told) in [
            (
                dir.path(),
                "it is a directory; give a regular file of at most 8 MB",
            ),
            (&pipe, "it is a pipe; give a regular file of at most 8 MB"),
            (
                Path::new("/dev/zero"),
                "it is a device; give a regular file of at most 8 MB",
            ),
        ] {
            assert_eq!(read_text(path, LONGEST_CONFIG), Err(told.to_owned()));
        }
        assert_eq!(
            read(&[b'a'; 101]),
            Err("it is longer than the limit of 100 bytes; is it the right file?".to_owned())
        );
        assert_eq!(read(&[b'a'; 100]).map(|text| text.len()), Ok(100));
    }

    #[test]
    fn other_encodings_are_named() {
        assert_eq!(read(b"\xef\xbb\xbfa = 1"), Ok("a = 1".to_owned()));
        for bytes in [&b"\xff\xfea\0=\0"[..], b"\xfe\xff\0a\0="] {
            assert_eq!(
                read(bytes),
                Err("it is UTF-16; save it as UTF-8".to_owned())
            );
        }
        assert_eq!(
            read(b"a\0=\0"),
            Err("it has a zero byte at 1: it is UTF-16 or not text; save it as UTF-8".to_owned())
        );
        assert_eq!(
            read(b"a = 1\nb = \"caf\xe9\""),
            Err("line 2 is not UTF-8 (Latin-1 or Windows-1252?); save it as UTF-8".to_owned())
        );
    }

    #[test]
    fn line_ends_and_blanks_are_read_as_meant() {
        for (written, meant) in [
            ("a = 1\r\nb = 2\r\n", "a = 1\nb = 2\n"),
            ("a = 1\rb = 2\r", "a = 1\nb = 2\n"),
            ("# a\rb = 2", "# a\nb = 2"),
            ("a\u{a0}=\u{3000}1\u{200b}", "a = 1 "),
            ("\u{feff}a = 1", " a = 1"),
            (
                "a = \"x\u{a0}\\\"\u{a0}\" # \u{a0}\r\nb\u{a0}= 1",
                "a = \"x\u{a0}\\\"\u{a0}\" # \u{a0}\nb = 1",
            ),
            (
                "a = '\\' \u{a0}\rb = \"\"\"\u{a0}\"\" \r\n\"\"\"\"\u{a0}\n",
                "a = '\\'  \nb = \"\"\"\u{a0}\"\" \n\"\"\"\" \n",
            ),
            ("a = '''\u{a0}'\r\n'''\u{a0}", "a = '''\u{a0}'\n''' "),
        ] {
            assert_eq!(as_meant(written), meant, "{written:?}");
        }
    }

    #[test]
    fn a_secret_ends_with_its_line() {
        for text in ["a b", "a b\n", "a b\r\n", "a b\rx", "\u{feff}a b\n\nx"] {
            assert_eq!(first_line(text), "a b", "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_toml_already_stays_the_same_table(text in "[a-c =\"'#\\\\\\[\\]\n\t\u{a0}1]{0,40}") {
            if let Ok(table) = toml::from_str::<toml::Table>(&text) {
                prop_assert_eq!(toml::from_str::<toml::Table>(&as_meant(&text)).ok(), Some(table));
            }
        }
    }
}
