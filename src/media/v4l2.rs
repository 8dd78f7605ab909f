//! A V4L2 camera as a source: the crate `v4l` finds out what the device offers, GStreamer's `v4l2src` streams from it.
//!
//! The device is opened twice: first to choose a format and to report errors clearly, then to stream. Its frames are
//! the driver's own buffers, without conversion if they are NV12 or I420.

mod choice;
mod device;
mod list;

use std::path::PathBuf;
use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;

use self::choice::{Offer, V4l2Format};
use self::device::{CapturePlan, DeviceError};
pub use self::list::{V4l2Device, V4l2Formats, list_v4l2};
use super::codec::Codec;
use super::decode::{add_coded, add_raw};
use super::element::{PipelineError, element, pad};
use super::fallback::{ChosenDecoder, Fallback};
use super::local::LocalSource;
use super::output::OutputControl;
use super::session::Ending;
use super::session_state::{Failure, SessionState};
use super::source::{FrameSink, FrameSource, SessionEnd};
use crate::base::{Clock, Stop};
use crate::config::StreamSettings;

/// Streams from a device until it is stopped or the device fails.
#[derive(Debug)]
pub struct V4l2Source {
    path: PathBuf,
    local: LocalSource,
    clock: Clock,
    output: OutputControl,
    fallback: Fallback,
}

impl V4l2Source {
    /// A source for one device. Each session opens it.
    pub fn new(
        path: PathBuf,
        settings: &StreamSettings,
        clock: Clock,
        output: OutputControl,
    ) -> Self {
        let local = LocalSource {
            name: format!("camera {}", path.display()),
            start_limit: settings.start_limit,
            stall_limit: settings.stall_limit,
        };
        Self {
            fallback: Fallback::new(&local.name),
            path,
            local,
            clock,
            output,
        }
    }

    fn play(&self, session: &Arc<SessionState>, chosen: &ChosenDecoder, stop: &Stop) -> Ending {
        let opened = device::plan(&self.path)
            .map_err(|error: DeviceError| Failure::new(error.code(), error.to_string()))
            .and_then(|plan| {
                tracing::info!(
                    device = %self.path.display(), card = plan.card, offer = ?plan.offer,
                    "camera opened"
                );
                self.build(&plan, session, chosen).map_err(Failure::from)
            });
        match opened {
            Ok(pipeline) => self.local.play(pipeline, session, None, stop),
            Err(failure) => Ending::Failure(failure),
        }
    }

    fn build(
        &self,
        plan: &CapturePlan,
        session: &Arc<SessionState>,
        chosen: &ChosenDecoder,
    ) -> Result<gst::Pipeline, PipelineError> {
        let pipeline = gst::Pipeline::new();
        let source = element("v4l2src")?;
        source.set_property("device", self.path.display().to_string());
        let filter = element("capsfilter")?;
        if let Some(offer) = &plan.offer {
            filter.set_property("caps", caps_of(offer)?);
        }
        pipeline
            .add_many([&source, &filter])
            .and_then(|()| source.link(&filter))
            .map_err(|error| PipelineError::link("the camera's elements", error))?;
        let format = plan.offer.map(|offer| offer.format);
        let pictures = pad(&filter, "src")?;
        let tail = self.tail(&pipeline, &pictures, format, session, chosen)?;
        filter
            .link(&tail)
            .map_err(|error| PipelineError::link("the camera's elements", error))?;
        session.describe(|facts| {
            facts.size = plan.offer.map(|offer| offer.size);
            facts.nominal_fps = plan
                .offer
                .and_then(|offer| offer.rate)
                .map(|(count, seconds)| f64::from(count) / f64::from(seconds));
        });
        Ok(pipeline)
    }

    /// Makes the elements that turn a format into frames.
    fn tail(
        &self,
        pipeline: &gst::Pipeline,
        pictures: &gst::Pad,
        format: Option<V4l2Format>,
        session: &Arc<SessionState>,
        chosen: &ChosenDecoder,
    ) -> Result<gst::Element, PipelineError> {
        let codec = match format {
            Some(V4l2Format::H264) => Codec::H264,
            Some(V4l2Format::Mjpeg) => Codec::Mjpeg,
            _ => {
                let raw = add_raw(pipeline, session, pictures, None, &self.output)?;
                session.describe(|facts| "none".clone_into(&mut facts.decoder));
                return Ok(raw);
            }
        };
        let plan = self
            .fallback
            .choose(codec)
            .map_err(|failure| PipelineError::NoDecoder(failure.message))?;
        let _ = chosen.set((codec, plan));
        add_coded(
            pipeline,
            session,
            codec,
            plan,
            &self.output,
            Box::new(|_| None),
        )
    }
}

impl FrameSource for V4l2Source {
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd {
        loop {
            let (session, chosen) = (
                SessionState::new(sink.clone(), self.clock.clone()),
                ChosenDecoder::default(),
            );
            let ending = self.play(&session, &chosen, stop);
            session.close();
            let chosen = chosen.get().copied();
            if !self
                .fallback
                .decoder_failed(&ending, &session.progress(), chosen)
            {
                return self.local.end(ending, &session);
            }
        }
    }
}

fn caps_of(offer: &Offer) -> Result<gst::Caps, PipelineError> {
    let rate = offer
        .rate
        .map(|(count, seconds)| format!(",framerate={count}/{seconds}"))
        .unwrap_or_default();
    let text = format!(
        "{},width={},height={}{rate}",
        offer.format.caps(),
        offer.size.width,
        offer.size.height
    );
    text.parse().map_err(|_| PipelineError::Caps(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Size;

    #[test]
    fn the_chosen_offer_is_what_gstreamer_is_asked_for() {
        super::super::init().expect("GStreamer starts");
        let offer = Offer {
            format: V4l2Format::Yuyv,
            size: Size::new(640, 480),
            rate: Some((30, 1)),
        };
        assert_eq!(
            caps_of(&offer).expect("legal caps").to_string(),
            "video/x-raw, format=(string)YUY2, width=(int)640, height=(int)480, framerate=(fraction)30/1"
        );
        let untold = Offer {
            format: V4l2Format::Mjpeg,
            rate: None,
            ..offer
        };
        assert_eq!(
            caps_of(&untold).expect("legal caps").to_string(),
            "image/jpeg, width=(int)640, height=(int)480"
        );
    }
}
