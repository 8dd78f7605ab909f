//! Selects the stream of a file: the first video stream, and its successor if a recording changes its streams in the
//! middle, as transport streams do at each change of program.
//!
//! There is one decoder at any time. A following stream of the same codec uses it, whatever its size. A stream of
//! another codec gets a new decoder, and the old one is removed. All this runs on the streaming thread of the file's
//! parser.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::codec::Codec;
use super::decode::{add_coded, add_raw};
use super::element::{PipelineError, set};
use super::fallback::{ChosenDecoder, Fallback};
use super::file_elements::{add, discard, kind_of, link, remove, take_down};
use super::file_timeline::Timeline;
use super::output::OutputControl;
use super::plan::{Elements, Registry};
use super::session_state::SessionState;
use crate::base::sync::lock;

/// The streams of one pipeline.
pub(super) struct Streams {
    pub(super) session: Arc<SessionState>,
    pub(super) timeline: Arc<Timeline>,
    pub(super) output: OutputControl,
    pub(super) fallback: Fallback,
    pub(super) chosen: Arc<ChosenDecoder>,
    pub(super) pipeline: gst::glib::WeakRef<gst::Pipeline>,
    pub(super) state: Mutex<StreamsState>,
}

#[derive(Default)]
pub(super) struct StreamsState {
    selected: Option<SelectedStream>,
    unused: Vec<UnusedStream>,
}

/// The selected stream.
struct SelectedStream {
    /// Its pad; none after the pad was removed.
    pad: Option<gst::Pad>,
    /// None if GStreamer chooses the decoder.
    codec: Option<Codec>,
    /// The first element of its decoder's chain.
    head: gst::Element,
}

/// A stream that is discarded.
struct UnusedStream {
    pad: gst::Pad,
    sink: gst::Element,
    is_video: bool,
    /// Whether a buffer has arrived: then the stream runs in parallel to the selected one and is not its successor.
    has_run: Arc<AtomicBool>,
}

impl Streams {
    /// Follows the pads of `parse`.
    pub(super) fn watch(self: Arc<Self>, parse: &gst::Element) {
        let streams = self.clone();
        parse.connect_pad_added(move |_, pad| {
            streams.with_pipeline(|streams, pipeline| streams.added(pipeline, pad))
        });
        let streams = self.clone();
        parse.connect_pad_removed(move |_, pad| {
            streams.with_pipeline(|streams, pipeline| streams.removed(pipeline, pad));
        });
        parse.connect_no_more_pads(move |_| self.is_complete());
    }

    fn with_pipeline(
        self: &Arc<Self>,
        act: impl FnOnce(&Arc<Self>, &gst::Pipeline) -> Result<(), PipelineError>,
    ) {
        let Some(pipeline) = self.pipeline.upgrade() else {
            return;
        };
        if let Err(error) = act(self, &pipeline) {
            self.session.fail(error.into());
        }
    }

