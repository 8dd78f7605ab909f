//! The codecs of sources, and the elements for each.

/// A video codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// H.264, AVC.
    H264,
    /// H.265, HEVC.
    H265,
    /// A sequence of JPEG pictures, as USB cameras and old network cameras send them.
    Mjpeg,
}

impl Codec {
    /// All codecs.
    pub const ALL: [Self; 3] = [Self::H264, Self::H265, Self::Mjpeg];

    /// Its name in statuses: `h264`, `h265`, `mjpeg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Mjpeg => "mjpeg",
        }
    }

    /// The codec of an RTP `encoding-name`.
    pub(super) fn of_rtp(encoding_name: &str) -> Option<Self> {
        match encoding_name {
            "H264" => Some(Self::H264),
            "H265" => Some(Self::H265),
            "JPEG" => Some(Self::Mjpeg),
            _ => None,
        }
    }

    /// The codec of a GStreamer media type.
    pub(super) fn of_caps(media_type: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.media_type() == media_type)
    }

    /// Its GStreamer media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::H264 => "video/x-h264",
            Self::H265 => "video/x-h265",
            Self::Mjpeg => "image/jpeg",
        }
    }

    pub(super) fn parser(self) -> &'static str {
        match self {
            Self::H264 => "h264parse",
            Self::H265 => "h265parse",
            Self::Mjpeg => "jpegparse",
        }
    }

    pub(super) fn depayloader(self) -> &'static str {
        match self {
            Self::H264 => "rtph264depay",
            Self::H265 => "rtph265depay",
            Self::Mjpeg => "rtpjpegdepay",
        }
    }

    /// The Debian package of its software decoder, which error messages name.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::H264 | Self::H265 => "gstreamer1.0-libav",
            Self::Mjpeg => "gstreamer1.0-plugins-good",
        }
    }
}
