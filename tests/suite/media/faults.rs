//! Faults of one session, with their codes and messages.

use super::*;

#[test]
fn a_refused_login_is_told_as_such_and_never_shown() {
    for scheme in [LoginScheme::Basic, LoginScheme::Digest] {
        let login = |password: &str| Credentials {
            username: Secret::new("viewer"),
            password: Secret::new(password),
        };
        let testcam = start(TestcamOptions {
            cameras: vec![pattern()],
            login: Some(TestcamLogin {
                credentials: login("right-pass"),
                scheme,
            }),
            ..TestcamOptions::default()
        });
        let mut settings = settings(testcam.url(0).as_str());
        assert_eq!(
            Session::start(&settings).end(),
            (
                "unauthorized",
                "camera 3 asks for a login (401 Unauthorized); set its user name and password"
                    .to_owned()
            )
        );
        settings.credentials = Some(login("wrong-pass"));
        assert_eq!(
            Session::start(&settings).end(),
            (
                "unauthorized",
                "camera 3 refused the login (401 Unauthorized); check its user name and password"
                    .to_owned()
            )
        );
        settings.credentials = Some(login("right-pass"));
        Session::start(&settings).frames(1);
    }
}

#[test]
fn a_path_that_the_camera_lacks_is_told() {
    let testcam = cameras(vec![pattern()]);
    let url = testcam.url(0).join("/nowhere").expect("a path");
    assert_eq!(
        Session::start(&settings(url.as_str())).end(),
        (
            "not-found",
            "camera 3 has no stream /nowhere (404 Not Found); check the path of its URI".to_owned()
        )
    );
}

#[test]
fn a_closed_port_and_an_unknown_host_are_unreachable() {
    let port = crate::support::ports::free_port();
    let (code, message) = Session::start(&settings(&format!("rtsp://127.0.0.1:{port}/a"))).end();
    assert_eq!(code, "unreachable");
    assert_eq!(
        message,
        format!(
            "camera 3 at 127.0.0.1:{port} refused the connection; check its port, and that RTSP is switched on"
        )
    );
    let (code, message) = Session::start(&settings("rtsp://no-such-camera.invalid/a")).end();
    assert_eq!(code, "unreachable");
    assert!(message.contains("host name"), "{message}");
}

#[test]
fn a_camera_that_never_answers_is_unreachable_within_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    // The limit of the message passes well before that of this wait.
    let (code, message) = Session::start(&settings(&format!("rtsp://127.0.0.1:{port}/a"))).end();
    assert_eq!(code, "unreachable", "{message}");
    assert!(
        message.contains("no RTSP answer to OPTIONS within 5 s"),
        "{message}"
    );
    drop(listener);
}

#[test]
fn a_camera_that_hangs_up_at_once_is_not_told_as_playing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    // rtspsrc connects again once.
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut request = [0; 1024];
            let _ = client.expect("a client").read(&mut request);
        }
    });
    assert_eq!(
        Session::start(&settings(&format!("rtsp://127.0.0.1:{port}/a"))).end(),
        (
            "ended",
            format!(
                "camera 3 at 127.0.0.1:{port} closed the connection without an answer to OPTIONS"
            )
        )
    );
}

#[test]
fn a_server_of_another_kind_is_garbage() {
    let garbage: Vec<u8> = (0..4096u32).map(|byte| (byte * 37 % 251) as u8).collect();
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec();
    for answer in [garbage, http] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            let mut request = [0; 1024];
            let _ = client.read(&mut request);
            let _ = client.write_all(&answer);
            // Until the client disconnects.
            let _ = client.read(&mut request);
        });
        let session = Session::start(&settings(&format!("rtsp://127.0.0.1:{port}/a")));
        let (code, message) = session.end();
        assert_eq!(code, "garbage", "{message}");
        drop(session);
        server.join().expect("the server ends");
    }
}

#[test]
fn streams_that_are_no_video_or_of_another_codec_are_told() {
    let audio = OneStream::serve("audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0");
    let (code, message) = Session::start(&settings(&audio.uri)).end();
    assert_eq!(code, "no-video", "{message}");
    let vp8 = OneStream::serve(
        "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=64 ! vp8enc deadline=1 ! rtpvp8pay name=pay0",
    );
    assert_eq!(
        Session::start(&settings(&vp8.uri)).end(),
        (
            "no-decoder",
            "camera 3 sends VP8, which is not supported; set it to H.264, H.265 or MJPEG"
                .to_owned()
        )
    );
}

#[test]
fn an_old_camera_s_jpeg_pictures_are_decoded() {
    let jpeg = OneStream::serve(
        "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! jpegenc \
         ! rtpjpegpay name=pay0",
    );
    let session = Session::start(&settings(&jpeg.uri));
    assert_eq!(session.frames(1)[0].meta.size, Size::new(320, 240));
    let facts = session
        .recorder
        .wait("facts", |recording| recording.facts.last().cloned());
    assert_eq!(
        (facts.codec.as_str(), facts.decoder.as_str()),
        ("mjpeg", "jpegdec")
    );
}

#[test]
fn a_stream_that_stops_is_stalled_in_time() {
    let testcam = cameras(vec![pattern()]);
    let mut settings = settings(testcam.url(0).as_str());
    settings.stall_limit = Duration::from_secs(1);
    let session = Session::start(&settings);
    session.frames(10);
    testcam.silence(0, true);
    let begun = Instant::now();
    let (code, message) = session.end();
    assert_eq!(code, "stalled");
    assert!(
        message.starts_with("no picture from camera 3 for 1"),
        "{message}"
    );
    // Not before its limit. A test has no say in how long after it on a busy machine.
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(800), "{took:?}");
}

#[test]
fn a_camera_that_plays_and_sends_nothing_gives_no_frame() {
    let mut camera = pattern();
    camera.silent = true;
    let testcam = cameras(vec![camera]);
    let mut settings = settings(testcam.url(0).as_str());
    settings.start_limit = Duration::from_secs(1);
    assert_eq!(
        Session::start(&settings).end(),
        (
            "no-frame",
            "camera 3 answered PLAY, and no RTP packet arrived within 1 s".to_owned()
        )
    );
}

#[test]
fn a_camera_that_hangs_up_has_ended() {
    let testcam = cameras(vec![pattern()]);
    let session = Session::start(&settings(testcam.url(0).as_str()));
    session.frames(5);
    testcam.drop_clients();
    let (code, message) = session.end();
    assert_eq!(code, "ended", "{message}");
}

#[test]
fn a_session_stops_at_once_whatever_it_waits_for() {
    let testcam = cameras(vec![pattern()]);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let live = Session::start(&settings(testcam.url(0).as_str()));
    live.frames(1);
    let connecting = Session::start(&settings(&format!("rtsp://127.0.0.1:{port}/a")));
    let (_held, _) = silent.accept().expect("it connects");
    for session in [live, connecting] {
        let begun = Instant::now();
        session.stop.raise();
        assert_eq!(session.end().0, "stopped");
        // Before the limit of 5 s for an answer, with which the second one would end by itself.
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
}
