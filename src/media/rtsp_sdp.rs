//! A camera's description (SDP, RFC 8866): the payload types of its media, and the addresses for SETUP.
//!
//! rtspsrc uses a Content-Base as it is, and each of its versions joins addresses in another way. Therefore the
//! addresses are computed here and put into the description before rtspsrc reads it.

use url::Url;

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
            } else if let Some(map) = line.strip_prefix("a=rtpmap:")
                && let Some(section) = media.last_mut()
                && let Some((number, encoding)) = map.trim_start().split_once([' ', '\t'])
                && let Ok(number) = number.parse::<u8>()
            {
                let encoding = encoding.trim_start().split('/').next().unwrap_or_default();
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
            None => mended += line,
        }
        mended += "\r\n";
    }
    (mended, whole)
}

fn lines(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.trim_end_matches('\0')
        .split(['\r', '\n'])
        .filter(|line| !line.is_empty())
}

fn is_rtsp(url: &Url) -> bool {
    matches!(url.scheme(), "rtsp" | "rtsps" | "rtspu" | "rtspt")
}

/// Puts `path`, the part after the host, behind the host of `address`.
fn with_authority_of(address: &str, path: &str) -> String {
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
}
