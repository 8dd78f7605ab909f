//! The tree to the raw settings. Serde stops at the first mistake, so a mistake is told, struck out of the tree, and the
//! tree read again: what remains is checked as if it had been right.

use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::RawSettings;
use super::document::Document;
use super::problem::Problems;

/// Reads what can be read; what can't is told and left at its default.
pub(super) fn read(document: &mut Document, problems: &mut Problems) -> RawSettings {
    loop {
        let tree = Value::Object(std::mem::take(&mut document.tree));
        let result = serde_path_to_error::deserialize(&tree);
        if let Value::Object(tree) = tree {
            document.tree = tree;
        }
        let error = match result {
            Ok(raw) => return raw,
            Err(error) => error,
        };
        let steps = steps(error.path());
        let path = written(&steps);
        let message = reworded(&error.inner().to_string());
        problems.add(&path, document.origin(&path), message);
        match strike(&mut document.tree, &steps) {
            Some(length) => problems.strike(written(&steps[..length])),
            None => return RawSettings::default(),
        }
        if problems.is_full() {
            return RawSettings::default();
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// The path as far as it leads through tables and arrays: an unknown variant's name is the value, not a key.
fn steps(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .map_while(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn written(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) if path.is_empty() => path.push_str(key),
            Step::Key(key) => path.extend([".", key]),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

const LISTS_OF_TABLES: [&str; 2] = ["camera", "wall.head"];

/// Takes the value at the path out of the tree and says how many steps led to what was taken: an element of a list of
/// tables leaves an empty table, so that its neighbours keep their numbers; any other list goes as a whole.
fn strike(tree: &mut Map<String, Value>, steps: &[Step]) -> Option<usize> {
    let (first, rest) = steps.split_first()?;
    let Step::Key(first) = first else { return None };
    if rest.is_empty() {
        return tree.remove(first).map(|_| 1);
    }
    let mut parent = tree.get_mut(first)?;
    for (depth, step) in rest.iter().enumerate() {
        let last = depth + 1 == rest.len();
        match (step, last) {
            (Step::Key(key), true) => {
                parent.as_object_mut()?.remove(key)?;
                return Some(steps.len());
            }
            (Step::Index(index), true) => {
                let element = parent.get_mut(index)?;
                if LISTS_OF_TABLES.contains(&written(&steps[..steps.len() - 1]).as_str()) {
                    *element = Value::Object(Map::new());
                    return Some(steps.len());
                }
                return strike(tree, &steps[..steps.len() - 1]);
            }
            (Step::Key(key), false) => parent = parent.get_mut(key)?,
            (Step::Index(index), false) => parent = parent.get_mut(index)?,
        }
    }
    None
}

const IN_PLAIN_WORDS: [(&str, &str); 7] = [
    ("expected u16", "expected 0, 90, 180 or 270"),
    ("expected i64", "expected a whole number"),
    ("expected f64", "expected a number"),
    ("expected a boolean", "expected true or false"),
    ("expected a sequence", "expected a list"),
    ("invalid type: sequence", "invalid type: list"),
    ("invalid type: map", "invalid type: table"),
];

/// `camera = ["rtsp://user:password@host"]` is a mistake that serde would quote.
fn without_quoted_login(message: &str) -> String {
    let quoted = message
        .find("string \"")
        .map(|at| at + "string \"".len())
        .zip(message.rfind("\", expected"))
        .filter(|(start, end)| start <= end);
    match quoted {
        Some((start, end)) => {
            let shown = super::location::without_login(&message[start..end]);
            [&message[..start], &shown, &message[end..]].concat()
        }
        None => message.to_owned(),
    }
}

/// Serde's message for people who don't know serde, with a guess at what a wrong word was meant to be.
fn reworded(message: &str) -> String {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (Some((wrong, known)), true) = (
        words.split_first(),
        message.starts_with("unknown field") || message.starts_with("unknown variant"),
    ) else {
        return IN_PLAIN_WORDS
            .iter()
            .fold(without_quoted_login(message), |text, (serde, plain)| {
                text.replace(serde, plain)
            })
            .split(", expected struct Raw")
            .enumerate()
            .map(|(index, part)| {
                if index == 0 {
                    part
                } else {
                    ", expected a table"
                }
            })
            .collect();
    };
    let guess = guess(wrong, known);
    let known = known.join(", ");
    if message.starts_with("unknown field") {
        format!("unknown key; {guess}known are {known}")
    } else {
        format!("must be one of {known}, got `{wrong}`")
    }
}

/// What a wrong word was perhaps meant to be: `did you mean …? `, or nothing.
pub(super) fn guess(wrong: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(wrong, word), word))
        .min()
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4);
    match nearest {
        Some((_, word)) => format!("did you mean `{word}`? "),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(text: &str) -> Vec<String> {
        let mut document = Document::from_toml(text, "f").expect("TOML");
        let mut problems = Problems::default();
        read(&mut document, &mut problems);
        match problems.or(()) {
            Ok(()) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn an_unknown_key_hides_no_other_problem() {
        let problems = problems_of(
            "[mqtt]\nprot = 1\nport = \"x\"\n[processor]\nbackend = \"gpu\"\n[[camera]]\nid = true\n",
        );
        assert_eq!(
            problems,
            [
                "camera[0].id: invalid type: boolean `true`, expected a whole number [f:7:1]",
                "mqtt.port: invalid type: string \"x\", expected a whole number [f:3:1]",
                "mqtt.prot: unknown key; did you mean `port`? known are host, port, username, password, topic_root, topic_prefix, qos, tls [f:2:1]",
                "processor.backend: must be one of auto, tensorrt, onnxruntime, rten, scripted, got `gpu` [f:5:1]",
            ]
        );
    }

    #[test]
    fn an_element_of_another_type_leaves_its_neighbours_their_numbers() {
        let problems =
            problems_of("camera = [5, { id = 1, classes = [\"a\", 2, 3] }, { id = 2, uri = 3 }]\n");
        assert_eq!(
            problems,
            [
                "camera[0]: invalid type: integer `5`, expected a table [f:1:11]",
                "camera[1].classes[1]: invalid type: integer `2`, expected a string [f:1:40]",
                "camera[2].uri: invalid type: integer `3`, expected a string [f:1:59]",
            ]
        );
    }
}
