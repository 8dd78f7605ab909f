//! Headers of RTSP responses in the form that rtspsrc can use: the transport of a SETUP, the address of a redirection.
//!
//! Plain functions without threads of their own. None means that a header can stay as it is, or that it is of no use.

use url::Url;

use super::rtsp_sdp::{is_rtsp, with_authority_of};

/// The transport that a SETUP was answered with, if it has to be written in another form.
///
/// Some cameras omit the header, others the channels of interleaved packets: what was asked for applies then. Blanks
/// between the parameters are removed.
pub(super) fn transport(asked: &str, answered: Option<&str>) -> Option<String> {
    let Some(answered) = answered else {
        return Some(asked.to_owned());
    };
    let mut usual: String = answered.split_ascii_whitespace().collect();
    let is_tcp = usual.to_ascii_uppercase().starts_with("RTP/AVP/TCP");
    if is_tcp
        && parameter(&usual, "interleaved").is_none()
        && let Some(channels) = parameter(asked, "interleaved")
    {
        usual += &format!(";interleaved={channels}");
    }
    (usual != answered).then_some(usual)
}

/// The value of a transport's parameter.
fn parameter<'a>(transport: &'a str, name: &str) -> Option<&'a str> {
    transport
        .split(';')
        .filter_map(|part| part.split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The complete address to which a request for `uri` was redirected; none if it is no address of an RTSP server.
pub(super) fn redirection(uri: &str, location: Option<&str>) -> Option<String> {
    let location = location.map(str::trim).filter(|text| !text.is_empty())?;
    if location.starts_with('/') && !location.starts_with("//") {
        return Some(with_authority_of(uri, location));
    }
    Url::parse(location)
        .is_ok_and(|url| is_rtsp(&url) && url.host_str().is_some_and(|host| !host.is_empty()))
        .then(|| location.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_says_what_was_asked_for_where_a_camera_says_nothing() {
        let asked = "RTP/AVP/TCP;unicast;interleaved=0-1";
        for (answered, wanted) in [
            (None, Some(asked)),
            (Some(asked), None),
            (Some("RTP/AVP/TCP;unicast"), Some(asked)),
            (
                Some("RTP/AVP/TCP; unicast; interleaved=0-1; mode=\"PLAY\""),
                Some("RTP/AVP/TCP;unicast;interleaved=0-1;mode=\"PLAY\""),
            ),
            (Some("rtp/avp/tcp;Interleaved=8-9;ssrc=2A27A3FB"), None),
            (Some("RTP/AVP;unicast;client_port=0-1"), None),
        ] {
            assert_eq!(
                transport(asked, answered).as_deref(),
                wanted,
                "{answered:?}"
            );
        }
        let udp = "RTP/AVP;unicast;client_port=5000-5001";
        assert_eq!(transport(udp, Some(udp)), None);
    }

    #[test]
    fn a_redirection_leads_to_an_rtsp_server_or_nowhere() {
        let uri = "rtsp://10.0.0.20:8554/cam?channel=1";
        for (location, wanted) in [
            (None, None),
            (Some(" "), None),
            (Some("other"), None),
            (Some("http://10.0.0.20/cam"), None),
            (Some("/other"), Some("rtsp://10.0.0.20:8554/other")),
            (Some(" rtsp://10.0.0.21/a "), Some("rtsp://10.0.0.21/a")),
        ] {
            assert_eq!(
                redirection(uri, location).as_deref(),
                wanted,
                "{location:?}"
            );
        }
    }
}
