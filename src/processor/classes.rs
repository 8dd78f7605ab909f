//! Checks class filters against the model's classes. Without a warning, a misspelt name would silently publish nothing.

use tracing::warn;

use crate::config::SourceSettings;
use crate::detect::Labels;

/// Maximum number of class names in a message.
const MOST_NAMED: usize = 100;

/// Warns of each class in the filter of `source` that `labels`, the classes of `model`, do not contain.
pub(super) fn warn_of_unknown(source: &SourceSettings, model: &str, labels: &Labels) {
    for class in unknown(source.analysis.classes.as_deref(), labels) {
        warn!(
            source_id = %source.id,
            class,
            nearest = nearest(class, labels),
            model,
            labels = listed(labels),
            "the model has no class of this name, so nothing is published for it; correct `classes`, or use a model that \
             has this class"
        );
    }
}

/// The classes that are not in `labels`.
fn unknown<'a>(classes: Option<&'a [String]>, labels: &Labels) -> Vec<&'a str> {
    let classes = classes.unwrap_or_default().iter().map(String::as_str);
    classes
        .filter(|class| !labels.iter().any(|label| **label == **class))
        .collect()
}

/// The most similar label, if one is similar enough.
fn nearest<'a>(class: &str, labels: &'a Labels) -> Option<&'a str> {
    let wanted = class.trim().to_lowercase();
    let distance = |label: &str| strsim::damerau_levenshtein(&wanted, &label.to_lowercase());
    labels
        .iter()
        .map(|label| (distance(label), &**label))
        .min()
        .filter(|(distance, label)| *distance <= 1 + label.chars().count() / 4)
        .map(|(_, label)| label)
}

fn listed(labels: &Labels) -> String {
    let shown = labels.iter().take(MOST_NAMED).map(|label| &**label);
    let mut names: Vec<&str> = shown.collect();
    if labels.len() > MOST_NAMED {
        names.push("…");
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_class_is_reported_with_the_nearest_label() {
        let labels: Labels = ["person", "traffic light", "car"].map(Into::into).into();
        let told = |classes: &[&str]| -> Vec<(String, Option<String>)> {
            let classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
            unknown(Some(&classes), &labels)
                .into_iter()
                .map(|class| (class.to_owned(), nearest(class, &labels).map(str::to_owned)))
                .collect()
        };
        assert_eq!(told(&["person", "car"]), []);
        for (class, wanted) in [
            ("Person", Some("person")),
            ("CAR ", Some("car")),
            ("persn", Some("person")),
            ("trafficlight", Some("traffic light")),
            ("forklift", None),
        ] {
            assert_eq!(
                told(&[class]),
                [(class.to_owned(), wanted.map(str::to_owned))]
            );
        }
        assert_eq!(unknown(None, &labels), [""; 0]);
    }
}
