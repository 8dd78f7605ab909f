//! Amounts of bytes with units, `500 GB` or `2 GiB`, as text in files and schemas.

use std::str::FromStr;

use bytesize::ByteSize;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) const MEGABYTE: u64 = 1_000_000;
pub(super) const GIGABYTE: u64 = 1_000_000_000;

/// An amount of bytes that is written with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub u64);

impl std::fmt::Display for Amount {
    /// In the largest unit that shows the amount without a rest.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [(u64, &str); 8] = [
            (1_000_000_000_000, "TB"),
            (1 << 40, "TiB"),
            (GIGABYTE, "GB"),
            (1 << 30, "GiB"),
            (MEGABYTE, "MB"),
            (1 << 20, "MiB"),
            (1_000, "kB"),
            (1, "B"),
        ];
        let exact = |(unit, _): &(u64, &str)| self.0 >= *unit && self.0.is_multiple_of(*unit);
        let (unit, name) = UNITS.into_iter().find(exact).unwrap_or((1, "B"));
        write!(f, "{} {name}", self.0 / unit)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Amount;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an amount of bytes with its unit, such as \"500 GB\" or \"2 GiB\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
                // A number alone would be bytes, which nobody means.
                let has_unit = text.ends_with(|last: char| last.is_ascii_alphabetic());
                ByteSize::from_str(text)
                    .ok()
                    .filter(|_| has_unit)
                    .map(|size| Amount(size.as_u64()))
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl schemars::JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An amount of bytes with its unit, such as `500 GB` or `2 GiB`.",
            "examples": ["500 GB", "2 GiB"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_carry_units_both_ways() {
        for (written, bytes, shown) in [
            ("500 GB", 500 * GIGABYTE, "500 GB"),
            ("2GiB", 2 << 30, "2 GiB"),
            ("1.5 TB", 1_500 * GIGABYTE, "1500 GB"),
            ("64 mb", 64 * MEGABYTE, "64 MB"),
            ("0 B", 0, "0 B"),
        ] {
            let amount: Amount = serde_json::from_value(written.into()).expect(written);
            assert_eq!(amount, Amount(bytes), "{written}");
            assert_eq!(amount.to_string(), shown);
            let again: Amount = serde_json::from_value(shown.into()).expect(shown);
            assert_eq!(again, amount);
        }
    }

    #[test]
    fn an_amount_without_a_unit_is_refused_with_the_remedy() {
        for written in ["500", "-1 GB", "much", "5 lightyears"] {
            let error = serde_json::from_value::<Amount>(written.into()).expect_err(written);
            assert!(error.to_string().contains("such as \"500 GB\""), "{error}");
        }
    }
}
