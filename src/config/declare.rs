//! The declaration of a setting: its key, type, default, range and description, written once.
//!
//! `settings!` makes a table of the file from them. The schema, the help texts, the template and the checks take defaults
//! and ranges from there.

use schemars::Schema;
use serde::Serialize;
use serde_json::Value;

use super::amount::Amount;
use super::duration::Span;
use super::range::{range_text, value_text};

/// Declares a table of the file: a struct with public fields, its `Default`, and its [`Section`].
///
/// A field is written `pub key: Type = default, within least..=most;`. In a description, `{range}`, `{least}` and `{most}`
/// are replaced by the range. A description ends with its default (`Default: none.`) if the default is not a value; else the
/// default is appended. A field without a default is not written if it is not set. A field with a range has a method of the
/// same name, which returns the value with the range for `Checker::within`.
macro_rules! settings {
    (
        $(#[doc = $about:tt])*
        #[schemars($($title:tt)*)]
        pub struct $name:ident {
            $(
                $(#[doc = $doc:tt])*
                $(#[schemars($($schema:tt)*)])?
                pub $key:ident: $type:ty $(= $default:expr)? $(, within $range:expr)?;
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        #[schemars($($title)*, transform = super::declare::complete::<$name>)]
        pub struct $name {
            $(
                $(#[doc = $doc])*
                $(#[schemars($($schema)*)])?
                #[serde(skip_serializing_if = "super::declare::Written::is_absent")]
                pub $key: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: settings!(@default $($default)?),)* }
            }
        }

        impl super::declare::Written for $name {}

        impl super::declare::Section for $name {
            const KEYS: &'static [super::declare::Key] = &[$(
                super::declare::Key {
                    name: stringify!($key),
                    doc: concat!($($doc),*),
                    range: settings!(@range $type $(, $range)?),
                },
            )*];
        }

        impl $name {
            $($(
                pub(super) fn $key(&self) -> super::range::Ranged<$type> {
                    super::range::Ranged { key: stringify!($key), value: self.$key, range: $range }
                }
            )?)*
        }
    };
    (@default) => { Default::default() };
    (@default $value:expr) => { $value };
    (@range $type:ty) => { None };
    (@range $type:ty, $range:expr) => { Some(|| super::range::ends::<$type>(&$range)) };
}

pub(super) use settings;

/// A type of values in the file.
pub(super) trait Written {
    /// Whether the key is left out when the table is written.
    fn is_absent(&self) -> bool {
        false
    }
}

impl Written for bool {}
impl Written for i64 {}
impl Written for f64 {}
impl Written for String {}
impl Written for Amount {}
impl Written for Span {}

impl<T> Written for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Written for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Written for std::collections::BTreeMap<K, V> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// A table of the file.
pub(super) trait Section: Default + Serialize {
    /// Declarations of the keys.
    const KEYS: &'static [Key];
}

/// Declaration of a key without its type and its default.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Description; each line begins with a blank.
    pub(super) doc: &'static str,
    pub(super) range: Option<fn() -> [Value; 2]>,
}

/// Maximum line length of descriptions.
const WIDTH: usize = 116;
const DEFAULT: &str = "Default: ";

impl Key {
    /// A text with the key's range filled in.
    pub(super) fn with_range(&self, text: &str) -> String {
        let Some(ends) = self.range.map(|ends| ends()) else {
            return text.to_owned();
        };
        text.replace("{range}", &range_text(&ends))
            .replace("{least}", &value_text(&ends[0]))
            .replace("{most}", &value_text(&ends[1]))
    }

    /// The description without its default.
    pub(super) fn text(&self) -> String {
        let text = self.doc.split(DEFAULT).next().unwrap_or_default();
        text.trim().trim_end_matches('.').to_owned()
    }

    /// A help text with the range and the default filled in: at `{default}`, else at the end. A text with brackets
    /// already contains its default.
    pub(super) fn help(&self, text: &str, defaults: &Value) -> String {
        let text = self.with_range(text);
        if text.contains(" [") {
            return text;
        }
        let default = match (defaults.get(self.name), self.doc.split_once(DEFAULT)) {
            (_, Some((_, told))) => told.trim_end_matches('.').to_owned(),
            (Some(Value::Bool(yes)), _) => if *yes { "yes" } else { "no" }.to_owned(),
            (Some(value), _) => value
                .as_f64()
                .map_or_else(|| value_text(value), |n| n.to_string()),
            (None, None) => return text,
        };
        let default = format!("[default: {default}]");
        if text.contains("{default}") {
            text.replace("{default}", &default)
        } else {
            format!("{text} {default}")
        }
    }
}

/// The defaults of a table's keys, as in the file.
pub(super) fn defaults<T: Section>() -> Value {
    serde_json::to_value(T::default()).unwrap_or_default()
}

/// Fills in ranges and defaults in the descriptions of a table.
pub(super) fn complete<T: Section>(schema: &mut Schema) {
    let defaults = defaults::<T>();
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let Some(properties) = properties else { return };
    for key in T::KEYS {
        let property = properties.get_mut(key.name).and_then(Value::as_object_mut);
        let Some(property) = property else { continue };
        if let Some(Value::String(text)) = property.get_mut("description") {
            *text = key.with_range(text);
            if let Some(value) = defaults.get(key.name).filter(|value| !value.is_object()) {
                let default = format!("{DEFAULT}{}.", value_text(value));
                let last = text.lines().last().unwrap_or_default();
                let fits = last.chars().count() + 1 + default.chars().count() <= WIDTH;
                text.push(if fits { ' ' } else { '\n' });
                text.push_str(&default);
            }
        }
        if let Some([least, most]) = key.range.map(|ends| ends())
            && least.is_number()
        {
            property.insert("minimum".to_owned(), least);
            property.insert("maximum".to_owned(), most);
        }
    }
}
