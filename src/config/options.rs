//! Options that are made from the declarations of settings. The declaration gives help text and default, a row the rest.

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use serde_json::{Value, json};

use super::declare::{Key, Section, defaults};

/// Options that set keys of one table.
pub(super) struct Group {
    /// The table's path.
    table: &'static str,
    keys: &'static [Key],
    defaults: fn() -> Value,
    options: &'static [Row],
}

/// Options for the table `T`, which lies at the path `table`.
pub(super) const fn group<T: Section>(table: &'static str, options: &'static [Row]) -> Group {
    Group {
        table,
        keys: T::KEYS,
        defaults: defaults::<T>,
        options,
    }
}

/// Result of reading an option: the value of its key, or an error message.
pub(super) type OptionValue = Result<Value, &'static str>;

/// How an option is read.
pub(super) type Read = fn(&ArgMatches, &str) -> Option<OptionValue>;

/// An option that sets a key: the key of the same name, unless `key` is set.
pub(super) struct Row {
    name: &'static str,
    value_name: &'static str,
    shape: fn(Arg) -> Arg,
    read: Read,
    key: Option<&'static str>,
    help: Option<&'static str>,
    shows_range: bool,
    off: Option<(&'static str, &'static str)>,
}

/// An option for which there is no usual form in `option_forms.rs`.
pub(super) const fn option(
    name: &'static str,
    value_name: &'static str,
    shape: fn(Arg) -> Arg,
    read: Read,
) -> Row {
    Row {
        name,
        value_name,
        shape,
        read,
        key: None,
        help: None,
        shows_range: true,
        off: None,
    }
}

impl Row {
    /// Sets a key of another name.
    pub(super) const fn key(self, key: &'static str) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// Sets a help text instead of the key's description. The default is filled in at `{default}`, else appended, unless the
    /// text contains brackets.
    pub(super) const fn help(self, help: &'static str) -> Self {
        Self {
            help: Some(help),
            ..self
        }
    }

    /// Leaves the range out of the key's description.
    pub(super) const fn without_range(self) -> Self {
        Self {
            shows_range: false,
            ..self
        }
    }

    /// Adds a counterpart `no`, which sets the key to false, with this help text.
    pub(super) const fn off(self, no: &'static str, help: &'static str) -> Self {
        Self {
            off: Some((no, help)),
            ..self
        }
    }

    fn key_name(&self) -> String {
        self.key
            .map_or_else(|| self.name.replace('-', "_"), str::to_owned)
    }

    /// The option, and its counterpart if it has one.
    fn arguments(&self, keys: &[Key], defaults: &Value) -> Vec<Arg> {
        let name = self.key_name();
        let key = keys.iter().find(|key| key.name == name);
        let help = key.map(|key| {
            let text = match self.help {
                Some(help) => help.to_owned(),
                None if self.shows_range => key.text(),
                None => key.text().replace(", {range}", ""),
            };
            key.help(&text, defaults)
        });
        let argument = Arg::new(self.name)
            .long(self.name)
            .value_name(self.value_name)
            .help(help.unwrap_or_default());
        let argument = (self.shape)(argument);
        let Some((no, help)) = self.off else {
            return vec![argument];
        };
        let counterpart = Arg::new(no)
            .long(no)
            .action(ArgAction::SetTrue)
            .overrides_with(self.name)
            .help(help);
        vec![argument.overrides_with(no), counterpart]
    }

    fn given(&self, matches: &ArgMatches) -> Option<(&'static str, OptionValue)> {
        match self.off {
            Some((no, _)) if matches.get_flag(no) => Some((no, Ok(json!(false)))),
            _ => Some((self.name, (self.read)(matches, self.name)?)),
        }
    }
}

/// Appends the options of the groups to the command, under the heading `heading`.
pub(super) fn augmented(command: Command, heading: &'static str, groups: &[Group]) -> Command {
    let arguments = groups.iter().flat_map(|group| {
        let defaults = (group.defaults)();
        let options = group.options.iter();
        options.flat_map(move |row| row.arguments(group.keys, &defaults))
    });
    command.next_help_heading(heading).args(arguments)
}

/// The keys and values that options set in the tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Assignments(Vec<Assignment>);

/// The key and value that one option sets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Assignment {
    /// The key's path.
    pub(super) path: String,
    /// The option's name.
    pub(super) option: &'static str,
    /// The value, or an error message.
    pub(super) value: OptionValue,
}

impl Assignments {
    /// Reads the options of the groups that were given.
    pub(super) fn read(matches: &ArgMatches, groups: &[Group]) -> Self {
        let given = rows(groups).filter_map(|(table, row)| {
            let (option, value) = row.given(matches)?;
            Some(Assignment {
                path: path_of(table, row),
                option,
                value,
            })
        });
        Self(given.collect())
    }

    /// Adds an option of the groups. `value` is written as in the file.
    ///
    /// # Panics
    /// If no option has this name.
    pub(super) fn set(&mut self, groups: &[Group], option: &str, value: impl Serialize) {
        let found = rows(groups).find(|(_, row)| row.name == option);
        let (table, row) = found.expect("an option of the role");
        let value =
            serde_json::to_value(value).map_err(|_| "can't be written as a value of a file");
        self.0.push(Assignment {
            path: path_of(table, row),
            option: row.name,
            value,
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.0.iter()
    }
}

fn rows(groups: &[Group]) -> impl Iterator<Item = (&'static str, &'static Row)> {
    groups
        .iter()
        .flat_map(|group| group.options.iter().map(|row| (group.table, row)))
}

fn path_of(table: &str, row: &Row) -> String {
    let key = row.key_name();
    if table.is_empty() {
        key
    } else {
        format!("{table}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;
    use crate::config::{ProcessorFlags, WallFlags};

    #[test]
    fn every_option_sets_a_key_that_is_declared() {
        for command in [
            ProcessorFlags::augment_args(Command::new("processor")),
            WallFlags::augment_args(Command::new("wall")),
        ] {
            for argument in command.get_arguments() {
                let help = argument.get_help().map(ToString::to_string);
                let help = help.unwrap_or_default();
                let id = argument.get_id();
                assert!(
                    !help.is_empty(),
                    "{id} has no text: its key is not declared"
                );
                for left in ["{range}", "{least}", "{most}", "{default}"] {
                    assert!(!help.contains(left), "{id}: {help}");
                }
            }
        }
    }

    #[test]
    fn a_help_text_says_the_default_of_the_declaration() {
        let command = WallFlags::augment_args(Command::new("wall"));
        let help = |name: &str| {
            let argument = command
                .get_arguments()
                .find(|argument| argument.get_id() == name);
            argument
                .and_then(clap::Arg::get_help)
                .map(ToString::to_string)
        };
        for (name, told) in [
            (
                "detection-ttl",
                "Time that boxes stay visible without a newer event, 100ms to 1m [default: 1s]",
            ),
            ("tile-height", "Height of a tile in pixels [default: 360]"),
            ("clock", "Show the time of day in a corner [default: no]"),
            (
                "name",
                "Name of the wall, shown in a corner [default: none]",
            ),
            ("no-watchdog", "Do not feed systemd's watchdog"),
        ] {
            assert_eq!(help(name).as_deref(), Some(told), "{name}");
        }
    }
}
