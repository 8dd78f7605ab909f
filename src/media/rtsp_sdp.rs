//! A camera's description (SDP, RFC 8866): the payload types of its media, and the addresses for SETUP.
//!
//! rtspsrc uses a Content-Base as it is, and each of its versions joins addresses in another way. Therefore the
//! addresses are computed here and put into the description before rtspsrc reads it. Lines that rtspsrc reads more
//! strictly than other players do are written in their usual form.

use std::borrow::Cow;

use url::Url;

use super::codec::Codec;

/// RTP clock rate of every supported codec (RFC 6184, 7798, 2435).
const VIDEO_CLOCK_HZ: u32 = 90_000;

/// The media of a description, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Description {
    pub(super) media: Vec<Media>,
}

/// One media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Media {
    /// `video`, `audio`, `application`.
    pub(super) kind: String,
    /// Its payload types and their RTP encoding names in upper case, the preferred one first.
    pub(super) payloads: Vec<Payload>,
}

/// A payload type of a media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) number: u8,
    pub(super) encoding: String,
}

impl Description {
    /// Reads the description; unknown lines are skipped.
    pub(super) fn read(sdp: &str) -> Self {
        let mut media: Vec<Media> = Vec::new();
        for line in lines(sdp) {
            if let Some(section) = line.strip_prefix("m=") {
                let mut words = section.split_ascii_whitespace();
                let kind = words.next().unwrap_or_default().to_owned();
                let payloads = words
                    .skip(2)
                    .filter_map(|word| word.parse().ok())
                    .map(|number| Payload {
                        number,
                        encoding: fixed_encoding(number).to_owned(),
                    })
                    .collect();
                media.push(Media { kind, payloads });
            } else if let Some((number, encoding)) = rtpmap(line)
                && let Some(section) = media.last_mut()
            {
                let encoding = encoding.split('/').next().unwrap_or_default().trim_end();
                let payloads = section.payloads.iter_mut();
                for payload in payloads.filter(|payload| payload.number == number) {
                    payload.encoding = encoding.to_ascii_uppercase();
                }
            }
        }
        Self { media }
    }
}

impl Media {
    /// The RTP encoding name of payload type `number`.
    pub(super) fn encoding(&self, number: u8) -> Option<&str> {
        let mut payloads = self.payloads.iter();
        payloads
            .find(|payload| payload.number == number)
            .map(|payload| payload.encoding.as_str())
    }
}

impl std::fmt::Display for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.encoding.as_str() {
            "" => write!(f, "{}", self.number),
            encoding => write!(f, "{} ({encoding})", self.number),
        }
    }
}

/// The encodings of RFC 3551 that need no rtpmap.
fn fixed_encoding(number: u8) -> &'static str {
    match number {
        0 => "PCMU",
        3 => "GSM",
        4 => "G723",
        8 => "PCMA",
        9 => "G722",
        14 => "MPA",
        26 => "JPEG",
        31 => "H261",
        32 => "MPV",
        33 => "MP2T",
        34 => "H263",
        _ => "",
    }
}

/// The base address for relative addresses: the Content-Base if it is usable, otherwise the address of the request.
///
/// Cameras send a Content-Base without a scheme, an empty one, a path only, or an address that is valid only behind a
/// router. The host of the connection is used in every case.
pub(super) fn base(request: &str, content_base: Option<&str>) -> String {
    let Some(text) = content_base.map(str::trim).filter(|text| !text.is_empty()) else {
        return request.to_owned();
    };
    if text.starts_with('/') && !text.starts_with("//") {
        return with_authority_of(request, text);
    }
    match Url::parse(text) {
        Ok(url) if is_rtsp(&url) && url.host_str().is_some_and(|host| !host.is_empty()) => {
            if authority(text).eq_ignore_ascii_case(authority(request)) {
                return text.to_owned();
            }
            let after_authority = &text[end_of_authority(text)..];
            with_authority_of(request, after_authority)
        }
        _ => request.to_owned(),
    }
}

/// The address for `control`. It is appended as FFmpeg and live555 do, not joined by RFC 3986: cameras rely on it.
fn joined(base: &str, control: &str) -> String {
    let control = control.trim();
    match control {
        "" | "*" => base.to_owned(),
        _ if Url::parse(control).is_ok_and(|url| is_rtsp(&url)) => control.to_owned(),
        _ if control.starts_with('/') => with_authority_of(base, control),
        _ if control.starts_with('?') || base.ends_with('/') => format!("{base}{control}"),
        _ => format!("{base}/{control}"),
    }
}

