use std::time::{Duration, Instant};

use gstreamer_app as gst_app;

use super::*;

/// Twelve pictures with two key frames.
const CLIP: &[u8] = include_bytes!("clips/probe.h264");
const LIMIT: Duration = Duration::from_secs(20);

/// A decoder that rests and goes on.
struct Stage {
    pipeline: gst::Pipeline,
    decoder: gst::Element,
    rest: Arc<DecoderRest>,
}

impl Stage {
    fn new() -> Self {
        super::super::init().expect("GStreamer starts");
        let launch = "appsrc name=clip max-bytes=0 caps=video/x-h264,stream-format=byte-stream ! \
                      h264parse name=parser config-interval=-1 ! avdec_h264 name=decoder max-threads=1 ! \
                      appsink name=pictures sync=false";
        let pipeline = gst::parse::launch(launch).expect("elements");
        let pipeline = pipeline.downcast::<gst::Pipeline>().expect("a pipeline");
        let named = |name| pipeline.by_name(name).expect("an element");
        let (parser, decoder) = (named("parser"), named("decoder"));
        let units = pad(&parser, "src").expect("its output");
        let rest = DecoderRest::new(&units, &decoder);
        let open = Arc::downgrade(&rest);
        units.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            match open.upgrade().is_some_and(|rest| rest.is_open()) {
                true => gst::PadProbeReturn::Ok,
                false => gst::PadProbeReturn::Handled,
            }
        });
        pipeline.set_state(gst::State::Playing).expect("it starts");
        Self {
            pipeline,
            decoder,
            rest,
        }
    }

    fn clip(&self) -> gst_app::AppSrc {
        let clip = self.pipeline.by_name("clip").expect("the source");
        clip.downcast().expect("a source of buffers")
    }

    fn push(&self) {
        let clip = gst::Buffer::from_slice(CLIP);
        self.clip().push_buffer(clip).expect("it takes the clip");
    }

    /// The pictures that come within `limit`, at most `most`.
    fn pictures(&self, most: usize, limit: Duration) -> usize {
        let sink = self.pipeline.by_name("pictures").expect("the sink");
        let sink = sink.downcast::<gst_app::AppSink>().expect("a sink");
        let until = Instant::now() + limit;
        let mut come = 0;
        while come < most {
            let left = until.saturating_duration_since(Instant::now());
            let left = gst::ClockTime::from_nseconds(left.as_nanos() as u64);
            if sink.try_pull_sample(left).is_none() {
                break;
            }
            come += 1;
        }
        come
    }

    /// Closes the decoder, or opens it, and waits for that.
    fn set_open(&self, is_open: bool) {
        self.rest.set_wanted(is_open);
        let until = Instant::now() + LIMIT;
        while self.rest.is_open() != is_open || lock(&self.rest.state).is_changing {
            assert!(Instant::now() < until, "{:?}", self.rest.state);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).expect("it stops");
    }
}

#[test]
fn a_decoder_goes_on_after_a_rest() {
    let stage = Stage::new();
    stage.push();
    assert_eq!(stage.pictures(6, LIMIT), 6);
    for _ in 0..3 {
        stage.set_open(false);
        assert_eq!(stage.decoder.current_state(), gst::State::Null);
        // Those that it had given before.
        stage.pictures(usize::MAX, Duration::from_millis(1));
        stage.push();
        assert_eq!(stage.pictures(1, Duration::from_millis(100)), 0);
        stage.set_open(true);
        stage.push();
        assert_eq!(stage.pictures(6, LIMIT), 6);
    }
}

#[test]
fn a_stream_that_ends_while_its_decoder_rests_has_ended() {
    let stage = Stage::new();
    stage.push();
    assert_eq!(stage.pictures(6, LIMIT), 6);
    stage.set_open(false);
    stage.clip().end_of_stream().expect("it ends");
    while stage.pictures(1, LIMIT) > 0 {}
    let bus = stage.pipeline.bus().expect("a bus");
    let ended = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(20),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let ended = ended.map(|message| message.type_());
    assert_eq!(ended, Some(gst::MessageType::Eos));
}

#[test]
fn changes_of_mind_end_with_the_last_wish() {
    let stage = Stage::new();
    stage.push();
    for _ in 0..50 {
        stage.rest.set_wanted(false);
        stage.rest.set_wanted(true);
    }
    stage.set_open(true);
    stage.push();
    assert!(stage.pictures(6, LIMIT) >= 6);
    stage.rest.set_wanted(false);
    // The pipeline stops while the decoder is being closed.
}
