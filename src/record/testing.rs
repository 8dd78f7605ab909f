//! Units for the tests of the room.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::{CaptureClock, Size};
use crate::media::{Codec, CodedFormat, CodedUnit};

/// 2026-11-28T08:30:00.123Z.
pub(super) const STARTED_UNIX: Duration = Duration::from_millis(1_795_854_600_123);

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
