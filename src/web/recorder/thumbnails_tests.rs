use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::super::testing::{STARTED_MS, Scripted};
use super::*;

const SHORT: Duration = Duration::from_millis(20);

fn wanted(at_ms: u64) -> Wanted {
    Wanted {
        source: SourceId(3),
        at_ms,
        width: 320,
    }
}

fn entry(bytes: usize) -> Bytes {
    Bytes::from(vec![7; bytes])
}

#[tokio::test]
async fn only_so_many_are_made_at_once_and_others_are_refused_after_a_wait() {
    let view = Scripted::new(10);
    let release = view.hold_thumbnails();
    let thumbnails = Thumbnails::with(Calls::within(view.clone(), 2, SHORT));
    let get = |after_ms| thumbnails.get(wanted(STARTED_MS + after_ms));
    // They don't return in time, and hold both places.
    let (one, other) = tokio::join!(get(1), get(2));
    for slow in [one, other] {
        assert!(matches!(slow, Err(CallError::Slow(SHORT))), "{slow:?}");
    }
    let (one, other) = tokio::join!(get(3), get(4));
    for busy in [one, other] {
        assert!(matches!(busy, Err(CallError::ManyThumbnails)), "{busy:?}");
    }
    assert_eq!(view.asked().len(), 2);
    release.raise();
    // What was made too late is kept.
    while lock(&thumbnails.kept).jpegs.len() < 2 {
        tokio::task::yield_now().await;
    }
    while get(3).await.is_err() {}
    view.asked();
    for after_ms in 1..=3 {
        assert!(get(after_ms).await.expect("a thumbnail").is_some());
    }
    assert_eq!(view.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn one_that_nobody_waits_for_any_more_is_not_made() {
    let view = Scripted::new(10);
    let release = view.hold_thumbnails();
    let thumbnails = Thumbnails::with(Calls::within(view.clone(), 1, Duration::from_secs(30)));
    let mut first = pin!(thumbnails.get(wanted(STARTED_MS + 1)));
    {
        let mut second = pin!(thumbnails.get(wanted(STARTED_MS + 2)));
        poll_fn(|context| {
            assert!(first.as_mut().poll(context).is_pending());
            assert!(second.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    release.raise();
    first.await.expect("an answer").expect("a thumbnail");
    let third = thumbnails.get(wanted(STARTED_MS + 3)).await;
    third.expect("an answer").expect("a thumbnail");
    let times = [1, 3].map(|after| format!("thumbnail 3 {} 320", STARTED_MS + after));
    assert_eq!(view.asked(), times);
}

#[tokio::test]
async fn only_what_is_there_is_kept() {
    let view = Scripted::new(10);
    let thumbnails = Thumbnails::new(view.clone());
    let missing = wanted(STARTED_MS - 1);
    for _ in 0..2 {
        assert_eq!(thumbnails.get(missing).await.expect("an answer"), None);
    }
    assert_eq!(view.asked().len(), 2);
    let there = wanted(STARTED_MS);
    let narrow = Wanted { width: 80, ..there };
    let elsewhere = Wanted {
        source: SourceId(4),
        ..there
    };
    for _ in 0..2 {
        for wanted in [there, narrow, elsewhere] {
            let jpeg = thumbnails.get(wanted).await.expect("an answer");
            let text = format!("{} {STARTED_MS} {}", wanted.source, wanted.width);
            assert_eq!(jpeg, Some(Bytes::from(text)));
        }
    }
    assert_eq!(view.asked().len(), 3);
    view.fail();
    assert!(thumbnails.get(there).await.is_ok());
    let failed = thumbnails.get(missing).await.expect_err("its disk fails");
    assert!(matches!(failed, CallError::View(_)), "{failed}");
}

#[test]
fn the_thumbnail_that_was_not_asked_for_longest_goes_first() {
    let mut kept = Kept::new(3 * (1000 + ENTRY_BYTES));
    for at_ms in 1..=3 {
        kept.put(wanted(at_ms), entry(1000));
    }
    assert!(kept.get(&wanted(1)).is_some());
    kept.put(wanted(4), entry(1000));
    let there = [1, 2, 3, 4].map(|at_ms| kept.get(&wanted(at_ms)).is_some());
    assert_eq!(there, [true, false, true, true]);
    // One that is made again takes no more room.
    for _ in 0..10 {
        kept.put(wanted(4), entry(1000));
    }
    assert_eq!((kept.jpegs.len(), kept.bytes), (3, kept.most_bytes));
    kept.put(wanted(5), entry(1001));
    assert_eq!((kept.jpegs.len(), kept.bytes), (2, 2001 + 2 * ENTRY_BYTES));
    kept.put(wanted(6), entry(kept.most_bytes));
    assert_eq!((kept.jpegs.len(), kept.bytes), (0, 0));
}
