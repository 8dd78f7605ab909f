//! The number of lanes: a number, or `auto`.

use std::ops::RangeInclusive;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::range::Quantity;

/// Number of lanes; `None` means chosen by the backend and the machine, and is written `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneCount(pub Option<i64>);

impl Quantity for LaneCount {
    type Bound = i64;
    type Checked = Option<i64>;

    fn shown(bound: &i64) -> Value {
        i64::shown(bound)
    }

    fn out_of_range(self, range: &RangeInclusive<i64>) -> Option<String> {
        self.0.out_of_range(range)
    }

    fn checked(self, range: &RangeInclusive<i64>) -> Option<i64> {
        self.0.checked(range)
    }
}

impl Serialize for LaneCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(count) => serializer.serialize_i64(count),
            None => serializer.serialize_str("auto"),
        }
    }
}

impl<'de> Deserialize<'de> for LaneCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountOrAuto;
        impl Visitor<'_> for CountOrAuto {
            type Value = LaneCount;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"auto\" or a whole number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<LaneCount, E> {
                match text {
                    "auto" => Ok(LaneCount(None)),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_i64<E: Error>(self, count: i64) -> Result<LaneCount, E> {
                Ok(LaneCount(Some(count)))
            }

            fn visit_u64<E: Error>(self, count: u64) -> Result<LaneCount, E> {
                // A larger one is out of range as well.
                Ok(LaneCount(Some(i64::try_from(count).unwrap_or(i64::MAX))))
            }
        }
        deserializer.deserialize_any(CountOrAuto)
    }
}

impl schemars::JsonSchema for LaneCount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LaneCount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "integer" }, { "const": "auto" }],
            "description": "`auto`, or a whole number.",
            "examples": ["auto", 2]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_auto_or_a_whole_number_both_ways() {
        for (text, count) in [
            ("\"auto\"", LaneCount(None)),
            ("3", LaneCount(Some(3))),
            ("-3", LaneCount(Some(-3))),
        ] {
            assert_eq!(serde_json::from_str::<LaneCount>(text).ok(), Some(count));
            assert_eq!(serde_json::to_string(&count).expect("it is JSON"), text);
        }
        for text in ["\"3\"", "\"Auto\"", "1.5", "true", "null"] {
            let error = serde_json::from_str::<LaneCount>(text).expect_err(text);
            assert!(
                error.to_string().contains("\"auto\" or a whole number"),
                "{error}"
            );
        }
    }
}
