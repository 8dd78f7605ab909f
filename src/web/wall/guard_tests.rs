//! Access to the page: tokens, cookies and host names.

use std::sync::Arc;

use super::testing::{Scripted, ask, page, send};

const TOKEN: &str = "correct horse; battery";
const IN_ADDRESS: &str = "token=correct%20horse%3B+battery";

#[tokio::test]
async fn without_the_token_only_the_probe_is_answered() {
    let served = page(&Arc::new(Scripted::new()), Some(TOKEN)).await;
    let at = served.address();
    for path in [
        "/",
        "/state.json",
        "/wall.jpg",
        "/wall.mjpg",
        "/metrics",
        "/nothing.txt",
        "/?token=",
        "/?token=correct",
    ] {
        let answer = ask(at, path, &[]).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.text().contains("http_token"), "it says what to do");
        assert_eq!(
            answer.header("WWW-Authenticate"),
            Some("Bearer realm=\"nvr wall\"")
        );
        assert!(!answer.text().contains(TOKEN));
    }
    assert_eq!(ask(at, "/healthz", &[]).await.status, 200);
    for wrong in ["Bearer no", "Basic correct horse; battery", "Bearer", ""] {
        let line = format!("Authorization: {wrong}");
        assert_eq!(
            ask(at, "/state.json", &[&line]).await.status,
            401,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn programs_send_the_token_with_each_question() {
    let served = page(&Arc::new(Scripted::new()), Some(TOKEN)).await;
    let at = served.address();
    let line = format!("Authorization: bearer {TOKEN}");
    assert_eq!(ask(at, "/metrics", &[&line]).await.status, 200);
    assert_eq!(ask(at, "/", &[&line]).await.status, 200);
    let picture = ask(at, &format!("/wall.jpg?width=160&{IN_ADDRESS}"), &[]).await;
    assert_eq!((picture.status, picture.header("Set-Cookie")), (200, None));
}

#[tokio::test]
async fn people_give_the_token_once_and_it_leaves_the_address() {
    let served = page(&Arc::new(Scripted::new()), Some(TOKEN)).await;
    let at = served.address();
    let answer = ask(at, &format!("/?{IN_ADDRESS}"), &[]).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .text()
            .contains("http-equiv=refresh content=\"0;url=./\"")
    );
    assert_eq!(answer.header("Referrer-Policy"), Some("no-referrer"));
    let cookie = answer.header("Set-Cookie").expect("a cookie").to_owned();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains("horse"), "the token itself is not kept");
    let pair = cookie.split(';').next().unwrap_or_default();
    let line = format!("Cookie: other=1; {pair}");
    let index = ask(at, "/", &[&line]).await;
    assert_eq!(index.status, 200);
    assert!(index.text().contains("<canvas"));
    let bookmark = ask(at, &format!("/?{IN_ADDRESS}"), &[&line]).await;
    assert!(
        bookmark.text().contains("http-equiv=refresh"),
        "it leaves it again"
    );
    let other = format!("Cookie: {pair}x");
    assert_eq!(ask(at, "/", &[&other]).await.status, 401);
}

