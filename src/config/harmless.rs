//! Keys and values of addresses that are known to be harmless, and keys that are known to name a login.

/// Keys in addresses of camera makers that select or describe a stream, in lower case and without `-`, `_` and `.`.
const HARMLESS_KEYS: &str = "acodec audio audiocodec av bitrate buffer caching cam camera cameraid cameranum ch channel channelid channelno \
    channels chid chn chno chnum codec compression duration enableaudio enablesrtp encoding endtime format fps \
    framerate gop govlength h264 h265 height idc ids idx index input inst instance keepalive line live mainstream \
    maxbitrate maxfps metadata mirror mode multicast network number objects output port profile profileid proto \
    protocol quality rate real realstream res resolution rotate rotation rtpcaching size starttime stream streamid \
    streamindex streamno streams streamtype substream subtype tcp timeout track trackid tracks transport \
    transportmode type unicast vcodec video videoch videocodec videoid vs width";

/// Words that are values of such keys, alone or followed by a number.
const HARMLESS_WORDS: &str = "aac audio auto av avc avp b both cam camera ch channel chn cif d default disable disabled enable enabled extra \
    false fhd first fluent fps full g h half hd hevc high http https image jpeg jpg k kbps live low main major \
    media medium minor mjpeg mjpg mp mpeg multicast no none null off on onvif p pcma pcmu play playback primary \
    profile qcif qvga real realtime rtp rtsp rtsps sd sdp second secondary srtp stream sub tcp third track true \
    udp unicast vga video yes";

/// Parts of keys that name a login or a part of one.
const LOGIN_PARTS: &[&str] = &[
    "account",
    "auth",
    "cookie",
    "credential",
    "login",
    "pass",
    "psw",
    "pwd",
    "secret",
    "signature",
    "sessionid",
    "ticket",
    "token",
    "user",
    "usr",
];
/// Whole keys that name a login or a part of one.
const LOGIN_KEYS: &[&str] = &[
    "key", "apikey", "p", "pw", "u", "uid", "un", "uname", "sig", "hash",
];
/// Parts of keys that name a secret in any text.
const STRONG_PARTS: &[&str] = &[
    "passwd",
    "password",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "credential",
];

/// Maximum length of a harmless value: the name of a profile with its number.
const LONGEST_VALUE: usize = 32;
/// Minimum length of a text that is taken for a random token.
const RANDOM: usize = 16;

/// Whether a key only selects or describes a stream.
pub(super) fn is_harmless_key(key: &str) -> bool {
    let key = plain(key);
    HARMLESS_KEYS.split(' ').any(|known| known == key)
}

/// Whether a key names a login or a part of one, in an address.
pub(super) fn is_login_key(key: &str) -> bool {
    let key = plain(key);
    LOGIN_KEYS.contains(&key.as_str())
        || key.ends_with("key")
        || key.ends_with("pw")
        || LOGIN_PARTS.iter().any(|part| key.contains(part))
}

/// Whether a key names a secret in any text, such as a log line.
pub(super) fn is_strong_key(key: &str) -> bool {
    let key = plain(key);
    STRONG_PARTS.iter().any(|part| key.contains(part))
}

/// Whether a value is a number, a size, a time or a word that describes a stream.
pub(super) fn is_harmless_value(value: &str) -> bool {
    value.len() <= LONGEST_VALUE
        && (is_time(value)
            || value
                .split(['-', '_', '.', ',', '/', ' ', '+'])
                .all(|word| word.is_empty() || is_number(word) || is_word(word)))
}

/// Whether a key looks like a name, that is, consists of letters.
pub(super) fn looks_like_name(key: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphabetic() || "-_.$[]".contains(letter);
    (1..=24).contains(&key.len()) && key.chars().all(is_letter)
}

/// Whether the next folder of a path is a part of a login: `/user/…/password/…`.
pub(super) fn announces_login(folder: &str) -> bool {
    const WHOLE: [&str; 6] = ["user", "username", "usr", "login", "pass", "auth"];
    is_strong_key(folder) || WHOLE.contains(&plain(folder).as_str())
}

