//! Hands the next frame of a source to those who ask for one.
//!
//! Without a request no frame is kept: decoders have few buffers and stop when these are held.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::base::Frame;
use crate::base::sync::{lock, wait_while};

/// The place where a source leaves a frame on request.
#[derive(Default)]
pub struct NextFrame {
    state: Mutex<State>,
    given: Condvar,
}

#[derive(Default)]
struct State {
    /// Those who wait.
    waiting: usize,
    /// The frame for them.
    frame: Option<Frame>,
}

impl NextFrame {
    /// Leaves `frame` if somebody waits for one. Called by the decoder's thread, and does not block it.
    pub fn offer(&self, frame: &Frame) {
        let mut state = lock(&self.state);
        if state.waiting > 0 && state.frame.is_none() {
            state.frame = Some(frame.clone());
            self.given.notify_all();
        }
    }

    /// The next frame. Blocks for at most `limit`; `None` if none has come.
    pub fn wait(&self, limit: Duration) -> Option<Frame> {
        let mut state = lock(&self.state);
        state.waiting += 1;
        let mut state = wait_while(&self.given, state, limit, |state| state.frame.is_none());
        state.waiting -= 1;
        match state.waiting {
            0 => state.frame.take(),
            _ => state.frame.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::{OwnedPixels, PixelFormat, Size};

    fn frame(size: Size) -> Frame {
        Frame::untimed(size, OwnedPixels::zeroed(PixelFormat::I420, size))
    }

    #[test]
    fn a_frame_is_kept_only_for_those_who_wait() {
        let (old, new) = (Size::new(16, 16), Size::new(32, 16));
        let next = Arc::new(NextFrame::default());
        next.offer(&frame(old));
        assert!(next.wait(Duration::ZERO).is_none());
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let next = next.clone();
                std::thread::spawn(move || next.wait(Duration::from_secs(60)))
            })
            .collect();
        while lock(&next.state).waiting < 2 {
            std::thread::yield_now();
        }
        next.offer(&frame(new));
        next.offer(&frame(old));
        for waiting in waiting {
            let found = waiting.join().expect("it ends").expect("a frame");
            assert_eq!(found.meta.size, new);
        }
        assert!(lock(&next.state).frame.is_none());
    }
}
