//! The newest scene of a head as a picture for viewers of the page. It is copied only on request, because a scene in full HD
//! has eight megabytes.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::base::Waker;
use crate::base::sync::{lock, wait_while};
use crate::render::Canvas;

/// Viewers count as present for this long after their last request: a head without a monitor composes for them.
const PRESENT_FOR: Duration = Duration::from_secs(3);

/// A picture that viewers request and the head's thread provides.
#[derive(Default)]
pub(super) struct ViewerPicture {
    state: Mutex<RequestState>,
    provided: Condvar,
}

#[derive(Default)]
struct RequestState {
    is_wanted: bool,
    last_request: Option<Instant>,
    newest: Option<Arc<Canvas>>,
    /// The number of the scene that `newest` shows.
    scene: u64,
    /// Number of answered requests.
    answers: u64,
}

impl ViewerPicture {
    /// The newest scene. Wakes the head's thread and blocks until it has copied the scene, for at most `limit`.
    pub(super) fn picture(&self, limit: Duration, head: &Waker) -> Option<Arc<Canvas>> {
        let mut state = lock(&self.state);
        let before = state.answers;
        state.is_wanted = true;
        state.last_request = Some(Instant::now());
        head.wake();
        let state = wait_while(&self.provided, state, limit, |state| {
            state.answers == before
        });
        state.newest.clone()
    }

    /// Whether there was a request recently.
    pub(super) fn has_viewers(&self) -> bool {
        let last = lock(&self.state).last_request;
        last.is_some_and(|at| at.elapsed() < PRESENT_FOR)
    }

    /// Answers requests with scene number `scene`, which `copy` copies. Called by the head's thread after each round.
    pub(super) fn offer(&self, scene: u64, copy: impl FnOnce() -> Canvas) {
        let mut state = lock(&self.state);
        if state.is_wanted {
            state.is_wanted = false;
            // The same scene stays the same Arc: viewers share one encoding of it.
            if state.newest.is_none() || state.scene != scene {
                state.newest = Some(Arc::new(copy()));
                state.scene = scene;
            }
            state.answers += 1;
            self.provided.notify_all();
        } else if state
            .last_request
            .is_some_and(|at| at.elapsed() >= PRESENT_FOR)
        {
            state.newest = None;
        }
    }
}
