//! Checks class filters against the model's classes. Without a warning, a misspelt name would silently publish nothing.

use tracing::warn;

use crate::config::{RecordChoice, SourceSettings};
use crate::detect::Labels;
use crate::role::nearest_class;

/// Maximum number of class names in a message.
const MOST_NAMED: usize = 100;

/// Warns of each class in the filters of `source` that `labels`, the classes of `model`, do not contain.
pub(super) fn warn_of_unknown(source: &SourceSettings, model: &str, labels: &Labels) {
    for class in unknown(source.analysis.classes.as_deref(), labels) {
        warn!(
            source_id = %source.id,
            class,
            nearest = nearest_class(class, labels.iter().map(|label| &**label)),
            model,
            labels = listed(labels),
            "the model has no class of this name, so nothing is published for it; correct `classes`, or use a model that \
             has this class"
        );
    }
    let of_events = source.event_classes.as_deref();
    let of_events = of_events.filter(|_| source.record != RecordChoice::Off);
    for class in unknown(of_events, labels) {
        warn!(
            source_id = %source.id,
            class,
            nearest = nearest_class(class, labels.iter().map(|label| &**label)),
            model,
            labels = listed(labels),
            "the model has no class of this name, so there are no events of it; correct `event_classes`, or use a model that \
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
    fn classes_that_no_label_spells_are_unknown() {
        let labels: Labels = ["person", "traffic light", "car"].map(Into::into).into();
        let unknown_of = |classes: &[&str]| -> Vec<String> {
            let classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
            unknown(Some(&classes), &labels)
                .into_iter()
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(unknown_of(&["person", "car"]), [""; 0]);
        assert_eq!(
            unknown_of(&["Person", "car", "forklift"]),
            ["Person", "forklift"]
        );
        assert_eq!(unknown(None, &labels), [""; 0]);
    }
}