/// Whether a folder of a path names a secret and has it too: `pwd-hunter2`, `ch1~user~admin~password~hunter2`.
pub(super) fn holds_secret(folder: &str) -> bool {
    let mut words = folder.split(|letter: char| !letter.is_ascii_alphanumeric());
    let is_named = words.any(|word| STRONG_PARTS.contains(&word.to_ascii_lowercase().as_str()));
    is_named && words.any(|word| !word.is_empty())
}

/// Whether a text is probably a random token: long, with frequent changes between letters and digits, or hexadecimal.
pub(super) fn looks_random(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let bytes = digits.as_bytes();
    if bytes.len() < RANDOM || !bytes.iter().all(|byte| byte.is_ascii_alphanumeric()) {
        return false;
    }
    let has = |kind: fn(&u8) -> bool| bytes.iter().any(kind);
    if !has(u8::is_ascii_digit) {
        return false;
    }
    let class = |byte: u8| {
        (
            byte.is_ascii_digit(),
            byte.is_ascii_uppercase(),
            byte.is_ascii_lowercase(),
        )
    };
    let changes = bytes
        .windows(2)
        .filter(|pair| class(pair[0]) != class(pair[1]))
        .count();
    let is_hex = bytes.iter().all(u8::is_ascii_hexdigit) && has(u8::is_ascii_alphabetic);
    is_hex || changes * 5 >= bytes.len() * 2
}

fn plain(key: &str) -> String {
    key.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// `2`, `1280x720`, `15fps`, `1080p`.
fn is_number(word: &str) -> bool {
    let is_short = |digits: &str| {
        (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    is_short(word)
        || word
            .split_once(['x', 'X', '*'])
            .is_some_and(|(width, height)| is_short(width) && is_short(height))
        || ["fps", "p", "k", "kbps", "ms", "s"]
            .iter()
            .any(|unit| word.strip_suffix(unit).is_some_and(is_short))
}

/// `main`, `ch01`, `h264`.
fn is_word(word: &str) -> bool {
    let letters = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let letters_lower = letters.to_ascii_lowercase();
    word.len() - letters.len() <= 3
        && HARMLESS_WORDS
            .split(' ')
            .any(|known| known == letters_lower)
}

/// `20240131T101500Z`
fn is_time(value: &str) -> bool {
    let value = value.trim_end_matches(['Z', 'z']);
    value.split_once(['T', 't']).is_some_and(|(day, time)| {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        day.len() == 8 && time.len() == 6 && digits(day) && digits(time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_describe_streams_are_harmless_and_words_of_people_are_not() {
        for value in [
            "",
            "0",
            "101",
            "1280x720",
            "12.5",
            "0.sdp",
            "main",
            "Sub2",
            "h264",
            "rtp-unicast",
            "20240131T101500Z",
            "1080p",
        ] {
            assert!(is_harmless_value(value), "{value}");
        }
        for value in [
            "hunter2",
            "1234567",
            "admin",
            "main:1",
            "YWRtaW46aHVudGVyMg==",
            "secret",
            "ch1234",
        ] {
            assert!(!is_harmless_value(value), "{value}");
        }
    }

    #[test]
    fn keys_are_told_apart_however_they_are_written() {
        for key in ["channel", "subType", "stream_type", "real-stream", "fps"] {
            assert!(is_harmless_key(key) && !is_login_key(key), "{key}");
        }
        for key in [
            "authbasic",
            "loginpas",
            "u",
            "userPwd",
            "psw",
            "apikey",
            "ACCESS_TOKEN",
            "user-name",
        ] {
            assert!(is_login_key(key) && !is_harmless_key(key), "{key}");
        }
    }

    #[test]
    fn tokens_are_told_from_names() {
        for token in [
            "7a9Xq2LmB4tR8sKd",
            "d41d8cd98f00b204e9800998ecf8427e",
            "aB3dE5fG7hJ9kL1m",
        ] {
            assert!(looks_random(token), "{token}");
        }
        for name in [
            "h264Preview01Main",
            "HighResolutionVideo",
            "MediaProfile00001",
            "Streaming",
            "1234567890123456",
        ] {
            assert!(!looks_random(name), "{name}");
        }
    }
}
