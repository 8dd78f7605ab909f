//! Scenes: the objects that were detected in a frame, and their encoding in recordings.
//!
//! The encoding is a version byte and then postcard, <https://postcard.jamesmunns.com/wire-format>. Postcard has no names of fields and
//! can't skip any, so another form needs another version. Names of classes are written once. Reading takes any bytes: it returns
//! scenes or a [`SceneError`], and its memory is bounded by the bytes that it is given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{BBox, Size};

/// The version of the encoding.
const VERSION: u8 = 1;
/// The most scenes that are written together: those of 10 s at 100 analysed frames a second.
pub(super) const MOST_SCENES: usize = 1000;
/// The most objects of a scene that are written. No detector has as many.
const MOST_OBJECTS: usize = 1000;
/// The most different classes of scenes that are written together.
const MOST_CLASSES: usize = 1000;
/// The longest name of a class in bytes, as in events.
const LONGEST_NAME_BYTES: usize = 256;
/// The most bytes of scenes that are written together: some 80 000 objects.
pub(super) const LARGEST_SCENES_BYTES: usize = 2 << 20;

/// The objects of one analysed frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Capture time of the frame since the Unix epoch.
    pub captured_unix: Duration,
    /// RTCP NTP time of the frame as Unix nanoseconds, where the camera tells it.
    pub ntp_ns: Option<u64>,
    /// The pixels that the boxes refer to. A scene without any is not recorded.
    pub frame_size: Size,
    /// The objects. None, if nothing was detected. The first 1000 are recorded.
    pub objects: Vec<SceneObject>,
}

/// An object of a scene. It is recorded if its numbers are finite, its confidence is 0–1 and its box has no negative side.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneObject {
    /// The name of its class, by the labels of the model. The first 256 bytes are recorded.
    pub class_name: Arc<str>,
    /// Score, 0–1.
    pub confidence: f32,
    /// Its box: centre and full size in pixels of the frame.
    pub bbox: BBox,
    /// Number of its track, if it has one.
    pub track: Option<u64>,
}

/// Bytes that are no scenes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum SceneError {
    /// More than are ever written.
    #[error("scenes with {found} {of} (limit {limit})")]
    TooMany {
        /// What there is too much of.
        of: &'static str,
        /// The number.
        found: usize,
        /// The most that a reader accepts.
        limit: usize,
    },
    /// Another version, or no bytes at all.
    #[error("scenes have version {found:?}; this program reads version {VERSION}")]
    Version {
        /// The first byte.
        found: Option<u8>,
    },
    /// Not of this form.
    #[error("scenes are no postcard: {0}")]
    Postcard(#[from] postcard::Error),
    /// More than one value.
    #[error("{bytes} bytes follow the scenes")]
    Trailing {
        /// Their number.
        bytes: usize,
    },
    /// A number that can't be.
    #[error("scene {scene} has {field} that is out of range")]
    OutOfRange {
        /// Its number among the scenes, from 0.
        scene: usize,
        /// The field.
        field: &'static str,
    },
}

/// All scenes that are written together.
#[derive(Serialize, Deserialize)]
struct WrittenScenes<'a> {
    #[serde(borrow)]
    class_names: Vec<&'a str>,
    scenes: Vec<WrittenScene>,
}

#[derive(Serialize, Deserialize)]
struct WrittenScene {
    captured_ns: u64,
    ntp_ns: Option<u64>,
    width: u32,
    height: u32,
    objects: Vec<WrittenObject>,
}

#[derive(Serialize, Deserialize)]
struct WrittenObject {
    /// Index of its name.
    class: u32,
    confidence: f32,
    /// Centre x, centre y, width, height.
    bbox: [f32; 4],
    track: Option<u64>,
}

impl Scene {
    /// Its memory in bytes. Names of classes are not counted: all objects share those of the model.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.objects.len() * size_of::<SceneObject>()
    }
}

impl SceneObject {
    /// What in it can't be, if anything.
    fn out_of_range(&self) -> Option<&'static str> {
        let BBox {
            x,
            y,
            width,
            height,
        } = self.bbox;
        let is_side = |side: f32| side.is_finite() && side >= 0.0;
        if !(0.0..=1.0).contains(&self.confidence) {
            Some("a confidence")
        } else if !(x.is_finite() && y.is_finite() && is_side(width) && is_side(height)) {
            Some("a box")
        } else {
            None
        }
    }
}

