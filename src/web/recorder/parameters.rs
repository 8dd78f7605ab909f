//! The parameters of requests. What is wrong is refused with its name, its value and what is expected.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::view::Window;
use crate::base::SourceId;

/// The latest time: the end of the year 9999.
const LATEST_MS: u64 = 253_402_300_799_999;
/// The longest name of a file: a start, a hyphen and ten digits.
const LONGEST_NAME: usize = 31;
/// Stands behind the names of recordings in the second of two directories. It needs no escape in an address.
pub const IN_NEXT: &str = "~next";
/// The longest name of a class in bytes.
const LONGEST_CLASS: usize = 100;
/// The most of a value that is repeated in an answer, in characters.
const SHOWN: usize = 60;

const TIME: &str = "a time in milliseconds since 1970-01-01 UTC, such as 1795854600123";
const FILE: &str = "the name of a recording without .mp4, such as 20261128T083000.123Z";

/// A request that can't be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParameterError {
    #[error("{name} is missing; add {name}=…, {expected}")]
    Missing {
        name: &'static str,
        expected: String,
    },
    #[error("{name}={value}: must be {expected}")]
    Invalid {
        name: &'static str,
        value: String,
        expected: String,
    },
    #[error("{name} is given more than once; give it once")]
    Repeated { name: &'static str },
    #[error("{name}: there is no such parameter; {}", among(known))]
    Unknown {
        name: String,
        known: &'static [&'static str],
    },
    #[error("to={to_ms} is not after from={from_ms}; exchange or correct them")]
    Reversed { from_ms: u64, to_ms: u64 },
    #[error(
        "from={} to={}: {} s are too long (limit {limit_s} s); ask for a shorter time, then for the next one",
        window.from_ms,
        window.to_ms,
        (window.to_ms - window.from_ms).div_ceil(1000)
    )]
    TooLong { window: Window, limit_s: u64 },
}

impl IntoResponse for ParameterError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{self}\n")).into_response()
    }
}

