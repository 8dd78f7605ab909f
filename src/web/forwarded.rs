//! Pages below a path of a proxy.
//!
//! Links, forms and redirects are relative, so pages work below any path without configuration. A proxy may leave its path in
//! the request: only the last part of the path counts, or the part after `X-Forwarded-Prefix`. Every folder is the front page; a
//! folder without its slash is redirected to it, so that the links of the page lead to the folder and not beside it. Of the
//! headers of proxies, only this one and `X-Forwarded-Proto` are read. Neither affects access, because a script of another site
//! can set headers too.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

/// Maximum length of an accepted prefix.
const LONGEST: usize = 200;

/// The routes of a page, and the last parts of their paths.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) routes: Router,
    /// The part after the last slash; empty for a front page.
    pub(super) names: &'static [&'static str],
}

impl Site {
    /// Rewrites the path of a request to that of a route. Returns a redirect if the path is a folder without a slash at the
    /// end.
    #[expect(
        clippy::result_large_err,
        reason = "an answer is as large as a request"
    )]
    pub(super) fn direct<B>(&self, mut request: Request<B>) -> Result<Request<B>, Response> {
        let prefix = prefix(request.headers());
        let path = request.uri().path();
        if let Some(prefix) = &prefix
            && path == prefix
        {
            return Err(to_folder(request.uri()));
        }
        let below = prefix
            .as_deref()
            .and_then(|prefix| path.strip_prefix(prefix))
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path);
        let (_, last) = below.rsplit_once('/').unwrap_or_default();
        let wanted = if self.names.contains(&last) {
            format!("/{last}")
        } else if self.is_folder(last) {
            return Err(to_folder(request.uri()));
        } else {
            below.to_owned()
        };
        if wanted != path {
            let uri = match request.uri().query() {
                Some(query) => format!("{wanted}?{query}"),
                None => wanted,
            };
            if let Ok(uri) = uri.parse() {
                *request.uri_mut() = uri;
            }
        }
        Ok(request)
    }

    /// Whether a request that ends with `last` can mean the front page, below the path of a proxy that announces none. Names with
    /// a dot are files.
    fn is_folder(&self, last: &str) -> bool {
        self.names.contains(&"") && !last.contains('.')
    }
}

/// The path below which a proxy serves the page, without a slash at the end. Absent at the root, and if the header is not a
/// plain path: the value is written into pages.
pub(super) fn prefix(headers: &HeaderMap) -> Option<String> {
    let given = headers.get("x-forwarded-prefix")?.to_str().ok()?;
    // Several proxies in a row each add a value.
    let given = given.split(',').next()?.trim().trim_end_matches('/');
    let plain = |part: &str| {
        !part.is_empty()
            && !part.chars().all(|letter| letter == '.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte))
    };
    let is_path = given.len() <= LONGEST && given.strip_prefix('/')?.split('/').all(plain);
    is_path.then(|| given.to_owned())
}

/// The reference to the front page for use in HTML.
pub(super) fn front(headers: &HeaderMap) -> String {
    prefix(headers).map_or_else(|| "./".to_owned(), |prefix| format!("{prefix}/"))
}

/// Whether the browser uses TLS to the proxy.
pub(super) fn is_secure(headers: &HeaderMap) -> bool {
    let proto = headers.get("x-forwarded-proto");
    proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

fn to_folder(uri: &Uri) -> Response {
    let (_, last) = uri.path().rsplit_once('/').unwrap_or_default();
    let query = uri
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let place = HeaderValue::try_from(format!("./{last}/{query}"));
    match place {
        Ok(place) => {
            // The place may contain the token.
            let fresh = HeaderValue::from_static("no-store");
            let headers = [(header::LOCATION, place), (header::CACHE_CONTROL, fresh)];
            (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
        }
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a page with a front page, and of one without.
    const WALL: &[&str] = &["", "state.json", "metrics"];
    const PROCESSOR: &[&str] = &["metrics"];

    fn directed(
        names: &'static [&'static str],
        path: &str,
        prefix: Option<&str>,
    ) -> Result<String, String> {
        let site = Site {
            routes: Router::new(),
            names,
        };
        let mut request = Request::builder().uri(path);
        if let Some(prefix) = prefix {
            request = request.header("X-Forwarded-Prefix", prefix);
        }
        let request = request.body(()).expect("a request");
        site.direct(request)
            .map(|request| request.uri().to_string())
            .map_err(|redirect| {
                let place = redirect.headers().get(header::LOCATION);
                let place = place.and_then(|place| place.to_str().ok());
                place.unwrap_or_default().to_owned()
            })
    }

    #[test]
    fn pages_are_found_below_any_path_with_and_without_being_told_which() {
        for (path, prefix, found) in [
            ("/", None, Ok("/")),
            ("/?token=a", None, Ok("/?token=a")),
            ("/metrics", None, Ok("/metrics")),
            ("/a/b/metrics?x", None, Ok("/metrics?x")),
            ("/a/b/", None, Ok("/")),
            ("/a/b", None, Err("./b/")),
            ("/wall", None, Err("./wall/")),
            ("/wall?token=a", None, Err("./wall/?token=a")),
            ("//evil", None, Err("./evil/")),
            ("/a/b.png", None, Ok("/a/b.png")),
            ("/..", None, Ok("/..")),
            ("/a/b", Some("/a/b"), Err("./b/")),
            ("/a/b?token=c", Some("/a/b/"), Err("./b/?token=c")),
            ("/a/b/other", Some("/a/b"), Err("./other/")),
            ("/a/b/other.png", Some("/a/b"), Ok("/other.png")),
            ("/a/bother.png", Some("/a/b"), Ok("/a/bother.png")),
            ("/", Some("/a"), Ok("/")),
            ("/state.json", Some("/a"), Ok("/state.json")),
            ("/a//", None, Ok("/")),
        ] {
            let wanted = found.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(directed(WALL, path, prefix), wanted, "{path} {prefix:?}");
        }
    }

    #[test]
    fn without_a_front_page_no_folder_leads_to_it() {
        for (path, found) in [
            ("/a/metrics", "/metrics"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/", "/"),
        ] {
            assert_eq!(directed(PROCESSOR, path, None).as_deref(), Ok(found));
        }
    }

    #[test]
    fn a_prefix_that_is_no_plain_path_is_not_believed() {
        let front_of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                "x-forwarded-prefix",
                HeaderValue::from_str(value).expect("a value"),
            );
            front(&headers)
        };
        for (value, wanted) in [
            ("/wall", "/wall/"),
            ("/a/b-c_d.e/", "/a/b-c_d.e/"),
            ("/outer, /inner", "/outer/"),
            ("/", "./"),
            ("", "./"),
            ("wall", "./"),
            ("//evil.example", "./"),
            ("/a//b", "./"),
            ("/..", "./"),
            ("/a\"><script>", "./"),
            ("/a b", "./"),
            ("https://evil.example/", "./"),
            ("/\\evil.example", "./"),
        ] {
            assert_eq!(front_of(value), wanted, "{value}");
        }
        assert_eq!(front(&HeaderMap::new()), "./");
    }
}