/// The description with complete addresses, and the address of the whole session.
pub(super) fn with_complete_addresses(sdp: &str, base: &str) -> (String, String) {
    let mut whole = base.to_owned();
    let mut in_media = false;
    let mut mended = String::with_capacity(sdp.len() + 256);
    for line in lines(sdp) {
        in_media |= line.starts_with("m=");
        match line.strip_prefix("a=control:") {
            Some(control) if in_media => {
                mended += "a=control:";
                mended += &joined(base, control);
            }
            Some(control) => {
                whole = joined(base, control);
                mended += "a=control:*";
            }
            None => mended += &usual_form(line),
        }
        mended += "\r\n";
    }
    (mended, whole)
}

fn lines(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.trim_end_matches('\0')
        .split(['\r', '\n'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
}

/// The line as rtspsrc reads it.
fn usual_form(line: &str) -> Cow<'_, str> {
    if let Some(section) = line.strip_prefix("m=") {
        return media_line(section).map_or(Cow::Borrowed(line), Cow::Owned);
    }
    if line.starts_with("c=") {
        // Cameras state a multicast address here, also for a session that is asked for unicast; rtspsrc would then ask
        // for multicast alone. It reads from this line only whether sockets are for IPv6.
        let any = if line.contains("IP6") {
            "c=IN IP6 ::"
        } else {
            "c=IN IP4 0.0.0.0"
        };
        return Cow::Borrowed(any);
    }
    if let Some(range) = line.strip_prefix("a=range:") {
        // rtspsrc ends the stream at the end of the range, and asks for its start.
        return match range.split_once('-') {
            Some((start, _)) => Cow::Owned(format!("a=range:{start}-")),
            None => Cow::Borrowed(line),
        };
    }
    match rtpmap(line) {
        Some((number, encoding)) => {
            Cow::Owned(format!("a=rtpmap:{number} {}", with_clock(encoding)))
        }
        None => Cow::Borrowed(line),
    }
}

/// A media section's first line: the kind in lower case, and the RTP profile without the transport that some cameras
/// add to it (`RTP/AVP/TCP`, `TCP/RTP/AVP`).
fn media_line(section: &str) -> Option<String> {
    let mut words = section.split_ascii_whitespace();
    let (kind, port, protocol) = (words.next()?, words.next()?, words.next()?);
    let upper = protocol.to_ascii_uppercase();
    let profile = upper
        .split('/')
        .find(|part| matches!(*part, "AVP" | "AVPF" | "SAVP" | "SAVPF"));
    let protocol = match profile {
        Some(profile) => format!("RTP/{profile}"),
        None => protocol.to_owned(),
    };
    let payloads: String = words.map(|word| format!(" {word}")).collect();
    Some(format!(
        "m={} {port} {protocol}{payloads}",
        kind.to_ascii_lowercase()
    ))
}

/// Payload type and encoding of an `a=rtpmap` line: 96 and `H264/90000`.
fn rtpmap(line: &str) -> Option<(u8, &str)> {
    let map = line.strip_prefix("a=rtpmap:")?;
    let (number, encoding) = map.trim_start().split_once([' ', '\t'])?;
    Some((number.parse().ok()?, encoding.trim()))
}

/// The encoding with its clock rate, which some cameras omit or state as 0.
fn with_clock(encoding: &str) -> Cow<'_, str> {
    let mut parts = encoding.split('/').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let clock_hz = parts.next().and_then(|rate| rate.parse::<u32>().ok());
    let is_video = Codec::of_rtp(&name.to_ascii_uppercase()).is_some();
    if is_video && clock_hz.is_none_or(|rate| rate == 0) {
        Cow::Owned(format!("{name}/{VIDEO_CLOCK_HZ}"))
    } else {
        Cow::Borrowed(encoding)
    }
}

/// Whether `url` is the address of an RTSP server.
pub(super) fn is_rtsp(url: &Url) -> bool {
    matches!(url.scheme(), "rtsp" | "rtsps" | "rtspu" | "rtspt")
}

/// Puts `path`, the part after the host, behind the host of `address`.
pub(super) fn with_authority_of(address: &str, path: &str) -> String {
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{}{slash}{path}", &address[..end_of_authority(address)])
}

/// Host and port, without a login.
fn authority(address: &str) -> &str {
    let whole = &address[..end_of_authority(address)];
    let behind = whole.find("://").map_or(whole, |at| &whole[at + 3..]);
    behind.rsplit('@').next().unwrap_or(behind)
}

