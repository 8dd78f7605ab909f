//! Compares class names from the configuration with those of models.

/// The class of `labels` that is most similar to `class`, if one is similar enough to be meant.
pub fn nearest_class<'a>(
    class: &str,
    labels: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted = class.trim().to_lowercase();
    labels
        .into_iter()
        .map(|label| {
            let distance = strsim::damerau_levenshtein(&wanted, &label.to_lowercase());
            (distance, label)
        })
        .min()
        .filter(|(distance, label)| *distance <= 1 + label.chars().count() / 4)
        .map(|(_, label)| label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_class_has_a_nearest_one() {
        let labels = ["person", "traffic light", "car"];
        for (class, wanted) in [
            ("Person", Some("person")),
            ("CAR ", Some("car")),
            ("persn", Some("person")),
            ("trafficlight", Some("traffic light")),
            ("forklift", None),
        ] {
            assert_eq!(nearest_class(class, labels), wanted, "{class}");
        }
    }
}
