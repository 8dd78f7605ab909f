//! Tests of `location.rs`.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Parsed {
    parse(text, Path::new("/etc/nvr"))
}

fn location(text: &str) -> Location {
    read(text).expect("a good URI").0
}

fn problems(text: &str) -> String {
    read(text).expect_err("a bad URI").join("\n")
}

#[test]
fn a_login_in_the_uri_is_decoded_and_taken_out() {
    let (location, credentials) =
        read("rtsp://view%40er:p%2Fw%23@10.0.0.20:554/Streaming/Channels/101?channel=1")
            .expect("a good URI");
    assert_eq!(
        location.to_string(),
        "rtsp://10.0.0.20:554/Streaming/Channels/101?channel=1"
    );
    let credentials = credentials.expect("a login");
    assert_eq!(credentials.username.reveal(), "view@er");
    assert_eq!(credentials.password.reveal(), "p/w#");
}

#[test]
fn every_form_is_told_by_its_scheme_or_extension() {
    let path = |text: &str| PathBuf::from(text);
    assert_eq!(
        location("v4l2:///dev/video0"),
        Location::V4l2(path("/dev/video0"))
    );
    assert_eq!(location("csi:1"), Location::Csi(1));
    assert_eq!(
        location("file:///a%20b/c.mp4"),
        Location::File(path("/a b/c.mp4"))
    );
    assert_eq!(location("FILE:///a.JPG"), Location::Image(path("/a.JPG")));
    assert_eq!(
        location("clips/a.mkv"),
        Location::File(path("/etc/nvr/clips/a.mkv"))
    );
    assert_eq!(
        location("/x/still.png"),
        Location::Image(path("/x/still.png"))
    );
    assert_eq!(
        location("./odd:name"),
        Location::File(path("/etc/nvr/./odd:name"))
    );
    assert_eq!(
        location("test-pattern:"),
        Location::TestPattern(TestPattern::default())
    );
    assert_eq!(
        location("test-pattern:?width=640&height=360&fps=12.5&objects=0"),
        Location::TestPattern(TestPattern {
            size: Size::new(640, 360),
            fps: 12.5,
            objects: 0
        })
    );
}

#[test]
fn each_mistake_names_its_remedy() {
    for (uri, expected) in [
        (
            "http://camera/video",
            "scheme must be rtsp, rtsps, v4l2, csi, file or test-pattern, got http",
        ),
        (
            "v4l2://dev/video0",
            "a V4L2 device is written v4l2:///dev/video0",
        ),
        (
            "csi:front",
            "a CSI camera is written csi:0, with the sensor's number up to 15",
        ),
        (
            "csi:16",
            "a CSI camera is written csi:0, with the sensor's number up to 15",
        ),
        (
            "file://clip.mp4",
            "a file is written file:///absolute/path, with three slashes, or as a plain path",
        ),
        (
            "192.168.1.9/stream1",
            "is neither a URI (rtsp://…) nor a path to a video or image; write other files as ./name or file:///path",
        ),
        (
            "test-pattern:?width=63&speed=3&fps=0&objects=x",
            "unknown test-pattern key `speed`; known are width, height, fps and objects\n\
             test-pattern fps must be a number above 0 and at most 240, got `0`\n\
             test-pattern objects must be a whole number, got `x`\n\
             a test pattern can't be 63x720 pixels; use even sides from 160x120 to 8192x8192, at most three times as wide as high",
        ),
        (
            "test-pattern:?width=1280&height=120",
            "a test pattern can't be 1280x120 pixels; use even sides from 160x120 to 8192x8192, at most three times as wide as high",
        ),
    ] {
        assert_eq!(problems(uri), expected, "{uri}");
    }
    for uri in [
        "rtsp://",
        "rtsp:///path",
        "rtsp:camera",
        "rtsp://host:99999/",
        "rtsp://host:0/",
    ] {
        assert!(read(uri).is_err(), "{uri}");
    }
}

#[test]
fn quotes_and_lists_are_refused_where_one_host_or_one_source_belongs() {
    for (uri, letter) in [("rtsp://\"cam\"/1", '"'), ("rtsp://cam,cam2/1", ',')] {
        assert_eq!(
            problems(uri),
            format!(
                "has {letter} in its host; give one host, without quotes around it or the address"
            )
        );
    }
    assert!(read("rtsp://cam_1-a.example.:554/1,2;x=3").is_ok());
    assert!(has_several_sources("rtsp://a/1,1=rtsp://b/2"));
    assert!(has_several_sources("rtsp://a/1; 1=rtsp://b/2"));
    for one in ["rtsp://a/1,2", "rtsp://a/x;1=2", "rtsp://a/?src=rtsp://b"] {
        assert!(!has_several_sources(one), "{one}");
    }
}

#[test]
fn a_password_with_reserved_characters_is_refused_and_not_quoted() {
    for uri in [
        "rtsp://viewer:hun/ter2@camera/path",
        "rtsp://viewer:12/ter2@camera/path",
        "rtsp://viewer:12?ter2@camera/path",
        "rtsp://viewer:12#ter2@camera/path",
        "rtsp://viewer:hun#ter2@camera/path",
        "viewer:ter2@camera/path",
    ] {
        let problems = problems(uri);
        assert!(
            !problems.contains("ter2") && !problems.contains("viewer"),
            "{uri}: {problems}"
        );
    }
}

#[test]
fn logins_are_masked_wherever_makers_put_them() {
    let shown = |text: &str| UriText::new(text).to_string();
    assert_eq!(
        shown("rtsp://10.0.0.9:554/user=admin&password=hunter2&channel=1&stream=0.sdp"),
        "rtsp://10.0.0.9:554/user=***&password=***&channel=1&stream=0.sdp"
    );
    assert_eq!(shown("rtsp://a:b@c@host/x"), "rtsp://host/x");
    assert_eq!(shown("rtsp://host/x?Pwd=b#y"), "rtsp://host/x?Pwd=***#***");
    assert_eq!(
        location("rtsp://h/live?password=hunter2").to_string(),
        "rtsp://h/live?password=***"
    );
}

#[test]
fn blanks_around_an_address_are_none_of_it() {
    assert_eq!(
        location(" rtsp://host/x\t\u{a0}").to_string(),
        "rtsp://host/x"
    );
}

#[test]
fn what_a_location_shows_reads_back_as_the_same_location() {
    for uri in [
        "rtsp://[fe80::1]:8554/live0.stream",
        "rtsps://camera/",
        "v4l2:///dev/video0",
        "csi:2",
        "file:///a%20b/%23c.mp4",
        "still.png",
        "test-pattern:?fps=7.5",
    ] {
        let first = location(uri);
        assert_eq!(location(&first.to_string()), first, "{uri}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = read(&text);
        let _ = read(&format!("rtsp://{text}"));
        let _ = read(&format!("test-pattern:?{text}"));
    }

    #[test]
    fn a_login_never_shows(user in "[a-z]{6}", password in "[A-Z0-9:/?#@%&=]{4,12}QZX", host in "[a-z]{3}") {
        let text = format!("rtsp://{user}:{password}@{host}/path");
        let shown = format!("{:?}", UriText::new(text.clone()));
        prop_assert!(!shown.contains("QZX") && !shown.contains(&user));
        match read(&text) {
            Ok((location, _)) => {
                let shown = [location.to_string(), format!("{location:?}")].concat();
                prop_assert!(!shown.contains("QZX"), "shown: {}", shown);
            }
            Err(problems) => prop_assert!(!problems.join(" ").contains("QZX")),
        }
    }
}
