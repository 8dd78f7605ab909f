//! The frames of a window with their objects.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use super::super::mp4::{self, FragmentPlace, FrameAt, ReadError};
use super::super::scene::Scene;
use super::contents::{Contents, end};
use super::name::RecordingName;
use super::scenes::{FrameTime, by_frame};

/// The longest window: all its bytes are read.
pub(super) const LONGEST: Duration = Duration::from_secs(120);
/// The longest time from a frame to the fragment with its objects: that of the analysis, and of the fragment before.
pub const SCENE_DELAY: Duration = Duration::from_secs(5);
/// Frames around a window are read as well: a scene at its edge belongs to the nearest of all frames. With B-frames, a fragment has
/// frames that were captured before its first one.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// The frames of a file in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct FileFrames {
    /// The file.
    pub name: RecordingName,
    /// In the order in which they are shown, at least one.
    pub frames: Vec<ShownFrame>,
}

/// A frame with its objects.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownFrame {
    /// Presentation time in ticks of 1/90000 s since the file's start.
    pub presentation_tick: i64,
    /// Capture time since the Unix epoch.
    pub captured_unix: Duration,
    /// Its objects. Nothing if it was not analysed.
    pub scene: Option<Scene>,
}

/// The times of which frames are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    from: Duration,
    to: Duration,
}

/// What was read of a file.
#[derive(Debug)]
pub(super) struct ReadFrames {
    name: RecordingName,
    frames: Vec<FrameAt>,
    scenes: Vec<Scene>,
}

impl Window {
    pub(super) fn new(from: Duration, to: Duration) -> Self {
        Self {
            from,
            to: to.min(from.saturating_add(LONGEST)),
        }
    }

    /// Whether a frame is asked for.
    fn has(&self, captured_unix: Duration) -> bool {
        (self.from..self.to).contains(&captured_unix)
    }

    /// Whether a frame or a scene may decide what belongs to those that are asked for.
    fn is_near(&self, captured_unix: Duration) -> bool {
        let from = self.from.saturating_sub(MARGIN);
        (from..self.to.saturating_add(MARGIN)).contains(&captured_unix)
    }

    /// Whether a fragment may have frames or scenes for it.
    fn needs(&self, place: &FragmentPlace) -> bool {
        let to = self.to.saturating_add(SCENE_DELAY.max(MARGIN));
        let from = self.from.saturating_sub(MARGIN);
        place.captured_unix < to && end(place).saturating_add(MARGIN) > from
    }
}

/// Reads what a window needs of a file. A fragment that is damaged is passed over.
///
/// # Errors
/// If the system can't read it.
pub(super) fn read(
    name: &RecordingName,
    file: &mut (impl Read + Seek),
    contents: &Contents,
    window: &Window,
) -> Result<Option<ReadFrames>, ReadError> {
    let mut read = ReadFrames {
        name: name.clone(),
        frames: Vec::new(),
        scenes: Vec::new(),
    };
    let needed = |place: &&FragmentPlace| window.needs(place);
    for place in contents.fragments.iter().filter(needed) {
        file.seek(SeekFrom::Start(place.offset))?;
        let mut bytes = file.by_ref().take(place.bytes);
        let content = match mp4::read_fragment(&mut bytes, contents.id, place.sequence) {
            Ok(content) => content,
            Err(ReadError::Damaged { .. }) => continue,
            Err(error) => return Err(error),
        };
        let frames = content.frames.into_iter();
        read.frames
            .extend(frames.filter(|frame| window.is_near(frame.captured_unix)));
        let scenes = content.scenes.into_iter();
        read.scenes
            .extend(scenes.filter(|scene| window.is_near(scene.captured_unix)));
    }
    Ok((!read.frames.is_empty() || !read.scenes.is_empty()).then_some(read))
}

/// Puts the scenes of all files on the frames, and leaves out the frames that were not asked for.
pub(super) fn with_scenes(read: Vec<ReadFrames>, window: &Window) -> Vec<FileFrames> {
    let mut times = Vec::new();
    let mut scenes = Vec::new();
    let mut files = Vec::new();
    for file in read {
        times.extend(file.frames.iter().map(|frame| FrameTime {
            captured_unix: frame.captured_unix,
            ntp_ns: frame.ntp_ns,
        }));
        scenes.extend(file.scenes);
        files.push((file.name, file.frames));
    }
    let mut scenes = by_frame(&times, scenes).into_iter();
    let with_scenes = files.into_iter().map(|(name, frames)| {
        let shown = frames.into_iter().zip(scenes.by_ref());
        let mut frames: Vec<ShownFrame> = shown
            .filter(|(frame, _)| window.has(frame.captured_unix))
            .map(|(frame, scene)| ShownFrame {
                presentation_tick: frame.presentation_tick,
                captured_unix: frame.captured_unix,
                scene,
            })
            .collect();
        frames.sort_by_key(|frame| frame.presentation_tick);
        FileFrames { name, frames }
    });
    with_scenes.filter(|file| !file.frames.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CaptureClock, Size, SourceId};

    fn frame(ms: u64, file_ms: u64) -> FrameAt {
        FrameAt {
            offset: 0,
            bytes: 1,
            decode_tick: (ms - file_ms) * 90,
            presentation_tick: (ms - file_ms) as i64 * 90,
            is_key: true,
            captured_unix: Duration::from_millis(ms),
            clock: CaptureClock::Arrival,
            ntp_ns: None,
        }
    }

    fn scene(ms: u64) -> Scene {
        Scene {
            captured_unix: Duration::from_millis(ms),
            ntp_ns: None,
            frame_size: Size::new(640, 480),
            objects: Vec::new(),
        }
    }

    #[test]
    fn a_scene_in_the_next_file_belongs_to_its_frame_in_the_one_before() {
        let name = |ms| RecordingName::new(SourceId(1), Duration::from_millis(ms), 0);
        let read = || {
            let before = ReadFrames {
                name: name(10_000),
                frames: [10_000, 10_040, 10_080].map(|ms| frame(ms, 10_000)).into(),
                scenes: vec![scene(10_000)],
            };
            let after = ReadFrames {
                name: name(10_120),
                frames: [10_120, 10_160].map(|ms| frame(ms, 10_120)).into(),
                scenes: vec![scene(10_080), scene(10_160)],
            };
            vec![before, after]
        };
        let shown = |from: u64, to: u64| -> Vec<(String, Vec<(i64, bool)>)> {
            let window = Window::new(Duration::from_millis(from), Duration::from_millis(to));
            let files = with_scenes(read(), &window).into_iter();
            files
                .map(|file| {
                    let frames = file.frames.iter();
                    let frames =
                        frames.map(|frame| (frame.presentation_tick, frame.scene.is_some()));
                    (file.name.stem().to_owned(), frames.collect())
                })
                .collect()
        };
        let first = "19700101T000010.000Z".to_owned();
        let second = "19700101T000010.120Z".to_owned();
        let all = [
            (first.clone(), vec![(0, true), (3600, false), (7200, true)]),
            (second.clone(), vec![(0, false), (3600, true)]),
        ];
        assert_eq!(shown(0, 20_000), all);
        // A scene of a frame outside the window is on none inside.
        assert_eq!(shown(10_040, 10_041), [(first, vec![(3600, false)])]);
        assert_eq!(shown(10_120, 10_160), [(second, vec![(0, false)])]);
    }
}
