//! Settings that are a value, or `auto`: chosen by the program.

use std::marker::PhantomData;
use std::ops::RangeInclusive;

use schemars::{Schema, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::duration::Span;
use super::range::Quantity;

/// A value; `None` is written `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Auto<T>(pub Option<T>);

/// A type whose values may be `auto` instead.
pub trait OrAuto: Sized {
    /// The name in the schema.
    const NAME: &'static str;
    /// What is expected, for messages.
    const EXPECTED: &'static str;

    /// Its schema, with `auto`.
    fn schema() -> Schema;

    /// Reads text; none if it can't be one.
    fn of_text(text: &str) -> Option<Self>;

    /// Reads a whole number; none if it can't be one.
    fn of_number(number: i64) -> Option<Self>;
}

/// The number of lanes.
impl OrAuto for i64 {
    const NAME: &'static str = "LaneCount";
    const EXPECTED: &'static str = "\"auto\" or a whole number";

    fn schema() -> Schema {
        json_schema!({
            "anyOf": [{ "type": "integer" }, { "const": "auto" }],
            "description": "`auto`, or a whole number.",
            "examples": ["auto", 2]
        })
    }

    fn of_text(_: &str) -> Option<Self> {
        None
    }

    fn of_number(number: i64) -> Option<Self> {
        Some(number)
    }
}

/// The delay of the video while boxes are aligned.
impl OrAuto for Span {
    const NAME: &'static str = "DelayBudget";
    const EXPECTED: &'static str = "\"auto\" or a duration with its unit, such as \"300ms\"";

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "description": "`auto`, or a duration with its unit, such as `300ms`.",
            "examples": ["auto", "300ms"]
        })
    }

    fn of_text(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok().map(Self)
    }

    fn of_number(_: i64) -> Option<Self> {
        None
    }
}

impl<T> super::declare::Written for Auto<T> {}

impl<T: Quantity> Quantity for Auto<T> {
    type Bound = T::Bound;
    type Checked = Option<T::Checked>;

    fn shown(bound: &T::Bound) -> Value {
        T::shown(bound)
    }

    fn out_of_range(self, range: &RangeInclusive<T::Bound>) -> Option<String> {
        self.0.out_of_range(range)
    }

    fn checked(self, range: &RangeInclusive<T::Bound>) -> Option<T::Checked> {
        self.0.checked(range)
    }
}

impl<T: Serialize> Serialize for Auto<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str("auto"),
        }
    }
}

impl<'de, T: OrAuto> Deserialize<'de> for Auto<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueOrAuto<T>(PhantomData<T>);
        impl<T: OrAuto> Visitor<'_> for ValueOrAuto<T> {
            type Value = Auto<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Auto<T>, E> {
                if text == "auto" {
                    return Ok(Auto(None));
                }
                let value = T::of_text(text).map(|value| Auto(Some(value)));
                value.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Auto<T>, E> {
                let value = T::of_number(number).map(|value| Auto(Some(value)));
                value.ok_or_else(|| E::invalid_type(Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Auto<T>, E> {
                // A larger one is out of range as well.
                let value = T::of_number(i64::try_from(number).unwrap_or(i64::MAX));
                let value = value.map(|value| Auto(Some(value)));
                value.ok_or_else(|| E::invalid_type(Unexpected::Unsigned(number), &self))
            }
        }
        deserializer.deserialize_any(ValueOrAuto(PhantomData))
    }
}

impl<T: OrAuto> schemars::JsonSchema for Auto<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
        T::schema()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_budget_is_auto_or_a_duration_both_ways() {
        for (text, budget) in [
            ("\"auto\"", Auto(None)),
            ("\"300ms\"", Auto(Some(Span(Duration::from_millis(300))))),
        ] {
            assert_eq!(
                serde_json::from_str::<Auto<Span>>(text).ok(),
                Some(budget),
                "{text}"
            );
            assert_eq!(serde_json::to_string(&budget).ok().as_deref(), Some(text));
        }
        let error = serde_json::from_str::<Auto<Span>>("\"soon\"").expect_err("no duration");
        assert!(
            error.to_string().starts_with(
                "invalid value: string \"soon\", expected \"auto\" or a duration with its unit"
            ),
            "{error}"
        );
        let error = serde_json::from_str::<Auto<Span>>("300").expect_err("no unit");
        assert!(
            error.to_string().starts_with(
                "invalid type: integer `300`, expected \"auto\" or a duration with its unit"
            ),
            "{error}"
        );
    }

    #[test]
    fn a_count_is_auto_or_a_whole_number_both_ways() {
        for (text, count) in [
            ("\"auto\"", Auto(None)),
            ("3", Auto(Some(3))),
            ("-3", Auto(Some(-3))),
        ] {
            assert_eq!(serde_json::from_str::<Auto<i64>>(text).ok(), Some(count));
            assert_eq!(serde_json::to_string(&count).expect("it is JSON"), text);
        }
        for text in ["\"3\"", "\"Auto\"", "1.5", "true", "null"] {
            let error = serde_json::from_str::<Auto<i64>>(text).expect_err(text);
            assert!(
                error.to_string().contains("\"auto\" or a whole number"),
                "{error}"
            );
        }
    }
}
