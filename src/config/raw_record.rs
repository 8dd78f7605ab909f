//! The table of the recording, as it stands in the file.

use std::time::Duration;

use super::amount::{Amount, GIGABYTE, MEGABYTE};
use super::declare::settings;
use super::duration::{MINUTE, SECOND, Span, YEAR};

settings! {
    /// Recording of what the cameras of a processor send.
    #[schemars(rename = "Record")]
    pub struct RawRecord {
        /// Directory of the recordings. A relative path starts from the directory of the configuration file. Default: none,
        /// nothing is recorded.
        pub dir: Option<String>;
        /// Maximum space of the recordings. Beyond it old ones are deleted. Default: none, only min_free limits them.
        pub budget: Option<Amount>, within Amount(100 * MEGABYTE)..=Amount(1_000_000 * GIGABYTE);
        /// Directory that takes over while the disk of the recordings fails, is full or is gone; on another disk. Default: none.
        pub next_dir: Option<String>;
        /// Maximum space of the recordings in next_dir. Beyond it old ones are deleted. Default: none, only min_free limits them.
        pub next_budget: Option<Amount>, within Amount(100 * MEGABYTE)..=Amount(1_000_000 * GIGABYTE);
        /// Free space that the recordings leave in the file system of their directory, {range}. Below it old ones are deleted.
        pub min_free: Amount = Amount(2 * GIGABYTE), within Amount(0)..=Amount(1_000_000 * GIGABYTE);
        /// Space of the newest recordings of each camera that are kept while another camera has more, {range}. The budget and min_free
        /// hold all the same.
        pub min_per_camera: Amount = Amount(0), within Amount(0)..=Amount(1_000_000 * GIGABYTE);
        /// Age from which recordings without events are deleted before those with events, {range}, back from the newest recording of the
        /// camera. Younger ones are deleted by age alone.
        pub prefer_events_after: Span = Span::seconds(86_400), within Duration::ZERO..=10 * YEAR;
        /// Time after which what was recorded survives a power cut, {range}. Shorter times wear the medium more.
        pub durable_every: Span = Span::seconds(5), within SECOND..=MINUTE;
        /// Length of a file, {range}. A file ends with the first key frame after it.
        pub file_length: Span = Span::seconds(60), within Duration::from_secs(2)..=10 * MINUTE;
        /// Time before an event that belongs to it, {range}: it is recorded too where only events are recorded. A recording begins with
        /// the key frame before it.
        pub pre_roll: Span = Span::seconds(10), within Duration::ZERO..=MINUTE;
        /// Time after an event that belongs to it, {range}: it is recorded too where only events are recorded.
        pub post_roll: Span = Span::seconds(10), within SECOND..=10 * MINUTE;
        /// Classes whose objects are events. Default: all that are published.
        pub event_classes: Option<Vec<String>>;
        /// Whether to record to an eMMC or an SD card, which continuous recording wears out.
        pub accept_wear: bool = false;
    }
}
