#![expect(
    unsafe_code,
    reason = "GStreamer's RTSP extensions and messages are C structures without bindings"
)]
//! Connects [`Dialogue`] to rtspsrc: an RTSP extension, an element that gets every request and response of rtspsrc.
//!
//! rtspsrc makes the extension itself and passes no arguments. Therefore the dialogue for the next rtspsrc is kept in a
//! thread-local variable meanwhile. There are no threads here, and nothing is dropped.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::sync::{Arc, LazyLock};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use gstreamer_rtsp::ffi;

use super::element::{PipelineError, element};
use super::rtsp_dialogue::Dialogue;
use super::rtsp_message::{Request, Response, ResponseChanges};

thread_local! {
    /// The dialogue of the rtspsrc that is being made on this thread.
    static NEXT: RefCell<Option<Arc<Dialogue>>> = const { RefCell::new(None) };
}

/// Whether the extension is registered. rtspsrc looks for it once per process, when the first one is made.
static REGISTERED: LazyLock<Result<(), PipelineError>> = LazyLock::new(|| {
    let rank = gst::Rank::MARGINAL;
    gst::Element::register(None, "nvrrtsptap", rank, TapElement::static_type())
        .map_err(|err| PipelineError::Extension(err.to_string()))
});

/// Registers the extension. Call it before the first rtspsrc is made.
pub(super) fn register() -> Result<(), PipelineError> {
    REGISTERED.clone()
}

/// Makes an rtspsrc whose requests and responses pass through `dialogue`.
///
/// # Errors
/// If rtspsrc is missing or does not use the extension.
pub(super) fn source(dialogue: &Arc<Dialogue>) -> Result<gst::Element, PipelineError> {
    register()?;
    let before = Arc::strong_count(dialogue);
    NEXT.set(Some(dialogue.clone()));
    let source = element("rtspsrc");
    NEXT.take();
    if source.is_ok() && Arc::strong_count(dialogue) == before {
        return Err(PipelineError::ExtensionUnused);
    }
    source
}

glib::wrapper! {
    /// GStreamer's interface for RTSP extensions.
    pub(super) struct RtspExtension(Interface<ffi::GstRTSPExtension, ffi::GstRTSPExtensionInterface>);

    match fn {
        type_ => || ffi::gst_rtsp_extension_get_type(),
    }
}

// SAFETY: the functions have the types that the interface asks for, and are called with instances of `T` alone.
unsafe impl IsImplementable<Tap> for RtspExtension {
    fn interface_init(interface: &mut glib::Interface<Self>) {
        let interface = interface.as_mut();
        interface.before_send = Some(before_send);
        interface.after_send = Some(after_send);
    }
}

glib::wrapper! {
    pub(super) struct TapElement(ObjectSubclass<Tap>) @extends gst::Element, gst::Object, @implements RtspExtension;
}

/// The extension of one rtspsrc.
pub(super) struct Tap {
    dialogue: Option<Arc<Dialogue>>,
}

#[glib::object_subclass]
impl ObjectSubclass for Tap {
    const NAME: &'static str = "NvrRtspTap";
    type Type = TapElement;
    type ParentType = gst::Element;
    type Interfaces = (RtspExtension,);

    fn new() -> Self {
        Self {
            dialogue: NEXT.with_borrow(Clone::clone),
        }
    }
}

impl ObjectImpl for Tap {}
impl GstObjectImpl for Tap {}

impl ElementImpl for Tap {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "RTSP dialogue",
                "Network/Extension/Protocol",
                "Shows nvr the requests and answers of an rtspsrc",
                "nvr",
            )
        });
        Some(&METADATA)
    }
}

unsafe extern "C" fn before_send(
    extension: *mut ffi::GstRTSPExtension,
    request: *mut ffi::GstRTSPMessage,
) -> ffi::GstRTSPResult {
    // SAFETY: rtspsrc calls with an extension that it made, and lends the message for the time of the call.
    let (dialogue, mut request) = unsafe { (dialogue_of(extension), Message::lent(request)) };
    if let (Some(dialogue), Some(request)) = (dialogue, request.as_mut())
        && let Some((method, uri)) = request.asked()
    {
        let changes = dialogue.on_request(Request {
            method: &method,
            uri: &uri,
            transport: None,
        });
        if changes.options {
            request.become_options();
        }
        if changes.bare {
            request.remove(ffi::GST_RTSP_HDR_CONTENT_TYPE);
            request.set_body(&[]);
        }
        if let Some(uri) = &changes.uri {
            request.set_uri(uri);
        }
        request.remove(ffi::GST_RTSP_HDR_AUTHORIZATION);
        if let Some(authorization) = &changes.authorization {
            request.add(ffi::GST_RTSP_HDR_AUTHORIZATION, authorization);
        }
    }
    ffi::GST_RTSP_OK
}

