//! Servers that end a session without requests, and handle GET_PARAMETER in their own way.

use super::*;
use crate::support::quirky_camera::{Handling, Request};

/// Ends a session without requests, and handles GET_PARAMETER as configured.
#[derive(Clone)]
struct StrictServer {
    get_parameter: Option<&'static str>,
}

impl Quirk for StrictServer {
    fn patience(&self) -> Option<Duration> {
        Some(Duration::from_secs(2))
    }

    fn answer(&mut self, method: &str, answer: String) -> String {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if method != "SETUP" {
            return answer;
        }
        let head: Vec<_> = head
            .lines()
            .map(|line| match line.split(';').next() {
                Some(session) if line.starts_with("Session:") => {
                    format!("{session};timeout=2")
                }
                _ => line.to_owned(),
            })
            .collect();
        format!("{}\r\n\r\n{body}", head.join("\r\n"))
    }

    fn request(&mut self, request: &Request) -> Handling {
        match self.get_parameter {
            Some(answer) if request.method == "GET_PARAMETER" => match answer {
                "" => Handling::Swallow,
                answer => Handling::Answer(answer.to_owned()),
            },
            _ => Handling::Pass,
        }
    }
}

#[test]
fn a_server_that_ends_sessions_without_requests_is_asked_in_time() {
    let testcam = cameras(vec![pattern()]);
    for (transport, get_parameter, wanted) in [
        (Transport::Tcp, None, "GET_PARAMETER"),
        (
            Transport::Tcp,
            Some("RTSP/1.0 501 Not Implemented\r\n"),
            "OPTIONS",
        ),
        (Transport::Udp, None, "GET_PARAMETER"),
    ] {
        let quirk = in_front_of(&testcam, StrictServer { get_parameter });
        let mut settings = settings(&quirk.url(PATH));
        settings.transport = transport;
        let session = Session::start(&settings);
        // Six seconds.
        assert_each_once(&times(&session.frames(120)));
        let requests = quirk.requests();
        let last = requests.last().expect("there are some");
        assert_eq!(last.method, wanted, "{get_parameter:?}");
        assert_eq!(last.header("Content-Type"), None);
        assert!(last.header("Session").is_some(), "{last:?}");
        let plays = requests.iter().filter(|request| request.method == "PLAY");
        assert_eq!(plays.count(), 1);
    }
}

#[test]
fn a_server_that_does_not_answer_get_parameter_is_asked_for_options_next_time() {
    let testcam = cameras(vec![pattern()]);
    let quirk = in_front_of(
        &testcam,
        StrictServer {
            get_parameter: Some(""),
        },
    );
    let source = open(
        SourceId(3),
        &settings(&quirk.url(PATH)),
        &Clock::system(),
        OpenOptions::default(),
    );
    let source = std::sync::Mutex::new(source);
    let recorder = Arc::new(Recorder::default());
    let sink: Arc<dyn FrameSink> = recorder.clone();
    let stop = Stop::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut source = source.lock().expect("no thread panicked");
            let SessionEnd::Failed { code, message, .. } = source.run(&sink, &stop) else {
                panic!("it was not stopped yet");
            };
            assert_eq!(code, "ended", "{message}");
            assert!(message.contains("session timeout of 2 s"), "{message}");
            source.run(&sink, &stop);
        });
        // Two seconds of the first session, and five of the second.
        recorder.wait("frames", |recording| {
            (recording.frames.len() >= 140).then_some(())
        });
        stop.raise();
    });
    let requests = quirk.requests();
    let last = requests
        .iter()
        .rev()
        .find(|request| request.method != "TEARDOWN" && request.method != "PAUSE");
    assert_eq!(last.expect("there are some").method, "OPTIONS");
    let plays = requests.iter().filter(|request| request.method == "PLAY");
    assert_eq!(plays.count(), 2);
}
