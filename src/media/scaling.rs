//! Keeps a hardware scaler at the size that the source's consumer wants, while the source runs.
//!
//! Caps events before the scaler give the size and colours of the pictures that follow. The caps behind the scaler are
//! set after each such event and after each change of the wanted output.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use super::declared_shape::{DeclaredShape, Picture};
use super::output::{Listener, Output, OutputControl};
use super::plan::HardwareScaler;
use crate::base::sync::lock;

/// One scaler of one session.
pub(super) struct Scaling {
    hardware: &'static HardwareScaler,
    scaler: glib::WeakRef<gst::Element>,
    /// The filter behind the scaler; its caps decide the scaler's output.
    filter: glib::WeakRef<gst::Element>,
    /// The pad through which pictures enter the scaler.
    before: glib::WeakRef<gst::Pad>,
    declared: Arc<DeclaredShape>,
    state: Mutex<ScalingState>,
    /// Receives changes of the wanted output for as long as this object lives.
    listener: OnceLock<Arc<Listener>>,
}

struct ScalingState {
    output: Output,
    picture: Option<Picture>,
    /// The caps that were set last.
    caps: String,
    /// Whether pictures may have been made with these caps.
    used: bool,
}

/// The thread that asks for other caps. It decides how the scaler is made to take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// The streaming thread, between two pictures.
    StreamingThread,
    /// Any other thread.
    Other,
}

impl Scaling {
    /// Keeps `scaler` at the wanted output by the caps of `filter`. Call it before the first picture passes.
    pub(super) fn new(
        hardware: &'static HardwareScaler,
        scaler: &gst::Element,
        filter: &gst::Element,
        before: &gst::Pad,
        output: &OutputControl,
        declared: &Arc<DeclaredShape>,
    ) -> Arc<Self> {
        let scaling = Arc::new(Self {
            hardware,
            scaler: scaler.downgrade(),
            filter: filter.downgrade(),
            before: before.downgrade(),
            declared: declared.clone(),
            state: Mutex::new(ScalingState {
                output: Output::default(),
                picture: None,
                caps: String::new(),
                used: false,
            }),
            listener: OnceLock::new(),
        });
        let weak = Arc::downgrade(&scaling);
        let listener: Arc<Listener> = Arc::new(move |output| {
            if let Some(scaling) = weak.upgrade() {
                scaling.change(Caller::Other, |state| state.output = output.clone());
            }
        });
        output.listen(&listener);
        let _ = scaling.listener.set(listener);
        // After the listener is registered, so that no change is lost.
        scaling.change(Caller::Other, |state| state.output = output.wanted());
        scaling.watch(before);
        scaling
    }

    /// The picture that enters the scaler, once it is known.
    pub(super) fn picture(&self) -> Option<Picture> {
        self.lock().picture
    }

    fn watch(self: &Arc<Self>, before: &gst::Pad) {
        let scaling = Arc::downgrade(self);
        before.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let (Some(event), Some(scaling)) = (info.event(), scaling.upgrade()) else {
                return gst::PadProbeReturn::Ok;
            };
            if let gst::EventView::Caps(event) = event.view()
                && let Ok(info) = gst_video::VideoInfo::from_caps(event.caps())
            {
                scaling.change(Caller::StreamingThread, |state| {
                    state.picture = Some(Picture::of(&info));
                });
                scaling.lock().used = true;
            } else if scaling.declared.note(event) {
                scaling.change(Caller::StreamingThread, |_| ());
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn change(&self, caller: Caller, change: impl FnOnce(&mut ScalingState)) {
        let mut state = self.lock();
        change(&mut state);
        let size = state.picture.and_then(|picture| {
            let shape = self.declared.shape(&picture, None);
            let planes = state.output.planes_for(&shape);
            self.hardware.size_for(shape.crop.size, planes)
        });
        let caps = self.hardware.caps(size);
        if caps == state.caps {
            return;
        }
        caps.clone_into(&mut state.caps);
        let is_used = state.used;
        drop(state);
        let (Some(scaler), Some(filter), Some(before)) = (
            self.scaler.upgrade(),
            self.filter.upgrade(),
            self.before.upgrade(),
        ) else {
            return;
        };
        let restart = self.hardware.restarts && is_used;
        match (restart, caller) {
            (false, _) => filter.set_property_from_str("caps", &caps),
            (true, Caller::StreamingThread) => restart_with(&scaler, &filter, &caps),
            // Between two pictures: immediately if none is on its way, otherwise by the streaming thread.
            (true, Caller::Other) => {
                before.add_probe(gst::PadProbeType::IDLE, move |_, _| {
                    restart_with(&scaler, &filter, &caps);
                    gst::PadProbeReturn::Remove
                });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ScalingState> {
        lock(&self.state)
    }
}

/// Makes the scaler discard the buffers of the old size. When its pad is active again, the element before it sends caps
/// and segment again.
fn restart_with(scaler: &gst::Element, filter: &gst::Element, caps: &str) {
    if scaler.set_state(gst::State::Ready).is_err() {
        tracing::warn!(scaler = %scaler.name(), "a scaler does not stop to change its size");
    }
    filter.set_property_from_str("caps", caps);
    if let Err(err) = scaler.sync_state_with_parent() {
        tracing::warn!(scaler = %scaler.name(), %err, "a scaler does not restart");
    }
}
