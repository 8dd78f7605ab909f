//! Turns one entry of the decoder table into a part of a pipeline: elements, properties and caps.
//!
//! GStreamer 1.16 (JetPack 5), 1.20 (JetPack 6), 1.24 (JetPack 7) and the vendors' plug-ins have different elements and
//! properties. No version is compared: the registry is asked for elements and properties, and the plan is made from the
//! answers. A plan can also be printed: `nvr doctor` prints, and the tests compare, the pipeline that runs.

use std::fmt;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use super::codec::Codec;
use super::element::{PipelineError, element};
use super::output::Output;
use crate::base::Size;

/// One entry of the decoder table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DecoderEntry {
    /// The element's name.
    pub(super) element: &'static str,
    /// The set of properties that it needs.
    pub(super) tuning: Tuning,
    /// Hardware scalers that can follow it and bring its pictures into ordinary memory, best first.
    pub(super) scalers: &'static [HardwareScaler],
    /// Whether it gives pictures in ordinary memory without any of these scalers.
    pub(super) bare: bool,
}

/// The set of properties that a decoder needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tuning {
    /// None.
    Plain,
    /// libav, on the CPU.
    Libav,
    /// NVIDIA's decoder of L4T.
    L4t,
}

/// A hardware scaler behind a decoder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HardwareScaler {
    /// The element that scales, and converts to NV12.
    pub(super) element: &'static str,
    /// The caps feature of its output memory; empty for ordinary memory.
    pub(super) memory: &'static str,
    /// The elements that bring its pictures into ordinary memory.
    pub(super) after: &'static [&'static str],
    /// Whether it must be stopped to change its output size. nvvidconv (L4T r35) accepts new caps but continues with
    /// the surface that it made for the first ones, and gives empty pictures.
    pub(super) restarts: bool,
    /// The width of its pictures is a multiple of this. At other widths nvvidconv (L4T r32 to r36) shears the colours or writes
    /// beyond its buffer.
    pub(super) columns: u32,
}

/// A decoder and the scaler behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecoderPlan {
    pub(super) decoder: &'static DecoderEntry,
    pub(super) scaler: Option<&'static HardwareScaler>,
}

/// Facts about a stream before its first picture is decoded.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct StreamShape {
    pub(super) size: Option<Size>,
    pub(super) fps: Option<f64>,
    /// The H.264 profile as GStreamer names it, for example `main`.
    pub(super) profile: Option<String>,
}

/// Answers which elements are registered: GStreamer's registry, or the board of a test.
pub(super) trait Elements {
    /// Whether the element is registered.
    fn has(&self, element: &str) -> bool;
    /// Whether the element has the property.
    fn has_property(&self, element: &str, property: &str) -> bool;
}

/// GStreamer's registry.
pub(super) struct Registry;

/// Pictures up to this many pixels are decoded by one thread.
const ONE_THREAD_PIXELS: u64 = 1920 * 1088;
/// Threads for larger pictures: a 4K stream at 25 fps needs more than one core of a small machine.
const MOST_THREADS: usize = 4;
/// The highest `drop-frame-interval` of nvv4l2decoder.
const LONGEST_INTERVAL: u32 = 30;

type Properties = Vec<(&'static str, String)>;

impl DecoderPlan {
    /// The plans of this entry whose elements are all registered, best first.
    pub(super) fn candidates(decoder: &'static DecoderEntry, elements: &dyn Elements) -> Vec<Self> {
        let whole = |scaler: &&'static HardwareScaler| {
            elements.has(scaler.element) && scaler.after.iter().all(|element| elements.has(element))
        };
        let scalers = decoder.scalers.iter().filter(whole).map(Some);
        scalers
            .chain(decoder.bare.then_some(None))
            .map(|scaler| Self { decoder, scaler })
            .collect()
    }

    /// Whether the plan contains an element of this name.
    pub(super) fn has(&self, element: &str) -> bool {
        self.decoder.element == element
            || self
                .scaler
                .is_some_and(|scaler| scaler.element == element || scaler.after.contains(&element))
    }

    /// The properties that the decoder has, with their values for this stream: properties come and go with JetPack
    /// releases.
    pub(super) fn properties(
        &self,
        elements: &dyn Elements,
        codec: Codec,
        shape: &StreamShape,
        output: &Output,
    ) -> Properties {
        let name = self.decoder.element;
        let mut properties = self.decoder.tuning.properties(codec, shape, output);
        properties.retain(|(property, _)| elements.has_property(name, property));
        properties
    }

    /// The decoder gives one of this many pictures.
    pub(super) fn interval(
        &self,
        elements: &dyn Elements,
        shape: &StreamShape,
        output: &Output,
    ) -> u32 {
        let can = self.decoder.tuning == Tuning::L4t
            && elements.has_property(self.decoder.element, "drop-frame-interval");
        if can { drop_interval(shape, output) } else { 1 }
    }

    /// The pipeline from coded pictures to frames, as `gst-launch-1.0` takes it.
    pub(super) fn launch(
        &self,
        elements: &dyn Elements,
        codec: Codec,
        shape: &StreamShape,
        output: &Output,
    ) -> String {
        let mut parts = vec![codec.parser().to_owned()];
        if codec != Codec::Mjpeg {
            parts[0] += " config-interval=-1";
        }
        let mut decoder = self.decoder.element.to_owned();
        for (property, value) in self.properties(elements, codec, shape, output) {
            decoder += &format!(" {property}={value}");
        }
        parts.push(decoder);
        if let Some(scaler) = self.scaler {
            let size = shape
                .size
                .and_then(|size| scaler.size_for(size, output.size_for(size)));
            parts.push(scaler.element.to_owned());
            parts.push(scaler.caps(size));
            parts.extend(scaler.after.iter().map(|element| (*element).to_owned()));
        }
        parts.push("appsink".to_owned());
        parts.join(" ! ")
    }
}

