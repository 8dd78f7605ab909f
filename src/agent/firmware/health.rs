//! Whether the new slot is as good as the former one. It is compared with the state before the update, not with perfection: a site
//! whose cameras or cable are off must not take a good image back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::child::{Observation, Screen};
use crate::agent::cycle::ChildRole;
use crate::base::SourceId;

/// What was seen within this time before the restart counts as working then: longer than one reconnect of a camera.
const BEFORE: Duration = Duration::from_secs(60);
/// What was seen within this time works now. Roles are observed every five seconds or faster.
const RECENT: Duration = Duration::from_secs(15);
/// Number of sources that a reason names.
const MOST_NAMED: usize = 8;

/// What worked before the update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Before {
    /// Roles that told their state.
    pub(super) roles: BTreeSet<String>,
    /// Sources with frames, by role.
    pub(super) sources: BTreeMap<String, BTreeSet<u32>>,
    /// Whether a monitor showed a picture.
    pub(super) has_picture: bool,
}

/// What the roles have told of themselves.
#[derive(Debug, Default)]
pub(in crate::agent) struct Health {
    seen: BTreeMap<ChildRole, Duration>,
    flowed: BTreeMap<(ChildRole, SourceId), Duration>,
    pictured: Option<Duration>,
    /// The last word of the wall on its monitors.
    screen: Screen,
}

/// What else is known at the moment of a judgement.
#[derive(Debug, Default)]
pub(super) struct Evidence<'a> {
    /// The roles of the document that runs, and their sources.
    pub(super) roles: BTreeMap<ChildRole, Vec<SourceId>>,
    /// Sources whose cameras do not answer at all; absent while that is not known.
    pub(super) silent: Option<&'a BTreeSet<SourceId>>,
    /// Whether the built-in clip decodes; absent while that is not known.
    pub(super) clip: Option<Result<(), String>>,
}

impl Health {
    /// A role has told its state.
    pub(in crate::agent) fn observe(
        &mut self,
        role: ChildRole,
        observation: &Observation,
        now: Duration,
    ) {
        self.seen.insert(role, now);
        for (source, _) in observation.flows.iter().filter(|(_, flows)| **flows) {
            self.flowed.insert((role, *source), now);
        }
        if let Some(screen) = &observation.screen {
            self.screen = screen.clone();
            if !screen.shown.is_empty() {
                self.pictured = Some(now);
            }
        }
    }

    /// What works, for the comparison after the restart.
    pub(super) fn before(&self, now: Duration) -> Before {
        let is_recent = |at: &Duration| now.saturating_sub(*at) <= BEFORE;
        let roles = self.seen.iter().filter(|(_, at)| is_recent(at));
        let mut sources: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for ((role, source), _) in self.flowed.iter().filter(|(_, at)| is_recent(at)) {
            sources
                .entry(role.to_string())
                .or_default()
                .insert(source.0);
        }
        Before {
            roles: roles.map(|(role, _)| role.to_string()).collect(),
            sources,
            has_picture: self.pictured.as_ref().is_some_and(is_recent),
        }
    }

    /// Sources that had frames before and have none now, of the roles in `evidence`.
    pub(super) fn missing(
        &self,
        before: &Before,
        roles: &BTreeMap<ChildRole, Vec<SourceId>>,
        now: Duration,
    ) -> BTreeSet<SourceId> {
        let lost = roles.iter().flat_map(|(role, sources)| {
            let had = before.sources.get(&role.to_string());
            sources.iter().filter(move |source| {
                let had = had.is_some_and(|had| had.contains(&source.0));
                had && !self.flows(*role, **source, now)
            })
        });
        lost.copied().collect()
    }

    fn flows(&self, role: ChildRole, source: SourceId, now: Duration) -> bool {
        let at = self.flowed.get(&(role, source));
        at.is_some_and(|at| now.saturating_sub(*at) <= RECENT)
    }

    /// Why the box is worse than before; nothing if it is not.
    pub(super) fn problems(
        &self,
        before: &Before,
        evidence: &Evidence<'_>,
        now: Duration,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        match &evidence.clip {
            None => problems.push("the built-in clip is not decoded yet".to_owned()),
            Some(Err(reason)) => {
                problems.push(format!("the built-in clip does not decode: {reason}"))
            }
            Some(Ok(())) => {}
        }
        for role in evidence.roles.keys() {
            let told = self.seen.get(role);
            let is_told = told.is_some_and(|at| now.saturating_sub(*at) <= RECENT);
            if before.roles.contains(&role.to_string()) && !is_told {
                problems.push(format!("the {role} does not run"));
            }
        }
        if evidence.roles.contains_key(&ChildRole::Wall) {
            problems.extend(self.dark(before));
        }
        let missing = self.missing(before, &evidence.roles, now);
        let Some(silent) = evidence.silent else {
            if !missing.is_empty() {
                problems.push("cameras without frames are being looked for".to_owned());
            }
            return problems;
        };
        let worse: Vec<String> = missing
            .difference(silent)
            .map(|source| source.0.to_string())
            .collect();
        if !worse.is_empty() {
            let named = worse[..worse.len().min(MOST_NAMED)].join(", ");
            let count = worse.len();
            problems.push(format!(
                "{count} of the sources that had frames before the update answer and have none: {named}"
            ));
        }
        problems
    }

