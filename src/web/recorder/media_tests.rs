//! Ranges over a socket.

use super::super::Page;
use super::super::testing::{CLOSED, OPEN, SOUND_BYTES, Scripted, content, page};
use crate::web::testing::{Answer, ask, send};

/// More than two pieces.
const BYTES: usize = 300_000;

fn path(file: &str) -> String {
    format!("/media.mp4?source=3&file={file}")
}

async fn served() -> Page {
    page(&Scripted::new(BYTES), None).await
}

async fn range(page: &Page, range: &str) -> Answer {
    let line = format!("Range: {range}");
    ask(page.address(), &path(CLOSED), &[&line]).await
}

#[tokio::test]
async fn a_file_without_a_range_is_whole() {
    let page = served().await;
    let answer = ask(page.address(), &path(CLOSED), &[]).await;
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("Content-Type", "video/mp4"),
        ("Content-Length", "300000"),
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", "private, max-age=3600, immutable"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert!(answer.body == content(BYTES), "other bytes");
}

#[tokio::test]
async fn a_range_is_exactly_its_bytes() {
    let page = served().await;
    let all = content(BYTES);
    for (asked, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-699", 0, 700),
        ("bytes=131071-262145", 131_071, 262_146),
        ("bytes=299990-", 299_990, BYTES),
        ("bytes=299990-400000", 299_990, BYTES),
        ("bytes=-10", BYTES - 10, BYTES),
        ("bytes=-400000", 0, BYTES),
        ("bytes=0-", 0, BYTES),
    ] {
        let answer = range(&page, asked).await;
        assert_eq!(answer.status, 206, "{asked}");
        let place = format!("bytes {from}-{}/{BYTES}", to - 1);
        assert_eq!(answer.header("Content-Range"), Some(&*place), "{asked}");
        let length = (to - from).to_string();
        assert_eq!(answer.header("Content-Length"), Some(&*length), "{asked}");
        assert_eq!(answer.header("Content-Type"), Some("video/mp4"));
        assert!(answer.body == all[from..to], "other bytes for {asked}");
    }
}

#[tokio::test]
async fn a_range_that_can_t_be_answered_is_told_the_length() {
    let page = served().await;
    for asked in [
        "bytes=300000-",
        "bytes=300000-300001",
        "bytes=9-5",
        "bytes=",
        "bytes=x-y",
        "bytes=-0",
        "bytes=18446744073709551615-18446744073709551616",
    ] {
        let answer = range(&page, asked).await;
        assert_eq!(answer.status, 416, "{asked}");
        assert_eq!(answer.header("Content-Range"), Some("bytes */300000"));
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        let text = format!(
            "Range: {asked}: the file has 300000 bytes, counted from 0; ask for some of them\n"
        );
        assert_eq!(answer.text(), text);
    }
}

#[tokio::test]
async fn other_ranges_are_ignored_as_the_standard_permits() {
    let page = served().await;
    for asked in ["bytes=0-1,5-9", "seconds=1-2", "lines=x"] {
        let answer = range(&page, asked).await;
        assert_eq!((answer.status, answer.body.len()), (200, BYTES), "{asked}");
        assert_eq!(answer.header("Content-Range"), None);
    }
}

#[tokio::test]
async fn a_head_request_is_told_the_whole_file() {
    let page = served().await;
    for lines in [&[][..], &["Range: bytes=0-9"][..]] {
        let answer = send(page.address(), "HEAD", &path(CLOSED), lines).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert_eq!(answer.header("Content-Length"), Some("300000"));
        assert_eq!(answer.header("Accept-Ranges"), Some("bytes"));
    }
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let page = served().await;
    let at = page.address();
    let tag = ask(at, &path(CLOSED), &[]).await;
    let tag = tag.header("ETag").expect("a tag").to_owned();
    assert!(
        tag.starts_with('"') && tag.ends_with('"'),
        "a strong one: {tag}"
    );
    for known in [tag.clone(), format!("W/{tag}"), format!("\"1-2\", {tag}")] {
        let line = format!("If-None-Match: {known}");
        let answer = ask(at, &path(CLOSED), &[&line]).await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
        assert_eq!(answer.header("ETag"), Some(&*tag));
    }
    let other = ask(at, &path(CLOSED), &["If-None-Match: \"1-2\""]).await;
    assert_eq!(other.status, 200);
    // A part is sent only if it fits those that the browser has.
    for (condition, status) in [
        (&*tag, 206),
        ("\"1-2\"", 200),
        ("Sat, 28 Nov 2026 08:30:00 GMT", 200),
    ] {
        let lines = ["Range: bytes=0-9", &format!("If-Range: {condition}")];
        let answer = ask(at, &path(CLOSED), &lines).await;
        assert_eq!(answer.status, status, "{condition}");
    }
}

#[tokio::test]
async fn of_an_open_recording_only_the_sound_part_is_served_and_nothing_kept() {
    let page = served().await;
    let at = page.address();
    let answer = ask(at, &path(OPEN), &[]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == content(SOUND_BYTES), "other bytes");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.header("ETag"), None);
    let answer = ask(at, &path(OPEN), &["Range: bytes=890-950"]).await;
    assert_eq!(answer.header("Content-Range"), Some("bytes 890-899/900"));
    assert_eq!(answer.body, content(SOUND_BYTES)[890..]);
    assert_eq!(
        ask(at, &path(OPEN), &["Range: bytes=900-"]).await.status,
        416
    );
    let lines = ["Range: bytes=0-9", "If-Range: \"1-2\""];
    assert_eq!(ask(at, &path(OPEN), &lines).await.status, 200);
}
