//! Ranges of settings, for checks, messages, descriptions and the schema.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};

use super::amount::Amount;
use super::duration::Span;

/// A type whose values may have a range.
pub(super) trait Quantity: Copy {
    /// Type of the ends of the range.
    type Bound: PartialOrd;
    /// Type of the checked value.
    type Checked;

    /// An end of the range as JSON: a number or text.
    fn shown(bound: &Self::Bound) -> Value;

    /// The value as text if it is outside the range.
    fn out_of_range(self, range: &RangeInclusive<Self::Bound>) -> Option<String>;

    /// The checked value. Whole numbers are clamped to the range.
    fn checked(self, range: &RangeInclusive<Self::Bound>) -> Self::Checked;
}

impl Quantity for i64 {
    type Bound = i64;
    type Checked = i64;

    fn shown(bound: &i64) -> Value {
        json!(bound)
    }

    fn out_of_range(self, range: &RangeInclusive<i64>) -> Option<String> {
        out_of_range(&self, self, range)
    }

    fn checked(self, range: &RangeInclusive<i64>) -> i64 {
        self.clamp(*range.start(), *range.end())
    }
}

impl Quantity for f64 {
    type Bound = f64;
    type Checked = f64;

    fn shown(bound: &f64) -> Value {
        if bound.fract() == 0.0 {
            json!(*bound as i64)
        } else {
            json!(bound)
        }
    }

    fn out_of_range(self, range: &RangeInclusive<f64>) -> Option<String> {
        out_of_range(&self, self, range)
    }

    fn checked(self, _: &RangeInclusive<f64>) -> f64 {
        self
    }
}

impl Quantity for Span {
    type Bound = Duration;
    type Checked = Duration;

    fn shown(bound: &Duration) -> Value {
        json!(Span(*bound))
    }

    fn out_of_range(self, range: &RangeInclusive<Duration>) -> Option<String> {
        out_of_range(&self.0, self, range)
    }

    fn checked(self, _: &RangeInclusive<Duration>) -> Duration {
        self.0
    }
}

impl Quantity for Amount {
    type Bound = Self;
    type Checked = u64;

    fn shown(bound: &Self) -> Value {
        json!(bound)
    }

    fn out_of_range(self, range: &RangeInclusive<Self>) -> Option<String> {
        out_of_range(&self, self, range)
    }

    fn checked(self, _: &RangeInclusive<Self>) -> u64 {
        self.0
    }
}

impl<T: Quantity> Quantity for Option<T> {
    type Bound = T::Bound;
    type Checked = Option<T::Checked>;

    fn shown(bound: &T::Bound) -> Value {
        T::shown(bound)
    }

    fn out_of_range(self, range: &RangeInclusive<T::Bound>) -> Option<String> {
        self?.out_of_range(range)
    }

    fn checked(self, range: &RangeInclusive<T::Bound>) -> Option<T::Checked> {
        self.map(|value| value.checked(range))
    }
}

fn out_of_range<T: PartialOrd>(
    value: &T,
    written: impl Display,
    range: &RangeInclusive<T>,
) -> Option<String> {
    (!range.contains(value)).then(|| written.to_string())
}

/// A value of a table with its declared range.
pub(super) struct Ranged<T: Quantity> {
    /// Key of the value in the table.
    pub(super) key: &'static str,
    pub(super) value: T,
    pub(super) range: RangeInclusive<T::Bound>,
}

/// The ends of a range as JSON.
pub(super) fn ends<T: Quantity>(range: &RangeInclusive<T::Bound>) -> [Value; 2] {
    [T::shown(range.start()), T::shown(range.end())]
}

/// A value or an end of a range as text.
pub(super) fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `100ms to 1m`.
pub(super) fn range_text([least, most]: &[Value; 2]) -> String {
    format!("{} to {}", value_text(least), value_text(most))
}