fn among(known: &[&str]) -> String {
    match known {
        [] => "leave it out, here are none".to_owned(),
        known => format!("use {}", known.join(", ")),
    }
}

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Those of a query. `known` are the names that the route has; a token is left to the guard.
    pub(super) fn new(
        query: Option<&str>,
        known: &'static [&'static str],
    ) -> Result<Self, ParameterError> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if name == "token" {
                continue;
            }
            let Some(&name) = known.iter().find(|known| **known == name) else {
                let name = shown(&name);
                return Err(ParameterError::Unknown { name, known });
            };
            if found.iter().any(|(other, _)| *other == name) {
                return Err(ParameterError::Repeated { name });
            }
            found.push((name, value.into_owned()));
        }
        Ok(Self(found))
    }

    fn value(&self, name: &'static str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A value, if it is there, as `read` understands it.
    fn optional<'a, T>(
        &'a self,
        name: &'static str,
        expected: &dyn Display,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, ParameterError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let invalid = || ParameterError::Invalid {
            name,
            value: shown(value),
            expected: expected.to_string(),
        };
        read(value).map(Some).ok_or_else(invalid)
    }

    fn number(
        &self,
        name: &'static str,
        (least, most): (u64, u64),
        expected: &dyn Display,
    ) -> Result<Option<u64>, ParameterError> {
        self.optional(name, expected, |value| {
            let number = digits(value)?;
            (least..=most).contains(&number).then_some(number)
        })
    }

    /// The camera, if it is given.
    pub(super) fn any_source(&self) -> Result<Option<SourceId>, ParameterError> {
        let id = self.number(
            "source",
            (0, u32::MAX.into()),
            &"the id of a camera, such as 3",
        )?;
        Ok(id.and_then(|id| u32::try_from(id).ok()).map(SourceId))
    }

    /// The camera.
    pub(super) fn source(&self) -> Result<SourceId, ParameterError> {
        required(
            "source",
            self.any_source()?,
            &"the id of a camera, such as 3",
        )
    }

    /// The time `name`, if it is given.
    fn time(&self, name: &'static str) -> Result<Option<u64>, ParameterError> {
        self.number(name, (0, LATEST_MS), &TIME)
    }

    /// The time `at`.
    pub(super) fn at_ms(&self) -> Result<u64, ParameterError> {
        required("at", self.time("at")?, &TIME)
    }

    /// A width from `least` to `most` pixels.
    pub(super) fn width(
        &self,
        usual: u32,
        (least, most): (u32, u32),
    ) -> Result<u32, ParameterError> {
        let expected = format!("a number of pixels from {least} to {most}");
        let given = self.number("width", (least.into(), most.into()), &expected)?;
        Ok(given
            .and_then(|width| u32::try_from(width).ok())
            .unwrap_or(usual))
    }

    /// The times `from` and `to`, if they are given.
    pub(super) fn times(&self) -> Result<(Option<u64>, Option<u64>), ParameterError> {
        let times = (self.time("from")?, self.time("to")?);
        if let (Some(from_ms), Some(to_ms)) = times
            && to_ms <= from_ms
        {
            return Err(ParameterError::Reversed { from_ms, to_ms });
        }
        Ok(times)
    }

    /// The times `from` and `to`, which both must be given, at most `limit_s` seconds apart.
    pub(super) fn window(&self, limit_s: Option<u64>) -> Result<Window, ParameterError> {
        let (from, to) = self.times()?;
        let window = Window {
            from_ms: required("from", from, &TIME)?,
            to_ms: required("to", to, &TIME)?,
        };
        match limit_s {
            Some(limit_s) if window.to_ms - window.from_ms > limit_s * 1000 => {
                Err(ParameterError::TooLong { window, limit_s })
            }
            _ => Ok(window),
        }
    }

    /// The name of a recording.
    pub(super) fn file(&self) -> Result<&str, ParameterError> {
        let given = self.optional("file", &FILE, |value| is_name(value).then_some(value))?;
        required("file", given, &FILE)
    }

    /// The class of events, if it is given.
    pub(super) fn class(&self) -> Result<Option<String>, ParameterError> {
        let expected =
            format!("the name of a class, of at most {LONGEST_CLASS} bytes, such as person");
        self.optional("class", &expected, |value| {
            let is_class = (1..=LONGEST_CLASS).contains(&value.len());
            is_class.then(|| value.to_owned())
        })
    }

    /// The least length of events in milliseconds; 0 if it is not given.
    pub(super) fn min_length_ms(&self) -> Result<u64, ParameterError> {
        let expected = "a number of milliseconds, such as 1000";
        let given = self.number("min_length_ms", (0, LATEST_MS), &expected)?;
        Ok(given.unwrap_or(0))
    }

    /// The maximum number of events, at most `most`.
    pub(super) fn limit(&self, usual: usize, most: usize) -> Result<usize, ParameterError> {
        let expected = format!("a number of events from 1 to {most}");
        let given = self.number("limit", (1, most as u64), &expected)?;
        Ok(given.map_or(usual, |limit| limit as usize))
    }
}

fn required<T>(
    name: &'static str,
    given: Option<T>,
    expected: &dyn Display,
) -> Result<T, ParameterError> {
    let expected = || expected.to_string();
    given.ok_or_else(|| ParameterError::Missing {
        name,
        expected: expected(),
    })
}

/// A number of digits only.
fn digits(value: &str) -> Option<u64> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| value.parse().ok())?
}

/// Whether a text has the form of the name of a recording: digits, `T`, digits, `.`, digits, `Z`, and a number if there are several
/// of this start. [`IN_NEXT`] may follow.
pub fn is_name(text: &str) -> bool {
    let text = text.strip_suffix(IN_NEXT).unwrap_or(text);
    let (start, number) = match text.split_once('-') {
        Some((start, number)) => (start, Some(number)),
        None => (text, None),
    };
    let as_0 = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    text.len() <= LONGEST_NAME
        && start.bytes().map(as_0).eq(*b"00000000T000000.000Z")
        && number.is_none_or(|number| digits(number).is_some())
}

/// A value as it is repeated in an answer: bounded, and without control characters.
fn shown(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if value.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
#[path = "parameters_tests.rs"]
mod tests;
