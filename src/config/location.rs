//! Parses a source's URI into its location and login.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::Url;

use super::address::shown_address;
use super::{Credentials, Location, Secret, TestPattern};
use crate::base::{Pattern, Size};

/// URI of a source. Logins are removed wherever it is printed or serialised.
#[derive(Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct UriText(String);

/// First words of the problem of an unsupported scheme.
pub(super) const SCHEME_REMEDY: &str =
    "scheme must be rtsp, rtsps, v4l2, csi, file or test-pattern";

impl UriText {
    /// Wraps the text of a URI.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text with logins.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Makes a relative path absolute, starting from `base`. Other texts stay.
    pub(super) fn make_absolute(&mut self, base: &Path) {
        if is_plain_path(&self.0)
            && let Some(joined) = base.join(self.0.trim()).to_str()
        {
            self.0 = joined.to_owned();
        }
    }

    /// Parses the text into location and login. Relative paths start from `base`.
    ///
    /// # Errors
    /// Every problem of the URI, without logins.
    pub fn parse(&self, base: &Path) -> Result<(Location, Option<Credentials>), Vec<String>> {
        parse(&self.0, base)
    }
}

impl fmt::Display for UriText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_address(&self.0))
    }
}

impl fmt::Debug for UriText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for UriText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Location {
    /// Writes a URI without logins, including those in path or query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rtsp(url) => f.write_str(&shown_address(url.as_str())),
            Self::V4l2(path) => write!(f, "v4l2://{}", path.display()),
            Self::Csi(sensor) => write!(f, "csi:{sensor}"),
            Self::File(path) | Self::Image(path) => match Url::from_file_path(path) {
                Ok(url) => f.write_str(&shown_address(url.as_str())),
                Err(()) => path.display().fmt(f),
            },
            Self::TestPattern(pattern) => {
                let TestPattern { size, fps, objects } = pattern;
                let Size { width, height } = size;
                write!(
                    f,
                    "test-pattern:?width={width}&height={height}&fps={fps}&objects={objects}"
                )
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether the text is the path of a file and not a URI.
pub(super) fn is_plain_path(text: &str) -> bool {
    scheme(text).is_none() && parse(text, Path::new("/")).is_ok()
}

/// The highest number of a CSI sensor: no board has more connectors than an AGX with its 16 virtual channels.
const MOST_SENSORS: u32 = 15;

type Parsed = Result<(Location, Option<Credentials>), Vec<String>>;

fn parse(text: &str, base: &Path) -> Parsed {
    // A copied address often has blanks around it.
    let text = text.trim();
    if text.is_empty() {
        return Err(vec![
            "is empty; give rtsp://…, v4l2:///dev/video0, csi:0, a file or test-pattern:"
                .to_owned(),
        ]);
    }
    if text.chars().any(char::is_control) {
        return Err(vec!["contains a control character".to_owned()]);
    }
    let plain = |location| Ok((location, None));
    let Some((scheme, rest)) = scheme(text) else {
        return plain_path(text, base)
            .map_err(|error| vec![error])
            .and_then(plain);
    };
    match scheme.as_str() {
        "rtsp" | "rtsps" => rtsp(text).map_err(|error| vec![error]),
        "v4l2" => absolute(rest)
            .filter(|path| path.file_name().is_some())
            .ok_or_else(|| vec!["a V4L2 device is written v4l2:///dev/video0".to_owned()])
            .and_then(|path| plain(Location::V4l2(path))),
        "csi" => rest
            .parse()
            .ok()
            .filter(|sensor| *sensor <= MOST_SENSORS)
            .ok_or_else(|| {
                vec![format!(
                    "a CSI camera is written csi:0, with the sensor's number up to {MOST_SENSORS}"
                )]
            })
            .and_then(|sensor| plain(Location::Csi(sensor))),
        "file" => absolute(rest)
            .filter(|path| path.file_name().is_some())
            .ok_or_else(|| {
                vec!["a file is written file:///absolute/path, with three slashes, or as a plain path".to_owned()]
            })
            .and_then(|path| plain(file(path))),
        "test-pattern" => {
            test_pattern(rest).and_then(|pattern| plain(Location::TestPattern(pattern)))
        }
        other => Err(vec![format!("{SCHEME_REMEDY}, got {other}")]),
    }
}

/// The lower-case scheme and the text after its colon. A word before a colon is a scheme only if it is known or `//`
/// follows: `viewer:secret@camera` is a login without scheme, which must not be quoted.
fn scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let scheme = scheme.to_ascii_lowercase();
    let known = ["rtsp", "rtsps", "v4l2", "csi", "file", "test-pattern"].contains(&scheme.as_str());
    (known || (rest.starts_with("//") && scheme.chars().all(word))).then_some((scheme, rest))
}

/// The absolute path of `//[localhost]/path` or `/path`, percent-decoded.
fn absolute(rest: &str) -> Option<PathBuf> {
    let path = match rest.strip_prefix("//") {
        Some(path) => path.strip_prefix("localhost").unwrap_or(path),
        None => rest,
    };
    let path = percent_decode_str(path).decode_utf8().ok()?;
    path.starts_with('/').then(|| PathBuf::from(path.as_ref()))
}

fn plain_path(text: &str, base: &Path) -> Result<Location, String> {
    const VIDEO: [&str; 14] = [
        "mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "mts", "flv", "h264", "264", "h265",
        "265", "hevc",
    ];
    let path = Path::new(text);
    let known = |path: &Path| {
        is_image(path) || extension(path).is_some_and(|e| VIDEO.contains(&e.as_str()))
    };
    if !text.starts_with(['/', '.']) && !known(path) {
        return Err("is neither a URI (rtsp://…) nor a path to a video or image; write other files as ./name or file:///path".to_owned());
    }
    if path.file_name().is_none() {
        return Err("names a directory, not a file".to_owned());
    }
    Ok(file(base.join(path)))
}

fn file(path: PathBuf) -> Location {
    if is_image(&path) {
        Location::Image(path)
    } else {
        Location::File(path)
    }
}

fn is_image(path: &Path) -> bool {
    extension(path).is_some_and(|e| matches!(e.as_str(), "jpg" | "jpeg" | "png"))
}

fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

fn rtsp(text: &str) -> Result<(Location, Option<Credentials>), String> {
    // `Url` reads `rtsp:host` and `rtsp:///path` too, as addresses without a host.
    const REMEDY: &str = "write rtsp://host:554/path; in a login percent-encode @ as %40, / as %2F, # as %23, ? as %3F, or use username and password";
    let mut url = Url::parse(text).map_err(|err| format!("is no address ({err}); {REMEDY}"))?;
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() {
        return Err(format!("names no host; {REMEDY}"));
    }
    if let Some(letter) = foreign_in_host(host) {
        return Err(format!(
            "has {letter} in its host; give one host, without quotes around it or the address"
        ));
    }
    if url.port() == Some(0) {
        return Err("port must be 1 to 65535, got 0".to_owned());
    }
    let after_host = &text[text.rfind('@').unwrap_or(0)..];
    let in_path = url.path().contains('@')
        || url.query().is_some_and(|query| query.contains('@'))
        || url.fragment().is_some();
    if in_path {
        let what = if after_host.contains('#') && !url.path().contains('@') {
            "#"
        } else {
            "@ or #"
        };
        return Err(format!("has a {what} behind the host; {REMEDY}"));
    }
    let decode = |part: &str, name: &str| {
        percent_decode_str(part)
            .decode_utf8()
            .map(|text| Secret::new(text.into_owned()))
            .map_err(|_| format!("the {name} in it is not UTF-8 after percent-decoding"))
    };
    let credentials = if url.username().is_empty() && url.password().is_none() {
        None
    } else {
        Some(Credentials {
            username: decode(url.username(), "user name")?,
            password: decode(url.password().unwrap_or_default(), "password")?,
        })
    };
    let stripped = url.set_username("").and_then(|()| url.set_password(None));
    stripped.map_err(|()| format!("can't hold a login; {REMEDY}"))?;
    Ok((Location::Rtsp(url), credentials))
}

/// A character that URLs allow in a host and no name has: quotes that a file of variables left, separators of a list.
fn foreign_in_host(host: &str) -> Option<char> {
    host.chars().find(|letter| "\"'`,;=&!*()".contains(*letter))
}

/// Whether an address is followed by other sources: `rtsp://a/1,1=rtsp://b/2`.
pub(super) fn has_several_sources(uri: &str) -> bool {
    uri.split([',', ';']).skip(1).any(|part| {
        let source = part.split_once('=');
        source.is_some_and(|(id, uri)| id.trim().parse::<u32>().is_ok() && uri.contains("://"))
    })
}

/// Reads `[//]?width=…&height=…&fps=…&objects=…`.
fn test_pattern(rest: &str) -> Result<TestPattern, Vec<String>> {
    let mut pattern = TestPattern::default();
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let query = match rest.strip_prefix('?') {
        Some(query) => query,
        None if rest.is_empty() => "",
        None => {
            return Err(vec![
                "a test pattern is written test-pattern:?width=1280&height=720&fps=25&objects=3"
                    .to_owned(),
            ]);
        }
    };
    let mut problems = Vec::new();
    for (key, value) in query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
    {
        let taken = match key {
            "width" => value
                .parse()
                .map(|width| pattern.size.width = width)
                .is_ok(),
            "height" => value
                .parse()
                .map(|height| pattern.size.height = height)
                .is_ok(),
            "objects" => value
                .parse()
                .map(|objects| pattern.objects = objects)
                .is_ok(),
            "fps" => {
                let fps = value.parse().ok().filter(|fps| *fps > 0.0 && *fps <= 240.0);
                pattern.fps = fps.unwrap_or(pattern.fps);
                fps.is_some()
            }
            _ => {
                problems.push(format!(
                    "unknown test-pattern key `{key}`; known are width, height, fps and objects"
                ));
                true
            }
        };
        if !taken {
            let limit = match key {
                "fps" => "a number above 0 and at most 240",
                _ => "a whole number",
            };
            problems.push(format!("test-pattern {key} must be {limit}, got `{value}`"));
        }
    }
    if let Err(err) = Pattern::new(pattern.size, pattern.objects) {
        problems.push(err.to_string());
    }
    if problems.is_empty() {
        Ok(pattern)
    } else {
        Err(problems)
    }
}

impl Default for TestPattern {
    fn default() -> Self {
        Self {
            size: Size::new(1280, 720),
            fps: 25.0,
            objects: 3,
        }
    }
}

#[cfg(test)]
#[path = "location_tests.rs"]
mod tests;
