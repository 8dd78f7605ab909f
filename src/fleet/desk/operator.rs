//! The operator during a rollout: may interrupt it, and is asked between two stages.

use tokio::sync::oneshot;

/// Asks the operator for the next stage. The answer is ready when the operator wants it, and fails when no answer will come.
pub type Ask<'a> = &'a mut dyn FnMut() -> oneshot::Receiver<()>;

/// The operator of a rollout.
pub struct Operator<'a, I> {
    /// Ready when the rollout is to end before its time; it can be resumed.
    pub interrupt: I,
    /// Asks for the next stage at a pause. Absent: there is nobody to ask, and the desk ends; the rollout can be resumed.
    pub ask: Option<Ask<'a>>,
}

/// The answer to a question that may not have been asked: pending without one.
pub(super) async fn answer(asked: &mut Option<oneshot::Receiver<()>>) -> bool {
    let Some(receiver) = asked else {
        return std::future::pending().await;
    };
    let answer = receiver.await;
    *asked = None;
    answer.is_ok()
}
