//! The shape of pictures that a stream declares besides the decoder's own caps. The parser states size and pixel aspect
//! ratio, which hardware decoders omit or round up to whole macroblocks. The container states the orientation in a tag, the
//! stream itself in messages (`display_orientation`).

use std::sync::{Arc, Mutex, MutexGuard};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use super::display_orientation::stated_in;
use super::host_frame::{colorimetry_of, size_of};
use crate::base::sync::lock;
use crate::base::{Colorimetry, Crop, Orientation, PictureShape, Size};

/// Decoders round sizes up to whole blocks of at most this many samples. A larger difference means another picture.
const LARGEST_BLOCK: u32 = 64;

/// A picture before it is scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Picture {
    pub(super) size: Size,
    /// Width and height of a pixel.
    pub(super) pixel: (u32, u32),
    /// Kept here because scalers drop it (nvvidconv) or state that of the smaller size.
    pub(super) colorimetry: Colorimetry,
}

impl Picture {
    /// The picture that the caps state.
    pub(super) fn of(info: &gst_video::VideoInfo) -> Self {
        let size = size_of(info);
        Self {
            size,
            pixel: pixel_of(info.par()).unwrap_or((1, 1)),
            colorimetry: colorimetry_of(info, size),
        }
    }
}

/// The declared shape of one stream. Pad probes write it; it is read for each picture.
#[derive(Debug, Default)]
pub(super) struct DeclaredShape(Mutex<DeclaredFacts>);

#[derive(Debug, Default)]
struct DeclaredFacts {
    /// The parser's size, after cropping.
    size: Option<Size>,
    pixel: Option<(u32, u32)>,
    /// The container's orientation.
    tagged: Orientation,
    /// The stream's own orientation. It replaces that of the container, which usually states the same.
    stated: Option<Orientation>,
}

impl DeclaredFacts {
    fn orientation(&self) -> Orientation {
        self.stated.unwrap_or(self.tagged)
    }
}

