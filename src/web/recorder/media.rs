//! Files of recordings over HTTP: whole or one range of bytes (RFC 9110, 14), in pieces.
//!
//! A piece is read on the blocking pool when the connection has sent the one before. So a client that reads slowly holds a few
//! pieces in memory and no thread.

use std::io::SeekFrom;
use std::ops::RangeInclusive;
use std::time::UNIX_EPOCH;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_range_header::parse_range_header;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use tracing::debug;

use super::view::Media;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 128 * 1024;
/// How browsers may keep what never changes: a viewer who goes back sees the same bytes without a new request.
const KEEP: &str = "private, max-age=3600, immutable";
/// And what still grows.
const NEVER: &str = "no-store";

/// The answer to a request for a file.
pub(super) async fn answer(method: &Method, headers: &HeaderMap, media: Media) -> Response {
    let tag = tag(&media);
    let caching = if media.is_closed { KEEP } else { NEVER };
    let mut fixed = vec![
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CACHE_CONTROL, caching.to_owned()),
    ];
    fixed.extend(tag.clone().map(|tag| (header::ETAG, tag)));
    if is_known(headers, tag.as_deref()) {
        return with(fixed, StatusCode::NOT_MODIFIED.into_response());
    }
    let asked = asked(method, headers, tag.as_deref(), media.bytes);
    fixed.push((header::CONTENT_TYPE, "video/mp4".to_owned()));
    match asked {
        Asked::All => {
            let all = 0..media.bytes;
            fixed.push((header::CONTENT_LENGTH, media.bytes.to_string()));
            with(fixed, body(method, media, all.start, all.end).await)
        }
        Asked::Range(range) => {
            let (start, end) = (*range.start(), *range.end() + 1);
            let place = format!("bytes {start}-{}/{}", range.end(), media.bytes);
            fixed.push((header::CONTENT_RANGE, place));
            fixed.push((header::CONTENT_LENGTH, (end - start).to_string()));
            let mut answer = body(method, media, start, end).await;
            if answer.status().is_success() {
                *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            }
            with(fixed, answer)
        }
        Asked::Nowhere { range } => {
            let text = format!(
                "Range: {range}: the file has {} bytes, counted from 0; ask for some of them\n",
                media.bytes
            );
            let place = (header::CONTENT_RANGE, format!("bytes */{}", media.bytes));
            let never = (header::CACHE_CONTROL, NEVER.to_owned());
            with(
                vec![place, never],
                (StatusCode::RANGE_NOT_SATISFIABLE, text).into_response(),
            )
        }
    }
}

/// Which bytes are asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    Range(RangeInclusive<u64>),
    /// Bytes that the file does not have, or a range that can't be understood.
    Nowhere {
        range: String,
    },
}

/// Ranges are for GET only. With several of them, all bytes are sent, as every server may; players ask for one.
fn asked(method: &Method, headers: &HeaderMap, tag: Option<&str>, bytes: u64) -> Asked {
    let Some(range) = headers
        .get(header::RANGE)
        .filter(|_| *method == Method::GET)
    else {
        return Asked::All;
    };
    // A part of another version would be useless.
    let condition = headers.get(header::IF_RANGE);
    if condition.is_some_and(|wanted| tag.is_none_or(|tag| wanted.as_bytes() != tag.as_bytes())) {
        return Asked::All;
    }
    let text = range.to_str().unwrap_or_default();
    if !text.starts_with("bytes=") {
        return Asked::All;
    }
    let nowhere = || Asked::Nowhere {
        range: text.chars().take(60).collect(),
    };
    let Ok(ranges) = parse_range_header(text) else {
        return nowhere();
    };
    match ranges.validate(bytes).as_deref() {
        Ok([range]) if bytes > 0 => Asked::Range(range.clone()),
        Ok(_) if bytes > 0 => Asked::All,
        _ => nowhere(),
    }
}

/// What names the content of a file that changes no more.
fn tag(media: &Media) -> Option<String> {
    let modified = media.modified.filter(|_| media.is_closed)?;
    let since_epoch = modified.duration_since(UNIX_EPOCH).ok()?;
    Some(format!(
        "\"{:x}-{:x}\"",
        media.bytes,
        since_epoch.as_nanos()
    ))
}

/// Whether the client has the content with this tag.
pub(super) fn is_known(headers: &HeaderMap, tag: Option<&str>) -> bool {
    let Some(tag) = tag else {
        return false;
    };
    let lines = headers.get_all(header::IF_NONE_MATCH).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|known| known.trim())
        .any(|known| known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// The bytes from `start` to before `end`.
async fn body(method: &Method, media: Media, start: u64, end: u64) -> Response {
    if *method == Method::HEAD {
        return StatusCode::OK.into_response();
    }
    let mut file = tokio::fs::File::from_std(media.file);
    file.set_max_buf_size(PIECE_BYTES);
    if let Err(error) = file.seek(SeekFrom::Start(start)).await {
        debug!(%error, "a recording can't be served");
        let text = format!("the recording can't be read: {error}; check the disk\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    let pieces = ReaderStream::with_capacity(file.take(end - start), PIECE_BYTES);
    Body::from_stream(pieces).into_response()
}

fn with(headers: Vec<(HeaderName, String)>, mut answer: Response) -> Response {
    let is_error = answer.status().is_server_error();
    for (name, value) in headers {
        if let (Ok(value), false) = (value.try_into(), is_error) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

#[cfg(test)]
#[path = "media_tests.rs"]
mod tests;