unsafe extern "C" fn after_send(
    extension: *mut ffi::GstRTSPExtension,
    request: *mut ffi::GstRTSPMessage,
    response: *mut ffi::GstRTSPMessage,
) -> ffi::GstRTSPResult {
    // SAFETY: as above; the two messages are different ones.
    let (dialogue, request, response) = unsafe {
        (
            dialogue_of(extension),
            Message::lent(request),
            Message::lent(response),
        )
    };
    let (Some(dialogue), Some(request), Some(mut response)) = (dialogue, request, response) else {
        return ffi::GST_RTSP_OK;
    };
    let (Some((method, uri)), Some((status, reason))) = (request.asked(), response.answered())
    else {
        return ffi::GST_RTSP_OK;
    };
    let with_login = !request.all(ffi::GST_RTSP_HDR_AUTHORIZATION).is_empty();
    let arrived = Response {
        status,
        reason,
        challenges: response.all(ffi::GST_RTSP_HDR_WWW_AUTHENTICATE),
        session: response.first(ffi::GST_RTSP_HDR_SESSION),
        public: [ffi::GST_RTSP_HDR_PUBLIC, ffi::GST_RTSP_HDR_ALLOW]
            .into_iter()
            .flat_map(|header| response.all(header))
            .collect(),
        content_base: response.first(ffi::GST_RTSP_HDR_CONTENT_BASE),
        transport: response.first(ffi::GST_RTSP_HDR_TRANSPORT),
        location: response.first(ffi::GST_RTSP_HDR_LOCATION),
        body: (method == "DESCRIBE").then(|| response.body()).flatten(),
    };
    let transport = request.first(ffi::GST_RTSP_HDR_TRANSPORT);
    let request = Request {
        method: &method,
        uri: &uri,
        transport: transport.as_deref(),
    };
    let changes = dialogue.on_response(request, with_login, &arrived);
    response.apply(changes);
    ffi::GST_RTSP_OK
}

/// # Safety
/// `extension` is null or an instance of [`Tap`] that lives until the function that called this returns.
unsafe fn dialogue_of<'a>(extension: *mut ffi::GstRTSPExtension) -> Option<&'a Dialogue> {
    type Instance = <Tap as ObjectSubclass>::Instance;
    // SAFETY: the caller's promise; the interface's pointer is the instance's.
    let instance = unsafe { extension.cast::<Instance>().as_ref() }?;
    instance.imp().dialogue.as_deref()
}

/// A message that rtspsrc lends.
struct Message<'a>(&'a mut ffi::GstRTSPMessage);