fn end_of_authority(address: &str) -> usize {
    let start = address.find("://").map_or(0, |at| at + 3);
    address[start..]
        .find(['/', '?'])
        .map_or(address.len(), |at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "rtsp://10.0.0.20:8554/cam?channel=1";

    #[test]
    fn payload_types_keep_their_order_and_their_media() {
        let sdp = "v=0\r\na=control:*\r\nm=video 0 RTP/AVP 98 96 26\r\na=rtpmap:98 H265/90000\r\n\
                   a=rtpmap:96 h264/90000\r\nm=audio 0 RTP/AVP 0 96\r\na=rtpmap:96 mpeg4-generic/16000/1\r\n";
        let description = Description::read(sdp);
        let shown: Vec<_> = description
            .media
            .iter()
            .map(|media| {
                let payloads: Vec<_> = media.payloads.iter().map(Payload::to_string).collect();
                format!("{}: {}", media.kind, payloads.join(", "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "video: 98 (H265), 96 (H264), 26 (JPEG)",
                "audio: 0 (PCMU), 96 (MPEG4-GENERIC)"
            ]
        );
        assert_eq!(description.media[0].encoding(96), Some("H264"));
        assert_eq!(description.media[0].encoding(119), None);
    }

    #[test]
    fn a_content_base_counts_as_far_as_it_is_an_address_of_the_camera() {
        for (content_base, wanted) in [
            (None, REQUEST),
            (Some(""), REQUEST),
            (Some("  "), REQUEST),
            (Some("10.0.0.20:8554/cam/"), REQUEST),
            (Some("cam/"), REQUEST),
            (Some("http://10.0.0.20/cam/"), REQUEST),
            (Some("rtsp:/"), REQUEST),
            (Some("/cam/"), "rtsp://10.0.0.20:8554/cam/"),
            (
                Some("rtsp://10.0.0.20:8554/cam/"),
                "rtsp://10.0.0.20:8554/cam/",
            ),
            (
                Some("rtsp://192.168.1.64:554/Streaming/101?a=b/"),
                "rtsp://10.0.0.20:8554/Streaming/101?a=b/",
            ),
            (Some("rtsp://10.0.0.20/cam/"), "rtsp://10.0.0.20:8554/cam/"),
        ] {
            assert_eq!(base(REQUEST, content_base), wanted, "{content_base:?}");
        }
    }

    #[test]
    fn controls_become_complete_addresses() {
        let sdp = "v=0\na=control:*\na=range:npt=0-\nm=video 0 RTP/AVP 96\na=control:trackID=1\n\
                   m=audio 0 RTP/AVP 0\na=control:/audio\nm=application 0 RTP/AVP 107\n\
                   a=control:rtsp://192.168.1.64/meta\n\0";
        assert_eq!(
            with_complete_addresses(sdp, "rtsp://h:1/cam?channel=1"),
            (
                "v=0\r\na=control:*\r\na=range:npt=0-\r\nm=video 0 RTP/AVP 96\r\n\
                 a=control:rtsp://h:1/cam?channel=1/trackID=1\r\nm=audio 0 RTP/AVP 0\r\n\
                 a=control:rtsp://h:1/audio\r\nm=application 0 RTP/AVP 107\r\n\
                 a=control:rtsp://192.168.1.64/meta\r\n"
                    .to_owned(),
                "rtsp://h:1/cam?channel=1".to_owned()
            )
        );
        let (_, whole) = with_complete_addresses("v=0\r\na=control:session\r\n", "rtsp://h/cam/");
        assert_eq!(whole, "rtsp://h/cam/session");
    }

    #[test]
    fn lines_are_written_as_rtspsrc_reads_them() {
        for (line, wanted) in [
            ("m=video 0 RTP/AVP 96", "m=video 0 RTP/AVP 96"),
            (
                "m=Video  554 RTP/AVP/TCP  96 97",
                "m=video 554 RTP/AVP 96 97",
            ),
            ("m=video 0 TCP/RTP/AVP 96", "m=video 0 RTP/AVP 96"),
            ("m=video 0 rtp/savpf 96", "m=video 0 RTP/SAVPF 96"),
            ("m=video 0 udp 33", "m=video 0 udp 33"),
            ("m=video", "m=video"),
            ("c=IN IP4 239.1.2.3/127", "c=IN IP4 0.0.0.0"),
            ("c=IN IP6 ff15::101", "c=IN IP6 ::"),
            ("a=rtpmap: 96  H264/90000", "a=rtpmap:96 H264/90000"),
            ("a=rtpmap:96\th265/0", "a=rtpmap:96 h265/90000"),
            ("a=rtpmap:26 JPEG", "a=rtpmap:26 JPEG/90000"),
            ("a=rtpmap:0 PCMU/8000/1", "a=rtpmap:0 PCMU/8000/1"),
            ("a=rtpmap:96", "a=rtpmap:96"),
            ("a=range:npt=now-", "a=range:npt=now-"),
            ("a=range:npt=0-10.0", "a=range:npt=0-"),
            (
                "a=range:clock=20200618T212222Z-20200618T212312Z",
                "a=range:clock=20200618T212222Z-",
            ),
            ("a=recvonly", "a=recvonly"),
        ] {
            assert_eq!(usual_form(line), wanted, "{line}");
        }
        let (mended, _) = with_complete_addresses(
            " m=Video 0 RTP/AVP/TCP 96\n a=rtpmap:96  H264 \n",
            "rtsp://h/",
        );
        assert_eq!(mended, "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n");
        assert_eq!(
            Description::read(&mended).media[0].encoding(96),
            Some("H264")
        );
    }
}
