//! The orientation that a stream of H.264 or H.265 states itself, by display orientation messages (`sei`).
//!
//! GStreamer's parsers do not read these messages. They are read from the access units behind the parser. Each change is
//! sent as an event in front of the access unit, so that it passes the decoder with its picture; `declared_shape` receives
//! it. If pictures are shown in another order than they are sent, decoders pass a change on up to a few pictures early.
//! It takes precedence over the container's tag, which may state the same.

use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::codec::Codec;
use super::sei::{Framing, Message, PictureStart, unit_start};
use crate::base::Orientation;
use crate::base::sync::lock;

/// The name of the event, and of its fields. Without fields, the stream states no orientation.
const EVENT: &str = "nvr-display-orientation";
const MIRRORED: &str = "mirrored";
const QUARTERS: &str = "quarters";
/// A quarter turn in the unit of the message.
const QUARTER: u16 = 0x4000;
/// Largest accepted rounding error of a rotation, half a degree.
const LARGEST_ERROR: u16 = 91;

/// Watches the access units of `codec` that leave a parser through `pad`, and sends an event before each change of the
/// orientation that they state.
pub(super) fn watch_units(codec: Codec, pad: &gst::Pad) {
    if codec == Codec::Mjpeg {
        return;
    }
    let of_events = Arc::new(Mutex::new(StatedOrientation::new(codec)));
    let of_units = of_events.clone();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        match info.event().map(|event| event.view()) {
            Some(gst::EventView::StreamStart(_)) => lock(&of_events).forget(),
            Some(gst::EventView::Caps(event)) => {
                if let Some(caps) = event.caps().structure(0) {
                    lock(&of_events).framing = framing_in(codec, caps);
                }
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let bytes = info.buffer().and_then(|unit| unit.map_readable().ok());
        let change = bytes.and_then(|bytes| lock(&of_units).unit(&bytes));
        if let Some(stated) = change {
            tracing::debug!(?stated, "the stream states another orientation");
            if !pad.push_event(event_of(stated)) {
                tracing::debug!("the orientation was not accepted");
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// The orientation in `event`, if it is one of these events; `None` inside if the stream states none from here on.
pub(super) fn stated_in(event: &gst::event::CustomDownstreamSticky) -> Option<Option<Orientation>> {
    let fields = event.structure().filter(|fields| fields.name() == EVENT)?;
    let orientation = || {
        Some(Orientation {
            mirrored: fields.get(MIRRORED).ok()?,
            quarters: u8::try_from(fields.get::<u32>(QUARTERS).ok()?).ok()? % 4,
        })
    };
    Some(orientation())
}

/// Sticky, as tags are: it is sent again to an element that restarts.
pub(super) fn event_of(stated: Option<Orientation>) -> gst::Event {
    let fields = gst::Structure::builder(EVENT);
    let fields = match stated {
        Some(stated) => fields
            .field(MIRRORED, stated.mirrored)
            .field(QUARTERS, u32::from(stated.quarters)),
        None => fields,
    };
    gst::event::CustomDownstreamSticky::new(fields.build())
}

/// How the caps of a parsed stream separate NAL units.
pub(super) fn framing_in(codec: Codec, caps: &gst::StructureRef) -> Framing {
    let header = caps.get::<gst::Buffer>("codec_data").ok();
    let header = header.and_then(|header| header.into_mapped_buffer_readable().ok());
    // `lengthSizeMinusOne` of ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1.
    let at = match codec {
        Codec::H265 => 21,
        _ => 4,
    };
    let length = header.and_then(|header| header.get(at).copied());
    match caps.get::<&str>("stream-format") {
        Ok("avc" | "avc3" | "hvc1" | "hev1") => {
            Framing::Lengths(length.map_or(4, |length| usize::from(length & 3) + 1))
        }
        _ => Framing::StartCodes,
    }
}

/// The orientation that applies to the pictures of one stream.
#[derive(Debug)]
struct StatedOrientation {
    codec: Codec,
    framing: Framing,
    /// A message whose picture has not begun yet.
    pending: Option<Message>,
    /// The orientation of the pictures that follow.
    persistent: Option<Orientation>,
    /// The orientation of the last picture.
    stated: Option<Orientation>,
    has_warned: bool,
}

impl StatedOrientation {
    fn new(codec: Codec) -> Self {
        Self {
            codec,
            framing: Framing::StartCodes,
            pending: None,
            persistent: None,
            stated: None,
            has_warned: false,
        }
    }

    /// Another stream begins. `stated` is kept, because the elements behind the parser have it.
    fn forget(&mut self) {
        (self.pending, self.persistent) = (None, None);
    }

    /// Reads an access unit. Returns the orientation if it changes with its picture.
    fn unit(&mut self, bytes: &[u8]) -> Option<Option<Orientation>> {
        let start = unit_start(self.codec, self.framing, bytes);
        self.pending = start.message.or(self.pending);
        let stated = self.picture(start.picture?);
        (std::mem::replace(&mut self.stated, stated) != stated).then_some(stated)
    }

    /// The orientation of the picture that begins.
    fn picture(&mut self, start: PictureStart) -> Option<Orientation> {
        let before = self.persistent.filter(|_| !start.starts_sequence);
        let (now, later) = match self.pending.take() {
            None => (before, before),
            // A stream that was turned states that it is upright now. One that never was leaves it to its container.
            Some(Message::Cancel) => {
                let upright = self.persistent.map(|_| Orientation::default());
                (upright, upright)
            }
            Some(Message::Turn {
                horizontal_flip,
                vertical_flip,
                anticlockwise,
                persists,
            }) => {
                let now = self.turned(horizontal_flip, vertical_flip, anticlockwise);
                (now, now.filter(|_| persists))
            }
        };
        self.persistent = later;
        now
    }

    /// The orientation after the flips and the rotation; none for rotations that are not supported.
    fn turned(
        &mut self,
        horizontal_flip: bool,
        vertical_flip: bool,
        anticlockwise: u16,
    ) -> Option<Orientation> {
        let error = anticlockwise.wrapping_add(LARGEST_ERROR) % QUARTER;
        if error > 2 * LARGEST_ERROR {
            if !std::mem::replace(&mut self.has_warned, true) {
                tracing::warn!(
                    anticlockwise_degrees = f64::from(anticlockwise) * 360.0 / 65536.0,
                    "the stream asks for a rotation that is not a multiple of 90 degrees; its pictures are not rotated; set \
                     another rotation in the camera"
                );
            }
            return None;
        }
        let anticlockwise = anticlockwise.wrapping_add(LARGEST_ERROR) / QUARTER;
        // A vertical flip is a horizontal one and half a turn.
        let quarters = 2 * u16::from(vertical_flip) + 4 - anticlockwise;
        Some(Orientation {
            mirrored: horizontal_flip != vertical_flip,
            quarters: u8::try_from(quarters % 4).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPRIGHT: Orientation = Orientation {
        mirrored: false,
        quarters: 0,
    };

    fn turn(flips: (bool, bool), anticlockwise: u16, persists: bool) -> Message {
        Message::Turn {
            horizontal_flip: flips.0,
            vertical_flip: flips.1,
            anticlockwise,
            persists,
        }
    }

    /// The orientations of pictures: each with its message, and whether it starts a sequence.
    fn stated(pictures: &[(Option<Message>, bool)]) -> Vec<Option<Orientation>> {
        let mut stream = StatedOrientation::new(Codec::H264);
        let pictures = pictures.iter().map(|(message, starts_sequence)| {
            stream.pending = *message;
            stream.picture(PictureStart {
                starts_sequence: *starts_sequence,
            })
        });
        pictures.collect()
    }

    #[test]
    fn flips_come_before_the_anticlockwise_rotation() {
        let orientation = |mirrored, quarters| Some(Orientation { mirrored, quarters });
        for (flips, anticlockwise, wanted) in [
            ((false, false), 0, orientation(false, 0)),
            ((false, false), 0x4000, orientation(false, 3)),
            ((false, false), 0x8000, orientation(false, 2)),
            ((false, false), 0xc000, orientation(false, 1)),
            ((true, false), 0, orientation(true, 0)),
            ((false, true), 0, orientation(true, 2)),
            ((true, true), 0, orientation(false, 2)),
            ((true, false), 0x4000, orientation(true, 3)),
            ((false, true), 0xc000, orientation(true, 3)),
            // Rounded by the encoder.
            ((false, false), 0x3fff, orientation(false, 3)),
            ((false, false), 0xffff, orientation(false, 0)),
            ((false, false), 0x2000, None),
            ((true, false), 0x4000 + LARGEST_ERROR + 1, None),
        ] {
            let turned = stated(&[(Some(turn(flips, anticlockwise, true)), true)]);
            assert_eq!(turned, [wanted], "{flips:?} {anticlockwise:x}");
        }
    }

    #[test]
    fn a_message_lasts_as_long_as_it_says() {
        let quarter = |persists| Some(turn((false, false), 0xc000, persists));
        let turned = Some(Orientation {
            mirrored: false,
            quarters: 1,
        });
        // Up to the next sequence.
        let pictures = [(quarter(true), true), (None, false), (None, true)];
        assert_eq!(stated(&pictures), [turned, turned, None]);
        // For its own picture only.
        let pictures = [
            (quarter(false), true),
            (None, false),
            (quarter(false), false),
        ];
        assert_eq!(stated(&pictures), [turned, None, turned]);
        // Up to a cancellation, which also starts a sequence.
        let cancel = Some(Message::Cancel);
        let pictures = [
            (quarter(true), true),
            (cancel, true),
            (None, false),
            (None, true),
        ];
        let upright = Some(UPRIGHT);
        assert_eq!(stated(&pictures), [turned, upright, upright, None]);
        // A cancellation of nothing states nothing.
        assert_eq!(stated(&[(cancel, true), (None, false)]), [None, None]);
        // Up to a message that can't be followed.
        let odd = Some(turn((false, false), 0x1000, true));
        let pictures = [(quarter(true), true), (odd, false), (None, false)];
        assert_eq!(stated(&pictures), [turned, None, None]);
    }

    #[test]
    fn only_changes_are_told_and_a_message_waits_for_its_picture() {
        let mut stream = StatedOrientation::new(Codec::H264);
        let message = [0, 0, 1, 6, 47, 3, 0b0001_1000, 0, 0b0000_1000, 0x80];
        let (key, other) = ([0, 0, 1, 0x65, 0x80], [0, 0, 1, 0x41, 0x80]);
        let turned = Some(Orientation {
            mirrored: false,
            quarters: 1,
        });
        assert_eq!(stream.unit(&message), None);
        assert_eq!(stream.unit(&key), Some(turned));
        assert_eq!(stream.unit(&other), None);
        assert_eq!(stream.unit(&[&message[..], &key].concat()), None);
        stream.forget();
        assert_eq!(stream.unit(&other), Some(None));
        assert_eq!(stream.unit(&key), None);
    }

    #[test]
    fn an_event_carries_every_orientation() {
        super::super::init().expect("GStreamer starts");
        let quarters = (0..4).flat_map(|quarters| {
            [false, true].map(|mirrored| Some(Orientation { mirrored, quarters }))
        });
        for stated in quarters.chain([None]) {
            let event = event_of(stated);
            let gst::EventView::CustomDownstreamSticky(event) = event.view() else {
                panic!("another event");
            };
            assert_eq!(stated_in(event), Some(stated));
        }
    }
}
