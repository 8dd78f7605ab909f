//! The class names in the text of a label file. One name per line is the rule; tools also number the lines, quote the
//! names, or write a list of JSON, Python or YAML. A line that would become a wrong name is refused.

use super::class_names;

/// Maximum length of a line in a message.
const EXCERPT: usize = 60;
/// Keys of the YAML files that describe data sets (`data.yaml` of Ultralytics).
const KEYS: [&str; 6] = ["names", "nc", "path", "train", "val", "test"];

/// The names in the order of the classes. Empty lines at the end are ignored.
///
/// # Errors
/// The line that is no name, or the numbering that is not that of the classes.
pub fn names(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim_start_matches('\u{feff}').trim_end();
    if text.trim_start().starts_with(['[', '{']) {
        return class_names::parse(text);
    }
    let names = lines(text);
    if names.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(index) = names.iter().position(String::is_empty) {
        return Err(format!(
            "line {} is empty; name that class, or remove the line",
            index + 1
        ));
    }
    if let Some(index) = names.iter().position(|line| is_markup(line)) {
        let shown: String = names[index].chars().take(EXCERPT).collect();
        return Err(format!(
            "line {} is `{shown}`, which is no name; write one name per line and nothing else",
            index + 1
        ));
    }
    match &names[..] {
        [list] if list.contains(',') => class_names::parse(list),
        _ => plain(names),
    }
}

/// The lines without blanks around them.
fn lines(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    // The line ends of Windows are trimmed; old Macs wrote only the carriage return.
    let line_end = if text.contains('\n') { '\n' } else { '\r' };
    text.split(line_end)
        .map(|line| line.trim().to_owned())
        .collect()
}

/// Whether a line belongs to a file of another format: YAML, JSON, or TensorFlow's `item {`.
fn is_markup(line: &str) -> bool {
    let is_key = |(key, _): (&str, &str)| KEYS.contains(&key.trim_end());
    line.ends_with([':', '{', '}', ',']) || line.split_once(':').is_some_and(is_key)
}

/// The names without what each of the lines has around them: a list's dash, the number of the class, quotes.
fn plain(mut names: Vec<String>) -> Result<Vec<String>, String> {
    if names.iter().all(|line| line.starts_with("- ")) {
        names = names
            .iter()
            .map(|line| line[2..].trim().to_owned())
            .collect();
    }
    if let Some(bare) = without_numbers(&names)? {
        names = bare;
    }
    let names: Vec<String> = names.iter().map(|name| unquoted(name)).collect();
    match names.iter().position(String::is_empty) {
        Some(class) => Err(format!("class {class} has an empty name")),
        None => Ok(names),
    }
}

fn unquoted(name: &str) -> String {
    let within = |quote: char| name.strip_prefix(quote)?.strip_suffix(quote);
    let bare = within('"').or_else(|| within('\''));
    bare.unwrap_or(name).trim().to_owned()
}

/// The names by their numbers, if each line has one and they rise from 0 or 1. Other numbers are parts of the names, as
/// in `2 wheeler`.
fn without_numbers(lines: &[String]) -> Result<Option<Vec<String>>, String> {
    let numbered = lines.iter().map(|line| numbered(line));
    let Some(mut entries) = numbered.collect::<Option<Vec<(usize, &str)>>>() else {
        return Ok(None);
    };
    entries.sort_by_key(|(number, _)| *number);
    let is_once = entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if !is_once || !matches!(entries.first(), Some((0 | 1, _))) {
        return Ok(None);
    }
    let wrong = entries
        .iter()
        .enumerate()
        .find(|(class, (number, _))| class != number);
    match wrong {
        Some((class, (number, name))) => Err(format!(
            "`{name}` has the number {number}, but there is no class {class} before it; number the classes from 0 without \
             gaps, or write the names without numbers"
        )),
        None => Ok(Some(
            entries
                .into_iter()
                .map(|(_, name)| name.to_owned())
                .collect(),
        )),
    }
}

/// The number before a name, and the name: `0 person`, `0: person`, `0,person`.
fn numbered(line: &str) -> Option<(usize, &str)> {
    let end = line.find(|found: char| !found.is_ascii_digit())?;
    let (number, rest) = line.split_at(end);
    let name = rest.trim_start_matches([':', ',', ';', '\t', ' ']);
    (name.len() < rest.len() && !name.is_empty()).then_some((number.parse().ok()?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_files_of_every_system_and_tool_are_read() {
        for text in [
            "van\r\n forklift \n\n",
            "\u{feff}van\n\tforklift\t",
            "van\rforklift\r\r",
            "van \r\nforklift\r\n \r\n",
            "0 van\n1 forklift\n",
            "0  van\r\n1\tforklift\r\n",
            "0: van\n1: 'forklift'\n",
            "0,van\n1,forklift\n",
            "1 forklift\n0 van\n",
            "- van\n- forklift\n",
            "\"van\"\n\"forklift\"\n",
            "van,forklift\n",
            "[\"van\", \"forklift\"]\n",
            "[\n  \"van\",\n  \"forklift\"\n]\n",
            "{\"0\": \"van\", \"1\": \"forklift\"}",
            "{\n  0: 'van',\n  1: 'forklift',\n}",
        ] {
            let wanted = Ok(vec!["van".to_owned(), "forklift".to_owned()]);
            assert_eq!(names(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn numbers_and_marks_that_belong_to_names_stay() {
        for text in [
            "2 wheeler\n4 wheeler",
            "3d printer\n10 mm bolt",
            "1 euro\ncent",
            "2 door\n2 wheel",
            "driver's cab\n'quoted' sign",
            "bus: red\nbus: blue",
            "no-helmet\n- vest",
        ] {
            let wanted: Vec<String> = text.lines().map(str::to_owned).collect();
            assert_eq!(names(text), Ok(wanted), "{text:?}");
        }
    }

    #[test]
    fn what_would_become_wrong_names_is_refused() {
        let no_name = |line: usize, shown: &str| {
            format!(
                "line {line} is `{shown}`, which is no name; write one name per line and nothing else"
            )
        };
        let number = |name: &str, number: usize, class: usize| {
            format!(
                "`{name}` has the number {number}, but there is no class {class} before it; number the classes from 0 \
                 without gaps, or write the names without numbers"
            )
        };
        for (text, wanted) in [
            ("\r\n", "it is empty".to_owned()),
            ("names:\n  0: person\n", no_name(1, "names:")),
            ("nc: 1\n", no_name(1, "nc: 1")),
            (
                "names: [\"a\", \"b\"]\n",
                no_name(1, "names: [\"a\", \"b\"]"),
            ),
            ("item {\n  id: 1\n}\n", no_name(1, "item {")),
            ("\"a\",\n\"b\"\n", no_name(1, "\"a\",")),
            ("1 person\n2 car\n", number("person", 1, 0)),
            ("0 person\n1 car\n3 van\n", number("van", 3, 2)),
            ("[\"a\", 7]", "class 1 is 7, not text".to_owned()),
            ("[a, b]", "`a, b]` is not in quotes".to_owned()),
            ("\"a\"\n\"\"\n", "class 1 has an empty name".to_owned()),
        ] {
            assert_eq!(names(text), Err(wanted), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", lines in "[\\[{\"'0-9a:, \n\r-]{0,40}") {
            let _ = names(&text);
            let _ = names(&lines);
        }
    }
}
