//! The class of a box.

/// The strongest class of a row of scores, and its score; none if there is none.
pub(super) fn strongest_class(scores: &[f32]) -> Option<(usize, f32)> {
    scores
        .iter()
        .copied()
        .enumerate()
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .filter(|(_, score)| !score.is_nan())
}
