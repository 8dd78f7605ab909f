//! The positions of objects in each frame of a film.

use std::sync::Arc;
use std::time::Duration;

use nvr::base::{BBox, Pattern, Size};

/// One object of a frame.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) track: u64,
    pub(crate) class_name: Arc<str>,
    pub(crate) bbox: BBox,
}

/// Objects by frame.
pub(crate) struct Film {
    pub(crate) size: Size,
    /// Time from frame to frame.
    pub(crate) interval: Duration,
    pub(crate) frames: Vec<Vec<Object>>,
}

impl Film {
    /// The test pattern at 25 frames a second.
    pub(crate) fn pattern(size: Size, objects: u32, frames: u32) -> Self {
        let pattern = Pattern::new(size, objects).expect("an ordinary size");
        let frame = |number| {
            let objects = (1..).zip(pattern.objects(number));
            objects
                .map(|(track, object)| Object {
                    track,
                    class_name: object.class_name.into(),
                    bbox: object.bbox,
                })
                .collect()
        };
        Self {
            size,
            interval: Duration::from_millis(40),
            frames: (0..frames).map(frame).collect(),
        }
    }

    /// The object of a track in a frame.
    pub(crate) fn object(&self, number: usize, track: u64) -> Option<&Object> {
        let objects = self.frames.get(number)?.iter();
        objects.into_iter().find(|object| object.track == track)
    }
}
