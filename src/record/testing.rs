//! Units for the tests of the room.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::model_disk::ModelDisk;
use super::mp4::{self, FileEnding};
use super::recorder::prepare_marks;
use super::report::{SourceReport, SourceShared};
use super::scene::{Scene, SceneObject};
use super::space::{Space, SpaceLimits};
use super::writer::Writer;
use crate::base::{BBox, CaptureClock, Clock, Size, SourceId};
use crate::media::{Codec, CodedFormat, CodedUnit};

/// The folder of recordings.
pub(super) const DIR: &str = "/rec";
/// The first file of [`Rig`].
pub(super) const FIRST: &str = "/rec/7/2026-11-28/08/20261128T083000.323Z.mp4";
/// 2026-11-28T08:30:00.123Z.
pub(super) const STARTED_UNIX: Duration = Duration::from_millis(1_795_854_600_123);

/// Space without limits, and nobody who deletes.
pub(super) fn unlimited(dir: &Path) -> Arc<Space> {
    let limits = SpaceLimits::none(dir);
    Arc::new(Space::new(limits, Clock::by_hand()))
}

/// A camera.
#[derive(Debug, Clone)]
pub(super) struct Camera {
    pub format: Arc<CodedFormat>,
    pub session: u64,
    /// From one unit to the next, in display order.
    pub interval: Duration,
    /// Time of the next unit since the start, by arrival and by media.
    pub at: Duration,
    /// Capture time at the start.
    pub epoch: Duration,
    /// Size of the next units.
    pub bytes: usize,
}

/// A format of this width.
pub(super) fn format(width: u32) -> Arc<CodedFormat> {
    Arc::new(CodedFormat {
        codec: Codec::H264,
        record: Bytes::from_static(b"\x01\x64\x00\x1f\xff\xe0\x00"),
        size: Size::new(width, 480),
    })
}

impl Camera {
    /// 5 pictures a second, each of 100 bytes.
    pub(super) fn new() -> Self {
        Self {
            format: format(640),
            session: 1,
            interval: Duration::from_millis(200),
            at: Duration::ZERO,
            epoch: STARTED_UNIX,
            bytes: 100,
        }
    }

    /// The next unit, in display order.
    pub(super) fn unit(&mut self, is_key: bool) -> CodedUnit {
        self.at += self.interval;
        self.unit_at(self.at, is_key)
    }

    pub(super) fn key(&mut self) -> CodedUnit {
        self.unit(true)
    }

    pub(super) fn other(&mut self) -> CodedUnit {
        self.unit(false)
    }

    /// A picture and two B-frames that are shown before it, in decoding order.
    pub(super) fn reordered(&mut self) -> [CodedUnit; 3] {
        let first = self.at + self.interval;
        self.at += self.interval * 3;
        let mut units = [self.at, first, first + self.interval].map(|at| self.unit_at(at, false));
        for (unit, later) in units.iter_mut().zip(0..) {
            unit.arrival = first + self.interval * later;
        }
        units
    }

    /// A key frame and pictures after it: `count` units.
    pub(super) fn group(&mut self, count: usize) -> Vec<CodedUnit> {
        (0..count).map(|number| self.unit(number == 0)).collect()
    }

    fn unit_at(&self, at: Duration, is_key: bool) -> CodedUnit {
        let seed = at.as_millis() as u8;
        let data: Vec<u8> = (0..self.bytes)
            .map(|byte| (byte as u8).wrapping_mul(31) ^ seed | 1)
            .collect();
        CodedUnit {
            format: self.format.clone(),
            data: data.into(),
            is_key,
            session: self.session,
            pts_ns: at.as_nanos() as u64,
            arrival: at,
            captured_unix: self.epoch + at,
            clock: CaptureClock::Arrival,
            ntp_ns: None,
        }
    }
}