    /// Why a monitor stays dark. None without a monitor.
    fn dark(&self, before: &Before) -> Option<String> {
        if let Some(trouble) = self.screen.trouble.as_ref().filter(|_| before.has_picture) {
            return Some(format!("the display can't be opened: {trouble}"));
        }
        let dark: Vec<&str> = self
            .screen
            .monitors
            .difference(&self.screen.shown)
            .map(|name| &**name)
            .collect();
        let is_dark = before.has_picture && !dark.is_empty();
        is_dark.then(|| format!("the monitor has taken no picture: {}", dark.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn observation(flows: &[(u32, bool)]) -> Observation {
        Observation {
            flows: flows
                .iter()
                .map(|(id, flows)| (SourceId(*id), *flows))
                .collect(),
            ..Observation::default()
        }
    }

    fn wall(monitors: &[&str], shown: &[&str], trouble: Option<&str>) -> Observation {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Observation {
            screen: Some(Screen {
                monitors: names(monitors),
                shown: names(shown),
                trouble: trouble.map(str::to_owned),
            }),
            ..Observation::default()
        }
    }

    fn before(flows: &[(u32, bool)]) -> Before {
        let mut health = Health::default();
        health.observe(ChildRole::Processor, &observation(flows), START);
        health.before(START)
    }

    fn evidence(silent: Option<&BTreeSet<SourceId>>) -> Evidence<'_> {
        Evidence {
            roles: [(ChildRole::Processor, vec![SourceId(1), SourceId(2)])].into(),
            silent,
            clip: Some(Ok(())),
        }
    }

    /// The problems of a processor with these flows, whose silent cameras are `silent`.
    fn problems(before: &Before, flows: &[(u32, bool)], silent: Option<&[u32]>) -> Vec<String> {
        let mut health = Health::default();
        health.observe(ChildRole::Processor, &observation(flows), START);
        let silent = silent.map(|ids| ids.iter().copied().map(SourceId).collect());
        health.problems(before, &evidence(silent.as_ref()), START)
    }

    #[test]
    fn sources_that_flow_again_or_never_flowed_are_no_problem() {
        let both = before(&[(1, true), (2, true)]);
        assert_eq!(problems(&both, &[(1, true), (2, true)], None), [""; 0]);
        let one = before(&[(1, true), (2, false)]);
        assert_eq!(problems(&one, &[(1, true), (2, false)], None), [""; 0]);
        // All cameras off before and after.
        let none = before(&[(1, false), (2, false)]);
        assert_eq!(problems(&none, &[(1, false), (2, false)], None), [""; 0]);
    }

    #[test]
    fn a_camera_that_does_not_answer_does_not_count_and_one_that_answers_does() {
        let both = before(&[(1, true), (2, true)]);
        let flows = [(1, true), (2, false)];
        let asked = problems(&both, &flows, None);
        assert_eq!(asked, ["cameras without frames are being looked for"]);
        assert_eq!(problems(&both, &flows, Some(&[2])), [""; 0]);
        assert_eq!(
            problems(&both, &[(1, false), (2, false)], Some(&[1, 2])),
            [""; 0]
        );
        let worse = problems(&both, &flows, Some(&[]));
        assert_eq!(
            worse,
            ["1 of the sources that had frames before the update answer and have none: 2"]
        );
    }

    #[test]
    fn a_source_that_the_document_does_not_name_any_more_is_not_missed() {
        let three = before(&[(1, true), (2, true), (3, true)]);
        assert_eq!(
            problems(&three, &[(1, true), (2, true)], Some(&[])),
            [""; 0]
        );
    }

    #[test]
    fn a_role_that_does_not_run_is_a_problem_though_all_cameras_are_off() {
        let none = before(&[(1, false), (2, false)]);
        let health = Health::default();
        let silent = [1, 2].map(SourceId).into();
        let found = health.problems(&none, &evidence(Some(&silent)), START);
        assert_eq!(found, ["the processor does not run"]);
        // It did not run before either.
        let found = health.problems(&Before::default(), &evidence(None), START);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn the_clip_must_decode() {
        let mut evidence = evidence(None);
        let health = Health::default();
        evidence.clip = Some(Err("no decoder".to_owned()));
        let found = health.problems(&Before::default(), &evidence, START);
        assert_eq!(found, ["the built-in clip does not decode: no decoder"]);
        evidence.clip = None;
        let found = health.problems(&Before::default(), &evidence, START);
        assert_eq!(found, ["the built-in clip is not decoded yet"]);
    }

    #[test]
    fn a_monitor_must_take_a_picture_and_a_missing_one_need_not() {
        let mut former = Health::default();
        former.observe(
            ChildRole::Wall,
            &wall(&["HDMI-A-1"], &["HDMI-A-1"], None),
            START,
        );
        let before = former.before(START);
        assert!(before.has_picture);
        let evidence = || Evidence {
            roles: [(ChildRole::Wall, vec![])].into(),
            silent: None,
            clip: Some(Ok(())),
        };
        let found = |observation: &Observation| {
            let mut health = Health::default();
            health.observe(ChildRole::Wall, observation, START);
            health.problems(&before, &evidence(), START)
        };
        assert_eq!(found(&wall(&["HDMI-A-1"], &["HDMI-A-1"], None)), [""; 0]);
        assert_eq!(found(&wall(&[], &[], None)), [""; 0]);
        assert_eq!(
            found(&wall(&["HDMI-A-1"], &[], None)),
            ["the monitor has taken no picture: HDMI-A-1"]
        );
        assert_eq!(
            found(&wall(&[], &[], Some("no card"))),
            ["the display can't be opened: no card"]
        );
    }

    #[test]
    fn what_was_seen_long_ago_counts_neither_before_nor_after() {
        let mut health = Health::default();
        health.observe(ChildRole::Processor, &observation(&[(1, true)]), START);
        assert_eq!(health.before(START + BEFORE * 2), Before::default());
        let before = health.before(START);
        let late = START + RECENT * 2;
        let found = health.problems(&before, &evidence(Some(&BTreeSet::new())), late);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
