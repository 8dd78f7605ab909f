//! A camera on a Jetson's CSI connector: NVIDIA's `nvarguscamerasrc` gives the pictures of the image processor, ready
//! to scale.
//!
//! The element chooses the sensor's mode by the size and rate that are asked for here. Its daemon (`nvargus-daemon`)
//! answers late or not at all if a ribbon cable is loose; the time limits of the session handle that.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::decode::add_raw;
use super::decoder::VIC;
use super::element::{PipelineError, element, pad, set};
use super::local::LocalSource;
use super::output::OutputControl;
use super::plan::{Elements, Registry};
use super::session::Ending;
use super::session_state::{Failure, SessionState};
use super::source::{FrameSink, FrameSource, SessionEnd};
use crate::base::{Clock, Stop};
use crate::config::StreamSettings;

/// The caps that are asked of the sensor: every CSI camera that NVIDIA supports has them. The scaler makes smaller
/// pictures.
const CAPS: &str = "video/x-raw(memory:NVMM),format=NV12,width=1920,height=1080,framerate=30/1";
const SOURCE: &str = "nvarguscamerasrc";

/// Streams from one sensor until it is stopped or fails.
#[derive(Debug)]
pub struct CsiSource {
    sensor: u32,
    local: LocalSource,
    clock: Clock,
    output: OutputControl,
}

impl CsiSource {
    /// A source for the sensor with this number. Each session opens it.
    pub fn new(
        sensor: u32,
        settings: &StreamSettings,
        clock: Clock,
        output: OutputControl,
    ) -> Self {
        let local = LocalSource {
            name: format!("camera csi:{sensor}"),
            start_limit: settings.start_limit,
            stall_limit: settings.stall_limit,
        };
        Self {
            sensor,
            local,
            clock,
            output,
        }
    }

    fn build(&self, session: &Arc<SessionState>) -> Result<gst::Pipeline, Failure> {
        if !Registry.has(SOURCE) {
            return Err(Failure::new(
                "not-found",
                format!(
                    "{}: the element {SOURCE}, which reads CSI cameras, is missing; on a Jetson it is in package nvidia-l4t-gstreamer",
                    self.local.name
                ),
            ));
        }
        self.elements(session).map_err(Failure::from)
    }

    fn absent(&self) -> Failure {
        Failure::new(
            "not-found",
            format!(
                "{} gives no picture: {SOURCE} ended; check the ribbon cable and the sensor's driver (`ls /dev/video*`), and restart its daemon (`systemctl restart nvargus-daemon`)",
                self.local.name
            ),
        )
    }

    fn elements(&self, session: &Arc<SessionState>) -> Result<gst::Pipeline, PipelineError> {
        let pipeline = gst::Pipeline::new();
        let source = element(SOURCE)?;
        set(&source, "sensor-id", &self.sensor.to_string());
        let filter = element("capsfilter")?;
        set(&filter, "caps", CAPS);
        let pictures = pad(&filter, "src")?;
        let tail = add_raw(&pipeline, session, &pictures, VIC.first(), &self.output)?;
        pipeline
            .add_many([&source, &filter])
            .and_then(|()| gst::Element::link_many([&source, &filter, &tail]))
            .map_err(|error| PipelineError::link("the camera's elements", error))?;
        session.describe(|facts| SOURCE.clone_into(&mut facts.decoder));
        Ok(pipeline)
    }
}

impl FrameSource for CsiSource {
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd {
        let session = SessionState::new(sink.clone(), self.clock.clone());
        let ending = match self.build(&session) {
            Ok(pipeline) => match self.local.play(pipeline, &session, stop) {
                // It ends its stream without an error if its daemon has no such sensor.
                Ending::Eos => Ending::Failure(self.absent()),
                ending => ending,
            },
            Err(failure) => Ending::Failure(failure),
        };
        session.close();
        self.local.end(ending, &session)
    }
}
