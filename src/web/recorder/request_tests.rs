//! Requests that are refused.

use super::testing::{CLOSED, Scripted, page};
use crate::web::testing::ask;

#[tokio::test]
async fn wrong_parameters_are_named_with_their_value_and_the_remedy() {
    let view = Scripted::new(1000);
    let served = page(&view, None).await;
    let time = "a time in milliseconds since 1970-01-01 UTC, such as 1795854600123";
    for (path, wanted) in [
        ("playlist.m3u8?from=1&to=2", "source is missing; add source=…, the id of a camera, such as 3".to_owned()),
        ("playlist.m3u8?source=3&to=2", format!("from is missing; add from=…, {time}")),
        ("scenes.json?source=3&from=1", format!("to is missing; add to=…, {time}")),
        ("timeline.json?source=gate&from=1&to=2", "source=gate: must be the id of a camera, such as 3".to_owned()),
        ("timeline.json?source=4294967296&from=1&to=2", "source=4294967296: must be the id of a camera, such as 3".to_owned()),
        ("timeline.json?source=%2B3&from=1&to=2", "source=+3: must be the id of a camera, such as 3".to_owned()),
        ("timeline.json?source=3&from=-1&to=2", format!("from=-1: must be {time}")),
        ("timeline.json?source=3&from=1.5&to=2", format!("from=1.5: must be {time}")),
        ("timeline.json?source=3&from=1&to=", format!("to=: must be {time}")),
        ("timeline.json?source=3&from=1&to=253402300800000", format!("to=253402300800000: must be {time}")),
        ("timeline.json?source=3&from=1&to=99999999999999999999999", format!("to=99999999999999999999999: must be {time}")),
        ("timeline.json?source=3&from=9&to=9", "to=9 is not after from=9; exchange or correct them".to_owned()),
        ("events.json?from=9&to=8", "to=8 is not after from=9; exchange or correct them".to_owned()),
        ("timeline.json?source=3&source=4&from=1&to=2", "source is given more than once; give it once".to_owned()),
        ("timeline.json?source=3&form=1&to=2", "form: there is no such parameter; use source, from, to".to_owned()),
        ("cameras.json?source=3", "source: there is no such parameter; leave it out, here are none".to_owned()),
        (
            "playlist.m3u8?source=3&from=0&to=86400001",
            "from=0 to=86400001: 86401 s are too long (limit 86400 s); ask for a shorter time, then for the next one".to_owned(),
        ),
        (
            "scenes.json?source=3&from=0&to=120001",
            "from=0 to=120001: 121 s are too long (limit 120 s); ask for a shorter time, then for the next one".to_owned(),
        ),
        (
            "export?source=3&from=0&to=21600001",
            "from=0 to=21600001: 21601 s are too long (limit 21600 s); ask for a shorter time, then for the next one".to_owned(),
        ),
        ("export?from=1&to=2", "source is missing; add source=…, the id of a camera, such as 3".to_owned()),
        ("export?source=3&from=1", format!("to is missing; add to=…, {time}")),
        ("export.json?source=3&from=9&to=9", "to=9 is not after from=9; exchange or correct them".to_owned()),
        ("export.json?source=3&from=1&to=2&name=x", "name: there is no such parameter; use source, from, to".to_owned()),
        ("thumbnail.jpg?at=1", "source is missing; add source=…, the id of a camera, such as 3".to_owned()),
        ("thumbnail.jpg?source=3", format!("at is missing; add at=…, {time}")),
        ("thumbnail.jpg?source=3&at=1.5", format!("at=1.5: must be {time}")),
        ("thumbnail.jpg?source=3&at=253402300800000", format!("at=253402300800000: must be {time}")),
        ("thumbnail.jpg?source=3&at=1&width=79", "width=79: must be a number of pixels from 80 to 640".to_owned()),
        ("thumbnail.jpg?source=3&at=1&width=641", "width=641: must be a number of pixels from 80 to 640".to_owned()),
        ("thumbnail.jpg?source=3&at=1&height=90", "height: there is no such parameter; use source, at, width".to_owned()),
        ("events.json?limit=0", "limit=0: must be a number of events from 1 to 1000".to_owned()),
        ("events.json?limit=1001", "limit=1001: must be a number of events from 1 to 1000".to_owned()),
        ("events.json?min_length_ms=x", "min_length_ms=x: must be a number of milliseconds, such as 1000".to_owned()),
        ("events.json?class=", "class=: must be the name of a class, of at most 100 bytes, such as person".to_owned()),
    ] {
        let answer = ask(served.address(), &format!("/{path}"), &[]).await;
        assert_eq!((answer.status, answer.text()), (400, format!("{wanted}\n")), "{path}");
        assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"));
    }
    assert_eq!(view.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_is_only_the_name_of_a_recording() {
    let view = Scripted::new(1000);
    let served = page(&view, None).await;
    let long = format!("{CLOSED}-{}", "1".repeat(5000));
    for file in [
        "",
        "..",
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "20261128T083000.123Z%00",
        "20261128T083000.123Z%2f..%2f..",
        "20261128T083000.123Z.mp4",
        "20261128T083000.123Z-",
        "20261128T083000.123Z-%2B1",
        "20261128t083000.123z",
        "..%5c..%5cx",
        "%252e%252e%252f",
        &long,
    ] {
        let path = format!("/media.mp4?source=3&file={file}");
        let answer = ask(served.address(), &path, &[]).await;
        assert_eq!(answer.status, 400, "{file}");
        let text = answer.text();
        let end = ": must be the name of a recording without .mp4, such as 20261128T083000.123Z\n";
        assert!(text.starts_with("file=") && text.ends_with(end), "{text}");
        assert!(text.len() < 300 && !text.contains('\0'), "{text}");
    }
    assert_eq!(view.asked(), Vec::<String>::new());
    let path = "/media.mp4?source=3&file=20261128T093000.123Z";
    let answer = ask(served.address(), path, &[]).await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.text(),
        "file=20261128T093000.123Z: camera 3 has no such recording; it may be deleted, so load the playlist again\n"
    );
}

#[tokio::test]
async fn an_unknown_camera_is_told_which_there_are() {
    let served = page(&Scripted::new(1000), None).await;
    for path in [
        "/timeline.json?source=5&from=1&to=2".to_owned(),
        "/events.json?source=5".to_owned(),
        "/playlist.m3u8?source=5&from=1&to=2".to_owned(),
        "/scenes.json?source=5&from=1&to=2".to_owned(),
        "/thumbnail.jpg?source=5&at=1".to_owned(),
        "/export?source=5&from=1&to=2".to_owned(),
        "/export.json?source=5&from=1&to=2".to_owned(),
        format!("/media.mp4?source=5&file={CLOSED}"),
    ] {
        let answer = ask(served.address(), &path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.text(),
            "source=5: there is no such camera; they have the ids 3, 4\n"
        );
    }
}