/// What was detected in the frame of a unit: one object.
pub(super) fn scene_of(unit: &CodedUnit) -> Scene {
    let object = SceneObject {
        class_name: "person".into(),
        confidence: 0.5,
        bbox: BBox {
            x: 320.0,
            y: 240.0,
            width: 40.0,
            height: 120.0,
        },
        track: Some(17),
    };
    Scene {
        captured_unix: unit.captured_unix,
        ntp_ns: unit.ntp_ns,
        frame_size: unit.format.size,
        objects: vec![object],
    }
}

/// The capture times of the frames and of the scenes of each fragment of a file.
pub(super) fn times_in(file: &[u8]) -> Vec<(Vec<Duration>, Vec<Duration>)> {
    let reading = mp4::read(&mut &*file).expect("a recording");
    let places = reading.fragments.iter();
    let times = places.map(|place| {
        let mut bytes = &file[place.offset as usize..];
        let content = mp4::read_fragment(&mut bytes, reading.head.id, place.sequence);
        let content = content.expect("a sound fragment");
        assert_eq!(content.bytes, place.bytes);
        let frames = content.frames.iter().map(|frame| frame.captured_unix);
        let scenes = content.scenes.iter().map(|scene| scene.captured_unix);
        (frames.collect(), scenes.collect())
    });
    times.collect()
}

/// A writer, a camera and their disk.
pub(super) struct Rig {
    pub disk: ModelDisk,
    pub writer: Writer<ModelDisk>,
    pub camera: Camera,
    pub shared: Arc<SourceShared>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::on(ModelDisk::new(Path::new(DIR)))
    }

    pub(super) fn on(disk: ModelDisk) -> Self {
        let dir = Path::new(DIR);
        Self::with_space(disk, unlimited(dir))
    }

    pub(super) fn with_space(disk: ModelDisk, space: Arc<Space>) -> Self {
        let dir = Path::new(DIR);
        prepare_marks(&disk, dir).expect("the model takes all");
        let (durable_every, file_length) = (Duration::from_secs(5), Duration::from_secs(60));
        Self {
            writer: Writer::new(
                disk.clone(),
                dir.to_owned(),
                space,
                durable_every,
                file_length,
            ),
            disk,
            camera: Camera::new(),
            shared: Arc::new(SourceShared::new(SourceId(7))),
        }
    }

    pub(super) fn give(&mut self, units: impl IntoIterator<Item = CodedUnit>) {
        for unit in units {
            let now = unit.arrival;
            self.writer.unit(&self.shared, unit, false, now);
            self.writer.tick(now);
        }
    }

    /// Units, each with a scene after it.
    pub(super) fn give_analysed(&mut self, units: impl IntoIterator<Item = CodedUnit>) {
        for unit in units {
            let (scene, now) = (scene_of(&unit), unit.arrival);
            self.give([unit]);
            self.writer.scene(&self.shared, scene, now);
        }
    }

    /// Groups of a second.
    pub(super) fn seconds(&mut self, seconds: usize) {
        for _ in 0..seconds {
            let group = self.camera.group(5);
            self.give(group);
        }
    }

    pub(super) fn finish(&mut self) {
        self.writer.finish(self.camera.at);
    }

    pub(super) fn report(&self) -> SourceReport {
        self.shared.report().clone()
    }

    /// The recordings, which all must be closed: name, number of frames.
    pub(super) fn closed(&self) -> Vec<(String, u32)> {
        let files = self.disk.files();
        let recordings = files.iter().filter(|(path, _)| path.extension().is_some());
        let shown = recordings.map(|(path, content)| {
            let reading = mp4::read(&mut content.as_slice()).expect("a recording");
            assert_eq!(reading.ending, FileEnding::Closed, "{}", path.display());
            let name = path
                .strip_prefix(DIR)
                .expect("inside")
                .display()
                .to_string();
            (
                name,
                reading.fragments.iter().map(|place| place.frames).sum(),
            )
        });
        shown.collect()
    }

    pub(super) fn fails_from(&self, action: &'static str, errno: i32) {
        self.disk
            .refuse(move |asked, _| (asked == action).then(|| io::Error::from_raw_os_error(errno)));
    }
}