/// The encoding of scenes; nothing if they are more than a reader accepts.
pub(super) fn encode(scenes: &[Scene]) -> Option<Vec<u8>> {
    let mut class_names = Vec::new();
    let mut classes = BTreeMap::new();
    let mut class_of = |name| {
        *classes.entry(name).or_insert_with(|| {
            class_names.push(name);
            class_names.len() as u32 - 1
        })
    };
    let with_size = |scene: &&Scene| scene.frame_size.width > 0 && scene.frame_size.height > 0;
    let written = scenes
        .iter()
        .filter(with_size)
        .map(|scene| WrittenScene::of(scene, &mut class_of));
    let scenes: Vec<_> = written.collect();
    if scenes.len() > MOST_SCENES || class_names.len() > MOST_CLASSES {
        return None;
    }
    let written = WrittenScenes {
        class_names,
        scenes,
    };
    let bytes = postcard::to_extend(&written, vec![VERSION])
        .expect("invariant: every length is known before it is written");
    (bytes.len() <= LARGEST_SCENES_BYTES).then_some(bytes)
}

/// The scenes of their encoding.
///
/// # Errors
/// If it is too large, of another version or malformed, or has a number that can't be.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Scene>, SceneError> {
    limit("bytes", bytes.len(), LARGEST_SCENES_BYTES)?;
    let Some((&VERSION, body)) = bytes.split_first() else {
        let found = bytes.first().copied();
        return Err(SceneError::Version { found });
    };
    let (written, rest) = postcard::take_from_bytes::<WrittenScenes<'_>>(body)?;
    if !rest.is_empty() {
        return Err(SceneError::Trailing { bytes: rest.len() });
    }
    limit("classes", written.class_names.len(), MOST_CLASSES)?;
    limit("scenes", written.scenes.len(), MOST_SCENES)?;
    let mut class_names: Vec<Arc<str>> = Vec::with_capacity(written.class_names.len());
    for name in written.class_names {
        limit("bytes of a class name", name.len(), LONGEST_NAME_BYTES)?;
        class_names.push(name.into());
    }
    let read = |(number, scene): (usize, WrittenScene)| scene.read(number, &class_names);
    written.scenes.into_iter().enumerate().map(read).collect()
}

fn limit(of: &'static str, found: usize, limit: usize) -> Result<(), SceneError> {
    if found <= limit {
        return Ok(());
    }
    Err(SceneError::TooMany { of, found, limit })
}

impl WrittenScene {
    /// `class_of` gives the index of a name.
    fn of<'a>(scene: &'a Scene, class_of: &mut impl FnMut(&'a str) -> u32) -> Self {
        let is_sound = |object: &&SceneObject| object.out_of_range().is_none();
        let objects = scene.objects.iter().filter(is_sound).take(MOST_OBJECTS);
        Self {
            captured_ns: u64::try_from(scene.captured_unix.as_nanos()).unwrap_or(u64::MAX),
            ntp_ns: scene.ntp_ns,
            width: scene.frame_size.width,
            height: scene.frame_size.height,
            objects: objects
                .map(|object| WrittenObject {
                    class: class_of(cut(&object.class_name)),
                    confidence: object.confidence,
                    bbox: [
                        object.bbox.x,
                        object.bbox.y,
                        object.bbox.width,
                        object.bbox.height,
                    ],
                    track: object.track,
                })
                .collect(),
        }
    }

    fn read(self, number: usize, class_names: &[Arc<str>]) -> Result<Scene, SceneError> {
        limit("objects of one frame", self.objects.len(), MOST_OBJECTS)?;
        let out_of_range = |field| SceneError::OutOfRange {
            scene: number,
            field,
        };
        if self.width == 0 || self.height == 0 {
            return Err(out_of_range("a frame size"));
        }
        let mut objects = Vec::with_capacity(self.objects.len());
        for object in self.objects {
            let class = usize::try_from(object.class).ok();
            let class_name = class.and_then(|class| class_names.get(class));
            let [x, y, width, height] = object.bbox;
            let object = SceneObject {
                class_name: class_name.ok_or_else(|| out_of_range("a class"))?.clone(),
                confidence: object.confidence,
                bbox: BBox {
                    x,
                    y,
                    width,
                    height,
                },
                track: object.track,
            };
            if let Some(field) = object.out_of_range() {
                return Err(out_of_range(field));
            }
            objects.push(object);
        }
        Ok(Scene {
            captured_unix: Duration::from_nanos(self.captured_ns),
            ntp_ns: self.ntp_ns,
            frame_size: Size::new(self.width, self.height),
            objects,
        })
    }
}

/// The part of a name that is written.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(LONGEST_NAME_BYTES)]
}

#[cfg(test)]
#[path = "scene_tests.rs"]
mod tests;
