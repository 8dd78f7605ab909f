//! A camera on a Jetson's CSI connector: NVIDIA's `nvarguscamerasrc` gives the pictures of the image processor, ready
//! to scale.
//!
//! The element chooses the sensor's mode by the size and rate that are asked for here. Its daemon (`nvargus-daemon`)
//! answers late or not at all if a ribbon cable is loose; the time limits of the session handle that.

use std::path::Path;
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
/// Where its daemon listens, for those who have the same /tmp.
const SOCKET: &str = "/tmp/argus_socket";

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
        Failure::new("not-found", absence(&self.local.name, Path::new(SOCKET)))
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

/// Why the camera `name` gives no picture, if its element ended without an error.
fn absence(name: &str, socket: &Path) -> String {
    if socket.exists() {
        return format!(
            "{name} gives no picture: {SOURCE} ended; check the ribbon cable and the sensor's driver (`ls /dev/video*`), and restart its daemon (`systemctl restart nvargus-daemon`)"
        );
    }
    format!(
        "{name} gives no picture: this process sees no {}, over which {SOURCE} asks its daemon; start it (`systemctl start nvargus-daemon`), and let a unit with PrivateTmp= have the daemon's /tmp (JoinsNamespaceOf=nvargus-daemon.service)",
        socket.display()
    )
}

impl FrameSource for CsiSource {
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd {
        let session = SessionState::new(sink.clone(), self.clock.clone());
        let ending = match self.build(&session) {
            Ok(pipeline) => match self.local.play(pipeline, &session, None, stop) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_can_not_be_reached_is_told_from_a_camera_that_is_missing() {
        let missing = absence("camera csi:1", Path::new("/no-such-folder/argus_socket"));
        assert!(
            missing.contains("JoinsNamespaceOf=nvargus-daemon.service"),
            "{missing}"
        );
        let silent = absence("camera csi:1", Path::new("/"));
        assert!(silent.contains("check the ribbon cable"), "{silent}");
    }
}
