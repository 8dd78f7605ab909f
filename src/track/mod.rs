//! Detections of one frame after another to tracks, by source.
