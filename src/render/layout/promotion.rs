//! Chooses the camera that an alarm moves to the focus tile, and for how long.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::SourceId;

/// A camera keeps the focus for at least this long before a newer alarm takes it. People can't follow a faster change.
const MIN_FOCUS_TIME: Duration = Duration::from_secs(5);

/// Follows the events of cameras and chooses the camera with the focus. It stores one entry per camera with an alarm.
#[derive(Debug, Clone)]
pub struct FocusChoice {
    classes: Vec<String>,
    hold: Duration,
    alarms: BTreeMap<SourceId, Alarm>,
    focus: Option<Focus>,
}

/// One of the alarm classes is in view. The alarm ends when none has been seen for the hold time.
#[derive(Debug, Clone, Copy)]
struct Alarm {
    since: Duration,
    last_seen: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Focus {
    source: SourceId,
    since: Duration,
}

impl FocusChoice {
    /// Promotes cameras with an object of one of `classes`, until `hold` after it was last seen.
    pub fn new(classes: Vec<String>, hold: Duration) -> Self {
        Self {
            classes,
            hold,
            alarms: BTreeMap::new(),
            focus: None,
        }
    }

    /// Applies new settings. Present alarms go on unless the classes have changed.
    pub fn set(&mut self, classes: Vec<String>, hold: Duration) {
        if classes != self.classes {
            self.alarms.clear();
        }
        self.classes = classes;
        self.hold = hold;
    }

    /// Processes the classes in one event of a camera. `now` must not decrease.
    pub fn observe<'a>(
        &mut self,
        now: Duration,
        source: SourceId,
        seen: impl IntoIterator<Item = &'a str>,
    ) {
        self.expire(now);
        let is_alarm = |seen: &str| self.classes.iter().any(|class| class == seen);
        if seen.into_iter().any(is_alarm) {
            let fresh = Alarm {
                since: now,
                last_seen: now,
            };
            self.alarms.entry(source).or_insert(fresh).last_seen = now;
        }
    }

    /// The camera with the focus. `None` without alarms: then the first camera has it. Among several alarms, the one that
    /// started last counts, so that continuing alarms do not take the focus from each other.
    pub fn promoted(&mut self, now: Duration) -> Option<SourceId> {
        self.expire(now);
        let newest = self
            .alarms
            .iter()
            .max_by_key(|(source, alarm)| (alarm.since, std::cmp::Reverse(**source)));
        let Some((newest, alarm)) = newest else {
            self.focus = None;
            return None;
        };
        let present = self
            .focus
            .and_then(|focus| Some((focus, self.alarms.get(&focus.source)?)));
        let stays = present.is_some_and(|(focus, present)| {
            present.since >= alarm.since || now.saturating_sub(focus.since) < MIN_FOCUS_TIME
        });
        if !stays {
            self.focus = Some(Focus {
                source: *newest,
                since: now,
            });
        }
        self.focus.map(|focus| focus.source)
    }

    fn expire(&mut self, now: Duration) {
        let hold = self.hold;
        self.alarms
            .retain(|_, alarm| now.saturating_sub(alarm.last_seen) < hold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SourceId = SourceId(1);
    const B: SourceId = SourceId(2);

    fn at(tenths: u64) -> Duration {
        Duration::from_millis(tenths * 100)
    }

    fn choice() -> FocusChoice {
        FocusChoice::new(vec!["person".to_owned()], Duration::from_secs(10))
    }

    #[test]
    fn a_chosen_class_promotes_its_camera_until_it_was_out_of_view_long_enough() {
        let mut choice = choice();
        choice.observe(at(0), A, ["car", "dog"]);
        assert_eq!(choice.promoted(at(0)), None);
        choice.observe(at(10), A, ["car", "person"]);
        assert_eq!(choice.promoted(at(10)), Some(A));
        choice.observe(at(60), A, ["person"]);
        assert_eq!(choice.promoted(at(159)), Some(A));
        assert_eq!(choice.promoted(at(160)), None);
    }

    #[test]
    fn a_newer_alarm_waits_until_the_present_one_was_looked_at() {
        let mut choice = choice();
        choice.observe(at(0), A, ["person"]);
        assert_eq!(choice.promoted(at(0)), Some(A));
        choice.observe(at(10), B, ["person"]);
        assert_eq!(choice.promoted(at(49)), Some(A));
        assert_eq!(choice.promoted(at(50)), Some(B));
    }

    #[test]
    fn two_alarms_that_last_do_not_take_the_focus_from_each_other() {
        let mut choice = choice();
        for tenth in 0..2000 {
            choice.observe(at(tenth), A, ["person"]);
            if tenth >= 10 {
                choice.observe(at(tenth), B, ["person"]);
            }
            let expected = if tenth < 50 { A } else { B };
            assert_eq!(choice.promoted(at(tenth)), Some(expected), "{tenth}");
        }
    }

    #[test]
    fn when_the_focus_ends_an_alarm_that_lasts_gets_it() {
        let mut choice = choice();
        choice.observe(at(0), A, ["person"]);
        choice.observe(at(10), B, ["person"]);
        assert_eq!(choice.promoted(at(60)), Some(B));
        choice.observe(at(100), A, ["person"]);
        assert_eq!(choice.promoted(at(109)), Some(B));
        assert_eq!(choice.promoted(at(110)), Some(A));
        assert_eq!(choice.promoted(at(200)), None);
    }
}