impl Message<'_> {
    /// # Safety
    /// `message` is null, or an initialised message that nobody else uses until the caller returns.
    unsafe fn lent(message: *mut ffi::GstRTSPMessage) -> Option<Self> {
        // SAFETY: the caller's promise.
        unsafe { message.as_mut() }.map(Self)
    }

    /// Method and address of a request.
    fn asked(&self) -> Option<(String, String)> {
        if self.0.type_ != ffi::GST_RTSP_MESSAGE_REQUEST {
            return None;
        }
        // SAFETY: its type says which part of the union is in use; the texts are the message's or constant, or null.
        unsafe {
            let request = self.0.type_data.request;
            let method = text(ffi::gst_rtsp_method_as_text(request.method))?;
            Some((method, text(request.uri)?))
        }
    }

    /// Status and reason phrase of a response.
    fn answered(&self) -> Option<(u32, String)> {
        if self.0.type_ != ffi::GST_RTSP_MESSAGE_RESPONSE {
            return None;
        }
        // SAFETY: as above.
        unsafe {
            let response = self.0.type_data.response;
            let status = u32::try_from(response.code).ok()?;
            Some((status, text(response.reason).unwrap_or_default()))
        }
    }

    /// Changes a response before rtspsrc reads it.
    fn apply(&mut self, changes: ResponseChanges) {
        if let Some(again) = changes.again {
            self.remove(ffi::GST_RTSP_HDR_WWW_AUTHENTICATE);
            if again {
                // Makes rtspsrc send the request again. Without realm and nonce, rtspsrc adds no login to it.
                self.add(
                    ffi::GST_RTSP_HDR_WWW_AUTHENTICATE,
                    "Digest algorithm=\"MD5\"",
                );
            }
        }
        if let Some(status) = changes.status.and_then(|status| i32::try_from(status).ok()) {
            self.0.type_data.response.code = status;
        }
        if let Some(methods) = changes.public {
            self.add(ffi::GST_RTSP_HDR_PUBLIC, methods);
        }
        for (header, value) in [
            (ffi::GST_RTSP_HDR_TRANSPORT, changes.transport),
            (ffi::GST_RTSP_HDR_LOCATION, changes.location),
        ] {
            if let Some(value) = value {
                self.remove(header);
                self.add(header, &value);
            }
        }
        if changes.no_position {
            self.remove(ffi::GST_RTSP_HDR_RTP_INFO);
            self.remove(ffi::GST_RTSP_HDR_RANGE);
            self.remove(ffi::GST_RTSP_HDR_SCALE);
            self.remove(ffi::GST_RTSP_HDR_SPEED);
        }
        if changes.no_content_type {
            self.remove(ffi::GST_RTSP_HDR_CONTENT_TYPE);
        }
        if let Some(body) = changes.body {
            let mut body = body.into_bytes();
            // rtspsrc's own connection also ends bodies with a zero byte.
            body.push(0);
            self.set_body(&body);
        }
    }

    fn become_options(&mut self) {
        self.0.type_data.request.method = ffi::GST_RTSP_OPTIONS;
    }

    fn set_uri(&mut self, uri: &str) {
        let Ok(uri) = CString::new(uri) else { return };
        // SAFETY: this is a request, whose address is its own memory of GLib's allocator, as the new one is.
        unsafe {
            let place = &raw mut self.0.type_data.request.uri;
            glib::ffi::g_free((*place).cast());
            *place = glib::ffi::g_strdup(uri.as_ptr());
        }
    }

    fn first(&self, header: ffi::GstRTSPHeaderField) -> Option<String> {
        self.nth(header, 0)
    }

    fn all(&self, header: ffi::GstRTSPHeaderField) -> Vec<String> {
        (0..).map_while(|index| self.nth(header, index)).collect()
    }

    fn nth(&self, header: ffi::GstRTSPHeaderField, index: i32) -> Option<String> {
        let mut value: *mut c_char = std::ptr::null_mut();
        // SAFETY: the value that is found stays the message's, and is copied at once.
        unsafe {
            let message: *const ffi::GstRTSPMessage = &*self.0;
            let found = ffi::gst_rtsp_message_get_header(message, header, &mut value, index);
            if found == ffi::GST_RTSP_OK {
                text(value)
            } else {
                None
            }
        }
    }

    fn remove(&mut self, header: ffi::GstRTSPHeaderField) {
        // SAFETY: the message is ours for the time of the call.
        unsafe { ffi::gst_rtsp_message_remove_header(self.0, header, -1) };
    }

    fn add(&mut self, header: ffi::GstRTSPHeaderField, value: &str) {
        if let Ok(value) = CString::new(value) {
            // SAFETY: as above; the value is copied.
            unsafe { ffi::gst_rtsp_message_add_header(self.0, header, value.as_ptr()) };
        }
    }

    fn body(&self) -> Option<String> {
        let (mut bytes, mut length) = (std::ptr::null_mut(), 0);
        // SAFETY: the bytes stay the message's, and are copied at once.
        unsafe {
            let message: *const ffi::GstRTSPMessage = &*self.0;
            let found = ffi::gst_rtsp_message_get_body(message, &mut bytes, &mut length);
            if found != ffi::GST_RTSP_OK || bytes.is_null() {
                return None;
            }
            let length = usize::try_from(length).ok()?;
            let bytes = std::slice::from_raw_parts(bytes, length);
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }

    fn set_body(&mut self, body: &[u8]) {
        let length = u32::try_from(body.len()).unwrap_or(0);
        let bytes = if length == 0 {
            std::ptr::null()
        } else {
            body.as_ptr()
        };
        // SAFETY: the message copies `length` bytes, or forgets its body where there are none.
        unsafe { ffi::gst_rtsp_message_set_body(self.0, bytes, length) };
    }
}

/// # Safety
/// `text` is null, or ends with a zero and does not change meanwhile.
unsafe fn text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}
