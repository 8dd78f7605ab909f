use std::sync::mpsc;

use super::super::testing::Scripted;
use super::*;

const SHORT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_disk_that_does_not_answer_holds_no_more_than_its_places() {
    let calls = Calls::within(Scripted::new(10), 1, SHORT);
    let (release, wait) = mpsc::channel::<()>();
    let slow = calls.run(move |_| {
        let _ = wait.recv();
        Ok(())
    });
    let slow = slow.await.expect_err("it does not return");
    assert!(matches!(slow, CallError::Slow(SHORT)), "{slow}");
    // The place is taken until the disk answers.
    let busy = calls.run(|_| Ok(())).await.expect_err("no place");
    assert!(matches!(busy, CallError::Busy), "{busy}");
    assert_eq!(
        busy.into_response().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    drop(release);
    while calls.run(|_| Ok(())).await.is_err() {}
}

#[tokio::test]
async fn a_call_that_panics_is_an_answer_and_gives_its_place_back() {
    let calls = Calls::within(Scripted::new(10), 1, Duration::from_secs(30));
    let failed = calls.run(|_| -> Result<(), ViewError> { panic!("as planned") });
    let failed = failed.await.expect_err("it panics");
    assert_eq!(
        failed.into_response().status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let cameras = calls.run(|view| view.cameras()).await;
    assert_eq!(cameras.expect("an answer").cameras.len(), 2);
}
