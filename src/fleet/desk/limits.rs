//! How carefully a rollout goes: sizes of its stages, waits, and the failures that it stands.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::DeskError;
use crate::fleet::Desired;

/// A number of devices, or a part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many of a hundred, 0 to 100.
    Percent(u8),
}

impl Amount {
    /// The number of devices out of `all`: a part is rounded up.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => (all * usize::from(percent)).div_ceil(100),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!("must be a number of devices or a percentage, such as 5 or 10%, got `{text}`")
        };
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| refused()),
            Some(part) => match part.parse() {
                Ok(percent @ 0..=100) => Ok(Self::Percent(percent)),
                _ => Err(refused()),
            },
        }
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

impl TryFrom<String> for Amount {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The limits of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Number of devices that must have applied before batches begin. 0: batches begin at once.
    pub canary: u32,
    /// Size of each later stage; a part is one of all devices of the rollout. At least one device.
    pub batch: Amount,
    /// Maximum time online without a result. A device that is offline is waited for as long, but has not failed then.
    pub timeout: Duration,
    /// Wait between two stages.
    pub soak: Duration,
    /// Whether the rollout pauses between two stages until the operator goes on, in place of the wait.
    #[serde(default)]
    pub pause_between_stages: bool,
    /// The rollout stops at this number of failures, or at this part of the devices that have finished.
    pub max_failures: Amount,
    /// A part of `max_failures` counts only when at least so many devices have finished.
    pub min_sample: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            canary: 1,
            batch: Amount::Percent(10),
            timeout: Duration::from_secs(300),
            soak: Duration::from_secs(60),
            pause_between_stages: false,
            max_failures: Amount::Count(1),
            min_sample: 10,
        }
    }
}

impl Limits {
    /// Checks that devices can finish in time: a document is on trial for its probation.
    ///
    /// # Errors
    /// Names the longest probation.
    pub fn check<'a>(
        &self,
        documents: impl IntoIterator<Item = &'a Desired>,
    ) -> Result<(), DeskError> {
        let probations = documents.into_iter().map(|one| one.probation.limit.0);
        match probations.max() {
            Some(longest) if self.timeout <= longest => {
                let timeout = humantime::format_duration(self.timeout);
                let longest = humantime::format_duration(longest);
                Err(DeskError::Usage(format!(
                    "--timeout must be longer than the probation of the documents, {longest}, got {timeout}"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Whether `failures` of `finished` devices stop the rollout.
    pub fn are_reached(&self, failures: usize, finished: usize) -> bool {
        match self.max_failures {
            _ if failures == 0 => false,
            Amount::Count(count) => failures >= count as usize,
            Amount::Percent(percent) => {
                finished >= self.min_sample as usize
                    && failures * 100 >= usize::from(percent) * finished
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_numbers_or_percentages() {
        for (text, amount, of_250) in [
            ("0", Amount::Count(0), 0),
            ("7", Amount::Count(7), 7),
            ("0%", Amount::Percent(0), 0),
            ("1%", Amount::Percent(1), 3),
            ("10%", Amount::Percent(10), 25),
            ("100%", Amount::Percent(100), 250),
        ] {
            assert_eq!(text.parse(), Ok(amount));
            assert_eq!(
                (amount.to_string().as_str(), amount.of(250)),
                (text, of_250)
            );
        }
        for text in ["", "%", "-1", "101%", "1.5", "ten", "256%"] {
            let error = text.parse::<Amount>().expect_err(text);
            assert!(error.ends_with(&format!("got `{text}`")), "{error}");
        }
    }

    #[test]
    fn a_part_of_failures_counts_from_the_smallest_sample_on() {
        let limits = |max_failures| Limits {
            max_failures,
            min_sample: 10,
            ..Limits::default()
        };
        for (max_failures, failures, finished, stops) in [
            (Amount::Count(1), 0, 100, false),
            (Amount::Count(1), 1, 1, true),
            (Amount::Count(3), 2, 2, false),
            (Amount::Count(0), 1, 1, true),
            (Amount::Percent(20), 9, 9, false),
            (Amount::Percent(20), 1, 10, false),
            (Amount::Percent(20), 2, 10, true),
            (Amount::Percent(20), 2, 11, false),
            (Amount::Percent(0), 0, 50, false),
            (Amount::Percent(0), 1, 50, true),
        ] {
            let stopped = limits(max_failures).are_reached(failures, finished);
            assert_eq!(stopped, stops, "{max_failures} {failures}/{finished}");
        }
    }

    #[test]
    fn a_timeout_below_the_probation_is_refused() {
        let desired = Desired::new(1, crate::fleet::DeviceRole::Wall);
        let limits = |timeout| Limits {
            timeout: Duration::from_secs(timeout),
            ..Limits::default()
        };
        limits(61).check([&desired]).expect("long enough");
        let error = limits(60).check([&desired]).expect_err("too short");
        assert_eq!(
            error.to_string(),
            "--timeout must be longer than the probation of the documents, 1m, got 1m"
        );
    }
}
