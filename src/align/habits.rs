//! How fast each track goes when it goes: what a track that rests will do once it starts.

use std::collections::HashMap;

use super::clocks::{Ns, ms};

/// Tracks that are remembered; more is a flood, and all are forgotten.
const MOST_TRACKS: usize = 1024;
/// A speed is remembered for this long at least, and for twice that at most.
const SPAN: Ns = ms(30_000);

/// Speeds of every track, by its id.
#[derive(Debug, Default)]
pub(super) struct Habits {
    tracks: HashMap<u64, Habit>,
}

/// The fastest that a track was, across and down, in pictures a second; of the present span and of the one before it.
#[derive(Debug, Clone, Copy)]
struct Habit {
    fastest: [[f32; 2]; 2],
    since: Ns,
}

impl Habits {
    /// The track went at `velocity` (pictures a second, across and down) until `at`.
    pub(super) fn note(&mut self, track: u64, at: Ns, velocity: [f32; 2]) {
        if self.tracks.len() >= MOST_TRACKS && !self.tracks.contains_key(&track) {
            self.tracks
                .retain(|_, habit| at.saturating_sub(habit.since) <= SPAN);
            if self.tracks.len() >= MOST_TRACKS {
                self.tracks.clear();
            }
        }
        let habit = self.tracks.entry(track).or_insert(Habit {
            fastest: [[0.0; 2]; 2],
            since: at,
        });
        if at.saturating_sub(habit.since) > SPAN {
            habit.fastest = [[0.0; 2], habit.fastest[0]];
            habit.since = at;
        }
        for (fastest, velocity) in habit.fastest[0].iter_mut().zip(velocity) {
            *fastest = fastest.max(velocity.abs());
        }
    }

    /// The fastest that the track was lately, across and down; zero where it never moved.
    pub(super) fn speeds(&self, track: u64) -> [f32; 2] {
        let fastest = self.tracks.get(&track).map(|habit| habit.fastest);
        let [present, before] = fastest.unwrap_or_default();
        [present[0].max(before[0]), present[1].max(before[1])]
    }

    pub(super) fn clear(&mut self) {
        self.tracks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_s_speed_outlasts_its_rest_and_not_its_life() {
        let mut habits = Habits::default();
        habits.note(1, ms(0), [-0.2, 0.0]);
        habits.note(1, ms(35_000), [0.0, 0.1]);
        assert_eq!(habits.speeds(1), [0.2, 0.1]);
        habits.note(1, ms(70_000), [0.0, 0.0]);
        assert_eq!(habits.speeds(1), [0.0, 0.1]);
        assert_eq!(habits.speeds(2), [0.0, 0.0]);
    }

    #[test]
    fn a_flood_of_tracks_is_forgotten() {
        let mut habits = Habits::default();
        for track in 0..100_000 {
            habits.note(track, ms(1), [1.0, 1.0]);
            assert!(habits.tracks.len() <= MOST_TRACKS);
        }
    }
}
