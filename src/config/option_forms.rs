//! The common kinds of options: their clap arguments, and the conversion to the value of a key.

use clap::builder::{BoolishValueParser, EnumValueParser};
use clap::{Arg, ArgAction, ArgMatches, ValueEnum, value_parser};
use serde::Serialize;
use serde_json::{Value, json};

use super::options::{OptionValue, Read, Row, option};

/// A text, the same as in the file.
pub(super) const fn text(name: &'static str, value_name: &'static str) -> Row {
    option(name, value_name, |arg| arg, one::<String>)
}

/// A duration with its unit.
pub(super) const fn duration(name: &'static str) -> Row {
    text(name, "DURATION")
}

/// Names, separated by commas.
pub(super) const fn names(name: &'static str) -> Row {
    let read: Read = |matches, id| given_text(matches, id).map(|text| Ok(json!(split(text))));
    option(name, "NAMES", |arg| arg, read)
}

/// A whole number.
pub(super) const fn whole(name: &'static str, value_name: &'static str) -> Row {
    let shape = |arg: Arg| arg.value_parser(value_parser!(u32));
    option(name, value_name, shape, one::<u32>)
}

/// Any number.
pub(super) const fn number(name: &'static str, value_name: &'static str) -> Row {
    let shape = |arg: Arg| arg.value_parser(value_parser!(f64));
    let read: Read = |matches, id| matches.get_one(id).map(|value| Ok(of_number(*value)));
    option(name, value_name, shape, read)
}

/// One of a fixed set of words.
pub(super) const fn choice<T>(name: &'static str, value_name: &'static str) -> Row
where
    T: ValueEnum + Serialize + Clone + Send + Sync + 'static,
{
    let shape = |arg: Arg| arg.value_parser(EnumValueParser::<T>::new());
    option(name, value_name, shape, one::<T>)
}

/// The token of the page.
pub(super) const fn http_token() -> Row {
    option("http-token", "REFERENCE", |arg| arg, TOKEN).help(
        "Location of the token of the page: env:NAME or file:PATH, not the token itself, because every user of the machine can \
         read the list of processes. NVR_HTTP_TOKEN holds the token itself [default: none]",
    )
}

/// Reads a reference to the token. A text that is no reference may be the token itself: it is not kept, and clap does not
/// parse it, because its error message would quote it.
const TOKEN: Read = |matches, id| {
    given_text(matches, id).map(|text| match text.split_once(':') {
        Some((place @ ("env" | "file"), name)) if !name.is_empty() => Ok(json!({ place: name })),
        _ => Err(
            "must be env:NAME or file:PATH, not the token itself, which the list of processes would show; or set \
             NVR_HTTP_TOKEN",
        ),
    })
};

/// Yes or no.
pub(super) const fn switch(name: &'static str) -> Row {
    let shape = |arg: Arg| {
        arg.value_parser(BoolishValueParser::new())
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    };
    option(name, "BOOL", shape, one::<bool>)
}

/// A path, relative to the working directory.
pub(super) const fn path(name: &'static str, value_name: &'static str) -> Row {
    let read: Read = |matches, id| given_text(matches, id).map(|path| Ok(json!(absolute(path))));
    option(name, value_name, |arg| arg, read)
}

/// Paths; the option is repeatable.
pub(super) const fn paths(name: &'static str, value_name: &'static str) -> Row {
    let read: Read = |matches, id| {
        let given = matches.get_many::<String>(id)?;
        Some(Ok(given.map(|path| json!(absolute(path))).collect()))
    };
    let shape = |arg: Arg| arg.action(ArgAction::Append);
    option(name, value_name, shape, read)
}

/// The text that was given.
pub(super) fn given_text<'a>(matches: &'a ArgMatches, id: &str) -> Option<&'a str> {
    matches.get_one::<String>(id).map(String::as_str)
}

/// A value that is the same in the file as clap parsed it.
pub(super) fn one<T: Serialize + Clone + Send + Sync + 'static>(
    matches: &ArgMatches,
    id: &str,
) -> Option<OptionValue> {
    matches.get_one::<T>(id).map(|value| Ok(json!(value)))
}

fn split(text: &str) -> Vec<&str> {
    text.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// A number, or its text if JSON can't represent it (nan). The check then reports a wrong type.
fn of_number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| json!(value.to_string()), Value::Number)
}

/// Makes a path absolute. Paths of options start from the working directory, not from the directory of the file.
pub(super) fn absolute(path: &str) -> String {
    std::path::absolute(path)
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok())
        .unwrap_or_else(|| path.to_owned())
}
