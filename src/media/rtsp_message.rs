//! RTSP requests and responses as the dialogue sees them, and the changes that it makes to them.
//!
//! Plain data without threads of its own. Only the headers that the dialogue needs are here.

/// A response that refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) method: String,
    pub(super) status: u32,
    /// The reason phrase, `Unauthorized`.
    pub(super) reason: String,
}

/// A request that is about to be sent, or was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    /// `RTP/AVP/TCP;unicast;interleaved=0-1`, for SETUP.
    pub(super) transport: Option<&'a str>,
}

/// The changes to a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RequestChanges {
    /// Send OPTIONS instead.
    pub(super) options: bool,
    /// Remove body and content type.
    pub(super) bare: bool,
    pub(super) uri: Option<String>,
    pub(super) authorization: Option<String>,
}

/// A response that has arrived.
#[derive(Debug, Clone, Default)]
pub(super) struct Response {
    pub(super) status: u32,
    pub(super) reason: String,
    pub(super) challenges: Vec<String>,
    pub(super) session: Option<String>,
    pub(super) public: Vec<String>,
    pub(super) content_base: Option<String>,
    pub(super) transport: Option<String>,
    /// The address of a redirection.
    pub(super) location: Option<String>,
    pub(super) body: Option<String>,
}

/// The changes to a response before rtspsrc reads it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ResponseChanges {
    /// Whether rtspsrc must send the request again; set for each response that asks for a login.
    pub(super) again: Option<bool>,
    /// An additional `Public` header.
    pub(super) public: Option<&'static str>,
    /// The status that rtspsrc sees.
    pub(super) status: Option<u32>,
    /// Another `Transport`.
    pub(super) transport: Option<String>,
    /// Another `Location`.
    pub(super) location: Option<String>,
    /// Remove what describes the position in a recording. `RTP-Info`: cameras state sequence numbers that they do not
    /// send, and rtpbin drops all packets before the stated one. `Range`, `Scale` and `Speed`: rtspsrc ends the stream
    /// at the end of the range.
    pub(super) no_position: bool,
    /// Remove the type of the body, which is a description whatever it says.
    pub(super) no_content_type: bool,
    pub(super) body: Option<String>,
}
