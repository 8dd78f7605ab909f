//! The JSON representation of values: rounded numbers, timestamps in UTC with milliseconds, nanoseconds as strings.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serializer};

use super::error::NAME_LIMIT_BYTES;
use super::{DecodeError, PAYLOAD_LIMIT_BYTES};

/// Decodes one document of at most 1 MiB. Fields that `T` does not have are ignored, unless `T` refuses them.
///
/// # Errors
/// When it is larger, no JSON, or not of the schema of `T`.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, DecodeError> {
    if payload.len() > PAYLOAD_LIMIT_BYTES {
        return Err(DecodeError::TooLarge {
            bytes: payload.len(),
        });
    }
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let document =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| DecodeError::Json {
            path: error.path().to_string(),
            cause: told(&error.into_inner()),
        })?;
    reader.end().map_err(|cause| DecodeError::Json {
        path: ".".to_owned(),
        cause: told(&cause),
    })?;
    Ok(document)
}

/// The message of an error, shortened in the middle. Its end has the position; the middle quotes the payload.
fn told(error: &serde_json::Error) -> String {
    const MOST_BYTES: usize = 200;
    let text = error.to_string();
    if text.len() <= MOST_BYTES {
        return text;
    }
    let first = text.floor_char_boundary(MOST_BYTES - 60);
    let last = text.ceil_char_boundary(text.len() - 60);
    format!("{} … {}", &text[..first], &text[last..])
}

/// Cuts a text to at most `most` bytes at a character boundary. It bounds the memory of texts from other programs.
pub fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

/// As [`cut`], for a shared text.
pub(super) fn cut_shared(text: &mut Arc<str>, most: usize) {
    if text.len() > most {
        *text = text[..text.floor_char_boundary(most)].into();
    }
}

/// Checks a name: it must be one level of a topic, and of limited length.
pub(super) fn name(field: &'static str, text: &str) -> Result<(), DecodeError> {
    let is_level = !text.contains(['/', '+', '#', '\0']);
    if is_level && (1..=NAME_LIMIT_BYTES).contains(&text.len()) {
        Ok(())
    } else {
        Err(DecodeError::Name {
            field,
            bytes: text.len(),
        })
    }
}

/// Truncates a time to milliseconds, the precision of both encodings.
pub(super) fn to_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// Writes RFC 3339 in UTC with milliseconds and `Z`; reads any offset.
pub(super) mod timestamp {
    use super::*;

    pub(in crate::event) fn serialize<S: Serializer>(
        time: &Timestamp,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:.3}", to_milliseconds(*time)))
    }

    pub(in crate::event) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Timestamp, D::Error> {
        let time: Timestamp = String::deserialize(from)?
            .parse()
            .map_err(D::Error::custom)?;
        Ok(to_milliseconds(time))
    }
}

/// Writes nanoseconds as a decimal string, because JavaScript rounds whole numbers above 2^53; also reads numbers.
pub(super) mod nanoseconds {
    use super::*;

    pub(in crate::event) fn serialize<S: Serializer>(
        ns: &Option<u64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match ns {
            Some(ns) => to.collect_str(ns),
            None => to.serialize_none(),
        }
    }

    pub(in crate::event) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<u64>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(u64),
        }
        match Option::<Written>::deserialize(from)? {
            None => Ok(None),
            Some(Written::Number(ns)) => Ok(Some(ns)),
            Some(Written::Text(text)) => text.parse().map(Some).map_err(|_| {
                D::Error::custom(format!("`{text}` is not a decimal number of nanoseconds"))
            }),
        }
    }
}

/// Reads an enum value to which later versions may add variants: an unknown one reads as absent.
pub(super) fn known_or_none<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let word = Option::<String>::deserialize(from)?;
    Ok(word.and_then(|word| serde_json::from_value(word.into()).ok()))
}

/// Rounds to four decimals, the precision of a confidence.
pub(super) fn confidence<S: Serializer>(value: &f32, to: S) -> Result<S::Ok, S::Error> {
    rounded(*value, 1e4, to)
}

/// Rounds to two decimals: pixels, milliseconds, frames per second.
pub(super) fn hundredths<S: Serializer>(value: &f32, to: S) -> Result<S::Ok, S::Error> {
    rounded(*value, 1e2, to)
}

/// As [`hundredths`], or null.
pub(super) fn maybe_hundredths<S: Serializer>(
    value: &Option<f32>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => hundredths(value, to),
        None => to.serialize_none(),
    }
}

/// Rounds in f64, which prints short decimals exactly. Whole numbers are written without a fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked on the line above the cast"
)]
fn rounded<S: Serializer>(value: f32, steps: f64, to: S) -> Result<S::Ok, S::Error> {
    let rounded = (f64::from(value) * steps).round() / steps;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        to.serialize_i64(rounded as i64)
    } else {
        to.serialize_f64(rounded)
    }
}
