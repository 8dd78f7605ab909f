//! Ids of sources and of runs of a process.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Id of a source: `source_id` in documents, and the last level of its topics.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct SourceId(pub u32);

impl std::fmt::Display for SourceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Id of one run of a process, new at every start. It distinguishes a late will of an old run from the present run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct SessionId(pub String);

impl SessionId {
    /// A new id: 16 random hexadecimal digits.
    pub fn random() -> Self {
        Self(format!("{:016x}", fastrand::u64(..)))
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses a list of ids and ranges, such as `0-5,8`, into ascending ids without duplicates. Blanks, a comma at the end, and the
/// long dashes that editors put in place of hyphens are accepted.
///
/// # Errors
/// Names an invalid part, or a range that is reversed or has more than 1024 ids.
pub fn parse_id_list(text: &str) -> Result<Vec<SourceId>, String> {
    const LONGEST_RANGE: u32 = 1024;
    let number = |part: &str| {
        part.trim()
            .parse::<u32>()
            .map_err(|_| format!("`{part}` is not a source id; write ids and ranges as in 0-5,8"))
    };
    let mut ids = BTreeSet::new();
    let text = text.replace(['–', '—', '‑'], "-");
    let text = text.trim().trim_end_matches(',');
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first > last {
            return Err(format!(
                "the range `{part}` runs backwards; write {last}-{first}"
            ));
        }
        if last - first >= LONGEST_RANGE {
            return Err(format!(
                "the range `{part}` has more than {LONGEST_RANGE} sources"
            ));
        }
        ids.extend((first..=last).map(SourceId));
    }
    Ok(ids.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_ids_are_merged_in_order() {
        let ids = parse_id_list("8, 0-2,1").expect("a good list");
        assert_eq!(ids, [0, 1, 2, 8].map(SourceId));
        assert_eq!(parse_id_list(" 0 – 2,8,\u{a0}\r\n"), parse_id_list("0-2,8"));
        assert!(parse_id_list(",").is_err() && parse_id_list("1,,2").is_err());
    }

    #[test]
    fn a_backward_range_is_refused_with_its_remedy() {
        assert_eq!(
            parse_id_list("5-0"),
            Err("the range `5-0` runs backwards; write 0-5".to_owned())
        );
    }

    #[test]
    fn a_word_is_no_id() {
        assert!(parse_id_list("0-x").is_err_and(|error| error.contains("`x` is not a source id")));
    }
}