impl DeclaredShape {
    /// Reads the caps of coded pictures that enter `pad`.
    pub(super) fn watch_parser(self: &Arc<Self>, pad: &gst::Pad) {
        let declared = self.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view())
                && let Some(caps) = event.caps().structure(0)
            {
                let mut facts = declared.lock();
                facts.size = size_in(caps);
                facts.pixel = caps
                    .get::<gst::Fraction>("pixel-aspect-ratio")
                    .ok()
                    .and_then(pixel_of);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Reads the orientation of pictures that enter `pad`.
    pub(super) fn watch_orientation(self: &Arc<Self>, pad: &gst::Pad) {
        let declared = self.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(event) = info.event() {
                declared.note(event);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Takes in an event of the picture stream. Returns true if the orientation changes from here on.
    pub(super) fn note(&self, event: &gst::EventRef) -> bool {
        let mut facts = self.lock();
        let before = facts.orientation();
        match event.view() {
            // Another stream starts and has its own orientation.
            gst::EventView::StreamStart(_) => {
                (facts.tagged, facts.stated) = (Orientation::default(), None);
            }
            gst::EventView::Tag(event) => {
                let tag = event.tag().get::<gst::tags::ImageOrientation>();
                if let Some(tagged) = tag.and_then(|tag| Orientation::of_tag(tag.get())) {
                    facts.tagged = tagged;
                }
            }
            gst::EventView::CustomDownstreamSticky(event) => {
                if let Some(stated) = stated_in(event) {
                    facts.stated = stated;
                }
            }
            _ => {}
        }
        facts.orientation() != before
    }

    /// The shape of a decoded picture; `crop` is the crop of its buffer.
    pub(super) fn shape(&self, decoded: &Picture, crop: Option<Crop>) -> PictureShape {
        let facts = self.lock();
        let crop = crop.map_or_else(
            || match facts.size {
                Some(size) if is_rounded(decoded.size, size) => Crop::whole(size),
                _ => Crop::whole(decoded.size),
            },
            |crop| crop.within(decoded.size),
        );
        // Pictures of the old size still arrive after the parser states the new size.
        let is_told = facts.size.is_none_or(|size| is_rounded(decoded.size, size));
        let pixel = match decoded.pixel {
            (across, down) if across == down => facts.pixel.filter(|_| is_told).unwrap_or((1, 1)),
            pixel => pixel,
        };
        PictureShape {
            crop,
            pixel,
            orientation: facts.orientation(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, DeclaredFacts> {
        lock(&self.0)
    }
}

/// Width and height of a pixel; none if the ratio is not valid.
pub(super) fn pixel_of(ratio: gst::Fraction) -> Option<(u32, u32)> {
    let side = |value: i32| u32::try_from(value).ok().filter(|value| *value > 0);
    Some((side(ratio.numer())?, side(ratio.denom())?))
}

/// Whether `decoded` is `declared`, rounded up to whole blocks.
fn is_rounded(decoded: Size, declared: Size) -> bool {
    let fits = |decoded: u32, declared: u32| {
        decoded
            .checked_sub(declared)
            .is_some_and(|rest| rest < LARGEST_BLOCK)
    };
    fits(decoded.width, declared.width) && fits(decoded.height, declared.height)
}

/// Width and height that the caps state.
pub(super) fn size_in(caps: &gst::StructureRef) -> Option<Size> {
    let side = |name| {
        caps.get::<i32>(name)
            .ok()
            .and_then(|value| u32::try_from(value).ok())
            .filter(|value| *value > 0)
    };
    Some(Size::new(side("width")?, side("height")?))
}

#[cfg(test)]
mod tests {
    use super::super::display_orientation::event_of;
    use super::*;
    use crate::base::Colorimetry;

    fn decoded(width: u32, height: u32, pixel: (u32, u32)) -> Picture {
        let size = Size::new(width, height);
        Picture {
            size,
            pixel,
            colorimetry: Colorimetry::assumed(size),
        }
    }

    fn declared(size: Size, pixel: (u32, u32)) -> DeclaredShape {
        DeclaredShape(Mutex::new(DeclaredFacts {
            size: Some(size),
            pixel: Some(pixel),
            ..DeclaredFacts::default()
        }))
    }

    #[test]
    fn rows_that_a_decoder_adds_are_cut_off() {
        let declared = declared(Size::new(1920, 1080), (1, 1));
        let crop = |width, height| {
            declared
                .shape(&decoded(width, height, (1, 1)), None)
                .crop
                .size
        };
        assert_eq!(crop(1920, 1088), Size::new(1920, 1080));
        assert_eq!(crop(1920, 1080), Size::new(1920, 1080));
        // Pictures of the old size, which still arrive.
        assert_eq!(crop(1280, 720), Size::new(1280, 720));
        assert_eq!(crop(2560, 1440), Size::new(2560, 1440));
    }

    #[test]
    fn a_buffer_s_crop_takes_precedence() {
        let declared = declared(Size::new(1920, 1080), (1, 1));
        let crop = Crop {
            left: 16,
            top: 8,
            size: Size::new(1280, 720),
        };
        let shape = declared.shape(&decoded(1920, 1088, (1, 1)), Some(crop));
        assert_eq!(shape.crop, crop);
    }

    #[test]
    fn pixels_are_the_decoder_s_or_the_parser_s_where_it_lost_them() {
        let declared = declared(Size::new(704, 480), (40, 33));
        let pixel = |pixel| declared.shape(&decoded(704, 480, pixel), None).pixel;
        assert_eq!(pixel((1, 1)), (40, 33));
        assert_eq!(pixel((10, 11)), (10, 11));
        let before = declared.shape(&decoded(320, 240, (1, 1)), None);
        assert_eq!(before.pixel, (1, 1));
    }

    #[test]
    fn a_stream_is_turned_as_its_own_message_or_its_tag_says() {
        super::super::init().expect("GStreamer starts");
        let declared = DeclaredShape::default();
        let tag = |orientation: &str| {
            let mut tags = gst::TagList::new();
            tags.get_mut()
                .expect("a new list")
                .add::<gst::tags::ImageOrientation>(&orientation, gst::TagMergeMode::Append);
            gst::event::Tag::new(tags)
        };
        let turned =
            |declared: &DeclaredShape| declared.shape(&decoded(64, 48, (1, 1)), None).orientation;
        assert!(declared.note(&tag("rotate-90")));
        assert!(!declared.note(&tag("rotate-90")));
        assert!(!declared.note(&tag("auto")));
        assert_eq!(turned(&declared).quarters, 1);
        // A parser that tells the stream's message by a tag changes nothing.
        let stated = |quarters: Option<u8>| {
            event_of(quarters.map(|quarters| Orientation {
                mirrored: false,
                quarters,
            }))
        };
        assert!(!declared.note(&stated(Some(1))));
        assert!(declared.note(&stated(Some(2))));
        assert!(!declared.note(&tag("rotate-270")));
        assert_eq!(turned(&declared).quarters, 2);
        assert!(declared.note(&stated(None)));
        assert_eq!(turned(&declared).quarters, 3);
        assert!(declared.note(&stated(Some(0))));
        assert!(turned(&declared).is_upright());
        assert!(declared.note(&stated(Some(1))));
        assert!(declared.note(&gst::event::StreamStart::new("next")));
        assert!(turned(&declared).is_upright());
    }
}