impl HardwareScaler {
    /// The size to ask it for, if `wanted` is the size that pictures of `decoded` are to have; none if they stay as they are. A
    /// frame has the size of its picture apart from that of its planes ([`crate::base::HostPixels::scaled`]), so that they may
    /// differ in shape.
    pub(super) fn size_for(&self, decoded: Size, wanted: Option<Size>) -> Option<Size> {
        let Size { width, height } = wanted.unwrap_or(decoded);
        let up = width.next_multiple_of(self.columns);
        let width = if up <= decoded.width {
            up
        } else {
            up - self.columns
        };
        // Narrower than one multiple: it can't be served better.
        let size = if width == 0 {
            decoded
        } else {
            Size::new(width, height)
        };
        (size != decoded).then_some(size)
    }

    /// The scaler, the filter with its caps, and the elements behind them.
    ///
    /// # Errors
    /// If an element is missing.
    pub(super) fn elements(
        &self,
    ) -> Result<(gst::Element, gst::Element, Vec<gst::Element>), PipelineError> {
        let after = self.after.iter().map(|name| element(name));
        Ok((
            element(self.element)?,
            element("capsfilter")?,
            after.collect::<Result<_, _>>()?,
        ))
    }

    /// The caps of the scaler's output: NV12, and the size if it differs from the picture's own.
    pub(super) fn caps(&self, size: Option<Size>) -> String {
        let mut caps = "video/x-raw".to_owned();
        if !self.memory.is_empty() {
            caps += &format!("({})", self.memory);
        }
        caps += ",format=NV12";
        if let Some(Size { width, height }) = size {
            caps += &format!(",width={width},height={height}");
        }
        caps
    }
}

/// `drop-frame-interval` for this stream; 1 drops none.
fn drop_interval(shape: &StreamShape, output: &Output) -> u32 {
    output.interval(shape.fps).min(LONGEST_INTERVAL)
}

impl Tuning {
    fn properties(self, codec: Codec, shape: &StreamShape, output: &Output) -> Properties {
        match self {
            Self::Plain => Vec::new(),
            // One thread: with frame threads, each thread delays by a frame and keeps a picture, and several cameras
            // use all cores anyway. Damaged pictures are not output, because they cause false detections.
            Self::Libav => {
                let pixels = shape
                    .size
                    .map_or(0, |size| u64::from(size.width) * u64::from(size.height));
                // Cameras send one slice per picture, so slice threads alone would use one core.
                let (threads, kind) = if pixels > ONE_THREAD_PIXELS {
                    let cores = std::thread::available_parallelism().map_or(1, usize::from);
                    (cores.min(MOST_THREADS), "frame+slice")
                } else {
                    (1, "slice")
                };
                vec![
                    ("max-threads", threads.to_string()),
                    ("thread-type", kind.to_owned()),
                    ("output-corrupt", "false".to_owned()),
                ]
            }
            Self::L4t => {
                let mut properties: Properties = Vec::new();
                if codec == Codec::Mjpeg {
                    properties.push(("mjpeg", "true".to_owned()));
                }
                // Keeps the decoder's clock high; the property is gone in JetPack 7.
                properties.push(("enable-max-performance", "true".to_owned()));
                // Gives pictures immediately, in decoding order. This is correct only if no picture is predicted from a
                // later one.
                let profile = shape.profile.as_deref();
                if matches!(profile, Some("baseline" | "constrained-baseline")) {
                    properties.push(("disable-dpb", "true".to_owned()));
                }
                let interval = drop_interval(shape, output);
                if interval > 1 {
                    properties.push(("drop-frame-interval", interval.to_string()));
                }
                properties
            }
        }
    }
}

impl Elements for Registry {
    fn has(&self, element: &str) -> bool {
        gst::ElementFactory::find(element).is_some()
    }

    fn has_property(&self, element: &str, property: &str) -> bool {
        gst::ElementFactory::find(element)
            .and_then(|factory| factory.load().ok())
            .and_then(|factory| glib::object::ObjectClass::from_type(factory.element_type()))
            .is_some_and(|class| class.find_property(property).is_some())
    }
}

impl fmt::Display for DecoderPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.decoder.element)?;
        if let Some(scaler) = self.scaler {
            write!(f, " and {}", scaler.element)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