    fn added(
        self: &Arc<Self>,
        pipeline: &gst::Pipeline,
        pad: &gst::Pad,
    ) -> Result<(), PipelineError> {
        let kind = kind_of(pad);
        let is_video = kind.starts_with("video/") || kind.starts_with("image/");
        let mut state = self.lock();
        let is_free = state
            .selected
            .as_ref()
            .is_none_or(|selected| selected.pad.is_none());
        if is_video && is_free {
            return self.select(pipeline, &mut state, pad);
        }
        let sink = discard(pipeline, pad)?;
        let has_run = Arc::new(AtomicBool::new(false));
        let runs = has_run.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            runs.store(true, Ordering::Release);
            gst::PadProbeReturn::Remove
        });
        state.unused.push(UnusedStream {
            pad: pad.clone(),
            sink,
            is_video,
            has_run,
        });
        Ok(())
    }

    fn removed(
        self: &Arc<Self>,
        pipeline: &gst::Pipeline,
        pad: &gst::Pad,
    ) -> Result<(), PipelineError> {
        let mut state = self.lock();
        if let Some(index) = state.unused.iter().position(|stream| stream.pad == *pad) {
            remove(pipeline, &[state.unused.swap_remove(index).sink]);
            return Ok(());
        }
        match &mut state.selected {
            Some(selected) if selected.pad.as_ref() == Some(pad) => selected.pad = None,
            _ => return Ok(()),
        }
        let (_, _, pending) = pipeline.state(Some(gst::ClockTime::ZERO));
        if pending == gst::State::Null {
            // The session ends, and all pads are removed.
            return Ok(());
        }
        self.select_next(pipeline, &mut state).map(|_| ())
    }

    /// All streams of a program are known. If none of them is video, the selected stream is over.
    fn is_complete(&self) {
        let state = self.lock();
        let over = state
            .selected
            .as_ref()
            .filter(|selected| selected.pad.is_none());
        if let Some(input) = over.and_then(|selected| selected.head.static_pad("sink")) {
            input.send_event(gst::event::Eos::new());
        }
    }

    /// Handles the end of a stream. Returns true if another one has replaced it.
    fn ended(self: &Arc<Self>, pad: &gst::Pad) -> bool {
        let Some(pipeline) = self.pipeline.upgrade() else {
            return false;
        };
        let mut state = self.lock();
        let is_shown = state
            .selected
            .as_ref()
            .is_some_and(|selected| selected.pad.as_ref() == Some(pad));
        if !is_shown {
            // It was unlinked already: its decoder serves another stream.
            return true;
        }
        match self.select_next(&pipeline, &mut state) {
            Ok(selected) => selected,
            Err(error) => {
                self.session.fail(error.into());
                false
            }
        }
    }

    /// Selects the newest video stream without a buffer so far, if there is one.
    fn select_next(
        self: &Arc<Self>,
        pipeline: &gst::Pipeline,
        state: &mut StreamsState,
    ) -> Result<bool, PipelineError> {
        let is_next =
            |stream: &UnusedStream| stream.is_video && !stream.has_run.load(Ordering::Acquire);
        let Some(index) = state.unused.iter().rposition(is_next) else {
            return Ok(false);
        };
        let next = state.unused.swap_remove(index);
        if let Some(input) = next.sink.static_pad("sink") {
            let _ = next.pad.unlink(&input);
        }
        remove(pipeline, &[next.sink]);
        self.select(pipeline, state, &next.pad)?;
        Ok(true)
    }

    fn select(
        self: &Arc<Self>,
        pipeline: &gst::Pipeline,
        state: &mut StreamsState,
        pad: &gst::Pad,
    ) -> Result<(), PipelineError> {
        let kind = kind_of(pad);
        let codec = Codec::of_caps(&kind);
        let head = match state.selected.take() {
            Some(before) => {
                if let Some(old) = &before.pad
                    && let Some(input) = before.head.static_pad("sink")
                {
                    let _ = old.unlink(&input);
                }
                self.timeline.next_stream();
                tracing::info!(from = ?before.codec, to = kind, "the file continues with another stream");
                if codec.is_some() && before.codec == codec {
                    before.head
                } else {
                    take_down(pipeline, &before.head);
                    self.chain(pipeline, codec, &kind)?
                }
            }
            None => self.chain(pipeline, codec, &kind)?,
        };
        link(pad, &head)?;
        let streams = Arc::downgrade(self);
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            let is_end = info
                .event()
                .is_some_and(|event| event.type_() == gst::EventType::Eos);
            match streams.upgrade() {
                // Not "drop": for events, the bindings and the library would both release it.
                Some(streams) if is_end && streams.ended(pad) => gst::PadProbeReturn::Handled,
                _ => gst::PadProbeReturn::Ok,
            }
        });
        state.selected = Some(SelectedStream {
            pad: Some(pad.clone()),
            codec,
            head,
        });
        Ok(())
    }

    /// Makes the elements that turn a stream into frames. Returns the first one.
    fn chain(
        self: &Arc<Self>,
        pipeline: &gst::Pipeline,
        codec: Option<Codec>,
        kind: &str,
    ) -> Result<gst::Element, PipelineError> {
        let Some(codec) = codec else {
            return self.any_chain(pipeline, kind);
        };
        let plan = self
            .fallback
            .choose(codec)
            .map_err(|failure| PipelineError::NoDecoder(failure.message))?;
        let _ = self.chosen.set((codec, plan));
        let untold = Box::new(|_: &gst::BufferRef| None);
        let tail = add_coded(pipeline, &self.session, codec, plan, &self.output, untold)?;
        self.pace(pipeline, &tail)
    }

    /// For codecs that only GStreamer can decode.
    fn any_chain(
        self: &Arc<Self>,
        pipeline: &gst::Pipeline,
        kind: &str,
    ) -> Result<gst::Element, PipelineError> {
        let decode = add(pipeline, "decodebin")?;
        let (streams, kind) = (Arc::downgrade(self), kind.to_owned());
        let paced: Mutex<Option<gst::Element>> = Mutex::default();
        decode.connect_pad_added(move |_, pad| {
            let Some(streams) = streams.upgrade() else {
                return;
            };
            streams.with_pipeline(|streams, pipeline| {
                let mut paced = lock(&paced);
                // It may make new pads when the stream changes.
                let before = paced.as_ref().and_then(|head| head.static_pad("sink"));
                if let (Some(head), Some(input)) = (paced.as_ref(), before) {
                    return if input.is_linked() {
                        discard(pipeline, pad).map(|_| ())
                    } else {
                        link(pad, head)
                    };
                }
                let tail = add_raw(pipeline, &streams.session, pad, None, &streams.output)?;
                let head = streams.pace(pipeline, &tail)?;
                link(pad, &head)?;
                *paced = Some(head);
                streams
                    .session
                    .describe(|facts| facts.codec.clone_from(&kind));
                Ok(())
            });
        });
        Ok(decode)
    }

    /// Passes buffers to `tail` when they are due.
    fn pace(
        &self,
        pipeline: &gst::Pipeline,
        tail: &gst::Element,
    ) -> Result<gst::Element, PipelineError> {
        // GStreamer 1.16 has no clocksync; identity does the same with `sync`.
        let pace = add(
            pipeline,
            if Registry.has("clocksync") {
                "clocksync"
            } else {
                "identity"
            },
        )?;
        set(&pace, "sync", "true");
        let output = pace
            .static_pad("src")
            .ok_or(PipelineError::NoOutput("clocksync"))?;
        self.timeline.shift(&output);
        pace.link(tail)
            .map_err(|error| PipelineError::link("the decoding elements", error))?;
        Ok(pace)
    }

    fn lock(&self) -> MutexGuard<'_, StreamsState> {
        lock(&self.state)
    }
}
