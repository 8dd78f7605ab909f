//! The player library of the page, which the program holds compressed.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::media;
use crate::base::archive::unzipped;

/// The library, as it was published but for `gzip`: a third of the size, in the program and on the way to the browser.
pub(super) const GZIP: &[u8] = include_bytes!("hls.min.js.gz");

/// `/hls.js`. Browsers ask each time whether it changed: a new version of the program may come with another one.
pub(super) async fn hls(headers: HeaderMap) -> Response {
    let tag = format!(
        "\"{:08x}-{:x}\"",
        crate::base::Checksum::of(GZIP),
        GZIP.len()
    );
    let is_known = media::is_known(&headers, Some(&tag));
    let fixed = [
        // Weak: the library has the same tag with and without compression.
        (header::ETAG, format!("W/{tag}")),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::VARY, header::ACCEPT_ENCODING.to_string()),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    if takes_gzip(&headers) {
        let encoding = [(header::CONTENT_ENCODING, "gzip")];
        return (fixed, kind, encoding, GZIP).into_response();
    }
    (fixed, kind, text()).into_response()
}

/// The library's text.
pub(super) fn text() -> Vec<u8> {
    unzipped(GZIP).expect("invariant: a test unpacks the file")
}

/// Whether the client takes answers in gzip (RFC 9110, 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
            let weight = weight.trim().strip_prefix("q=")?.parse::<f32>().ok()?;
            name.trim().eq_ignore_ascii_case("gzip").then_some(weight)
        })
        .any(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_library_is_the_published_one() {
        let sha256 = format!("{:x}", Sha256::digest(text()));
        let readme = include_str!("README.md");
        assert!(readme.contains(&format!("`{sha256}`")), "it is {sha256}");
    }

    #[test]
    fn only_clients_that_ask_for_gzip_get_it() {
        for (asked, takes) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", true),
            ("GZIP", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("identity", false),
            ("x-gzip-like", false),
            ("", false),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(asked))]);
            assert_eq!(takes_gzip(&headers), takes, "{asked}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