#[tokio::test]
async fn a_foreign_name_for_this_machine_is_refused() {
    let served = page(&Arc::new(Scripted::new()), None).await;
    let at = served.address();
    for host in [
        "localhost",
        "LOCALHOST:80",
        "localhost.:80",
        "127.0.0.1:8080",
        "[::1]:8080",
        "[::1]",
        "wall.example",
        "Wall.Example:8443",
    ] {
        let line = format!("Host: {host}");
        assert_eq!(ask(at, "/state.json", &[&line]).await.status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "localhost..",
        "evil.wall.example",
        "192.168.0.1",
        "127.0.0.9",
        "[::2]",
        "[",
        "",
    ] {
        let line = format!("Host: {host}");
        let answer = ask(at, "/state.json", &[&line]).await;
        assert_eq!(answer.status, 421, "{host}");
        assert!(
            answer.text().contains("Host: localhost"),
            "{}",
            answer.text()
        );
    }
    let two = ["Host: localhost", "Host: evil.example"];
    let answer = ask(at, "/state.json", &two).await;
    assert_eq!(answer.status, 421);
    assert!(
        answer
            .text()
            .contains("the request has several Host headers")
    );
    assert_eq!(ask(at, "/healthz", &["Host: probe"]).await.status, 200);
    for forged in [
        "X-Forwarded-Host: localhost",
        "X-Forwarded-Host: wall.example",
        "Forwarded: host=localhost",
        "X-Original-Host: localhost",
        "X-Forwarded-Prefix: /localhost",
        "X-Forwarded-For: 127.0.0.1",
    ] {
        let lines = ["Host: evil.example", forged];
        assert_eq!(ask(at, "/state.json", &lines).await.status, 421, "{forged}");
    }
}

#[tokio::test]
async fn a_proxy_may_serve_the_page_below_a_path_of_its_own() {
    let served = page(&Arc::new(Scripted::new()), Some(TOKEN)).await;
    let at = served.address();
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let host = "Host: wall.example";
    // The proxy removes its path, or leaves it with or without a header.
    for (below, prefix) in [
        ("/", "X-Forwarded-Prefix: /site/wall"),
        ("/site/wall/", "X-Forwarded-Prefix: /site/wall"),
        ("/site/wall/", "X-Forwarded-Proto: https"),
    ] {
        for (name, kind) in [
            ("", "text/html; charset=utf-8"),
            ("state.json", "application/json"),
            ("wall.jpg?width=100", "image/jpeg"),
            ("wall.mjpg", "multipart/x-mixed-replace; boundary=nvr"),
            (
                "metrics",
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
            ("healthz", "text/plain; charset=utf-8"),
        ] {
            let answer = send(
                at,
                "HEAD",
                &format!("{below}{name}"),
                &[host, &bearer, prefix],
            )
            .await;
            assert_eq!(answer.status, 200, "{below}{name} {prefix}");
            assert_eq!(answer.header("Content-Type"), Some(kind), "{below}{name}");
            assert_eq!(answer.body, b"", "HEAD has no body");
        }
        // The form leads to the front page, and from there on without the token in the address.
        let wanted = match prefix.strip_prefix("X-Forwarded-Prefix: ") {
            Some(prefix) => format!("{prefix}/"),
            None => "./".to_owned(),
        };
        let refusal = ask(at, &format!("{below}state.json"), &[host, prefix]).await;
        assert_eq!(refusal.status, 401);
        let form = format!("<form action=\"{wanted}\" method=\"get\">");
        assert!(refusal.text().contains(&form), "{}", refusal.text());
        let welcome = ask(at, &format!("{below}?{IN_ADDRESS}"), &[host, prefix]).await;
        let refresh = format!("content=\"0;url={wanted}\"");
        assert!(welcome.text().contains(&refresh), "{}", welcome.text());
        let cookie = welcome.header("Set-Cookie").expect("a cookie").to_owned();
        assert!(!cookie.contains("Path="), "the browser knows it: {cookie}");
        assert_eq!(
            cookie.contains("; Secure; "),
            prefix.ends_with("https"),
            "{cookie}"
        );
        let pair = format!("Cookie: {}", cookie.split(';').next().unwrap_or_default());
        let answer = ask(at, below, &[host, prefix, &pair]).await;
        assert_eq!(answer.status, 200);
    }
    let lines = [host, &bearer, "X-Forwarded-Prefix: /site/wall"];
    let redirect = ask(at, "/site/wall?x=1", &lines).await;
    assert_eq!(redirect.status, 307);
    assert_eq!(redirect.header("Location"), Some("./wall/?x=1"));
    // A proxy that leaves its path and does not say so: the form of the refusal would lead beside the page.
    let redirect = ask(at, &format!("/site/wall?{IN_ADDRESS}"), &[host]).await;
    assert_eq!(redirect.status, 307);
    let place = format!("./wall/?{IN_ADDRESS}");
    assert_eq!(redirect.header("Location"), Some(&*place));
    assert_eq!(redirect.header("Cache-Control"), Some("no-store"));
    let welcome = ask(at, &format!("/site/wall/?{IN_ADDRESS}"), &[host]).await;
    assert!(welcome.header("Set-Cookie").is_some());
    let forged = [
        "Host: localhost",
        "X-Forwarded-Prefix: /\"><script>alert(1)</script>",
    ];
    let refusal = ask(at, "/", &forged).await;
    assert!(
        refusal.text().contains("<form action=\"./\""),
        "{}",
        refusal.text()
    );
}

#[tokio::test]
async fn every_answer_forbids_keeping_guessing_and_framing() {
    let served = page(&Arc::new(Scripted::new()), None).await;
    for path in [
        "/",
        "/state.json",
        "/wall.jpg",
        "/metrics",
        "/healthz",
        "/nothing.txt",
    ] {
        let answer = ask(served.address(), path, &[]).await;
        assert_eq!(answer.header("Cache-Control"), Some("no-store"), "{path}");
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
