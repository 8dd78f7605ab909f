//! Access to the page. The checks themselves are those of every page, and tested with the wall's.

use super::testing::{CLOSED, STARTED_MS, Scripted, page};
use super::*;
use crate::base::Clock;
use crate::web::testing::ask;

const TOKEN: &str = "correct horse";

fn paths() -> [String; 10] {
    [
        "/".to_owned(),
        "/hls.js".to_owned(),
        "/cameras.json".to_owned(),
        "/timeline.json?source=3&from=1&to=2".to_owned(),
        "/events.json".to_owned(),
        "/playlist.m3u8?source=3&from=1&to=2".to_owned(),
        format!("/media.mp4?source=3&file={CLOSED}"),
        "/scenes.json?source=3&from=1&to=2".to_owned(),
        format!("/thumbnail.jpg?source=3&at={STARTED_MS}"),
        "/metrics".to_owned(),
    ]
}

#[tokio::test]
async fn without_the_token_only_the_probe_is_answered() {
    let view = Scripted::new(1000);
    let served = page(&view, Some(TOKEN)).await;
    let at = served.address();
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for path in paths() {
        let answer = ask(at, &path, &[]).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(
            answer.text().contains("<code>[processor]</code>"),
            "{}",
            answer.text()
        );
        assert_eq!(
            answer.header("WWW-Authenticate"),
            Some("Bearer realm=\"nvr processor\"")
        );
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        assert_eq!(
            ask(at, &path, &["Authorization: Bearer no"]).await.status,
            401
        );
    }
    assert_eq!(view.asked(), Vec::<String>::new());
    for path in paths() {
        assert_eq!(ask(at, &path, &[&bearer]).await.status, 200, "{path}");
    }
    assert_eq!(ask(at, "/healthz", &[]).await.status, 200);
    let by_address = ask(at, "/cameras.json?token=correct%20horse", &[]).await;
    assert_eq!(
        (by_address.status, by_address.header("Set-Cookie")),
        (200, None)
    );
    let front = ask(at, "/?token=correct+horse", &[]).await;
    let cookie = front.header("Set-Cookie").expect("a cookie").to_owned();
    let pair = format!("Cookie: {}", cookie.split(';').next().unwrap_or_default());
    let path = format!("/media.mp4?source=3&file={CLOSED}");
    assert_eq!(
        ask(at, &path, &[&pair, "Range: bytes=0-9"]).await.status,
        206
    );
}

#[tokio::test]
async fn off_loopback_a_token_is_demanded_before_anything_is_served() {
    let view = Scripted::new(1000);
    let heartbeats = Heartbeats::new(Clock::system());
    let at = |token: Option<Secret>| {
        let address = ([0, 0, 0, 0], 0).into();
        serve(
            address,
            token,
            &[],
            view.clone(),
            view.clone(),
            heartbeats.clone(),
        )
    };
    let refused = at(None).await.expect_err("no token");
    assert!(matches!(refused, PageError::NoToken(_)), "{refused}");
    let served = at(Some(Secret::new(TOKEN))).await.expect("a free port");
    let address = ([127, 0, 0, 1], served.address().port()).into();
    assert_eq!(
        ask(address, "/cameras.json", &["Host: any.example"])
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_foreign_name_for_this_machine_is_refused() {
    let served = page(&Scripted::new(1000), None).await;
    for path in paths() {
        let foreign = ask(served.address(), &path, &["Host: evil.example"]).await;
        assert_eq!(foreign.status, 421, "{path}");
        assert!(
            foreign.text().starts_with("This processor's page"),
            "{}",
            foreign.text()
        );
        let own = ask(served.address(), &path, &["Host: nvr.example:8443"]).await;
        assert_eq!(own.status, 200, "{path}");
    }
}

#[tokio::test]
async fn only_what_never_changes_may_be_kept() {
    let served = page(&Scripted::new(1000), None).await;
    for path in paths() {
        let answer = ask(served.address(), &path, &[]).await;
        let keep = answer.header("Cache-Control").expect("a rule");
        if path.starts_with("/media") {
            assert_eq!(keep, "private, max-age=3600, immutable");
        } else if path.starts_with("/thumbnail") {
            assert_eq!(keep, "private, max-age=3600");
        } else if path == "/hls.js" {
            assert_eq!(keep, "private, no-cache");
        } else {
            assert_eq!(keep, "no-store", "{path}");
        }
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(
            answer.header("Cross-Origin-Resource-Policy"),
            Some("same-origin")
        );
        let policy = answer.header("Content-Security-Policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
