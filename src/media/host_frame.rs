//! Decoded pictures in ordinary memory: a mapped GStreamer buffer behind [`HostPixels`].
//!
//! Nothing is copied: the frame keeps the decoder's buffer, with the strides that the decoder chose, until its last
//! holder drops it.

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::base::{
    ColorMatrix, ColorRange, Colorimetry, Crop, HostPixels, PixelFormat, Plane, Size,
};

/// The formats of [`HostFrame`], by GStreamer's names; sinks negotiate one of them. RGB is excluded: converters would
/// choose it for 4:2:2 streams, at three times the cost.
pub(super) const FORMATS: [gst_video::VideoFormat; 2] =
    [gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12];

/// A mapped buffer.
pub(super) struct HostFrame {
    frame: gst_video::VideoFrame<gst_video::video_frame::Readable>,
    format: PixelFormat,
    crop: Crop,
    scaled: Option<Size>,
}

impl HostFrame {
    /// Maps the part `crop` of `buffer`, a picture of the size `picture` that may have been scaled; none if its format
    /// is not in [`FORMATS`] or if it can't be mapped.
    pub(super) fn new(
        buffer: gst::Buffer,
        info: &gst_video::VideoInfo,
        crop: Crop,
        picture: Size,
    ) -> Option<Self> {
        let format = format_of(info)?;
        let frame = gst_video::VideoFrame::from_buffer_readable(buffer, info).ok()?;
        Some(Self {
            frame,
            format,
            crop,
            scaled: (crop.size != picture).then_some(crop.size),
        })
    }
}

impl HostPixels for HostFrame {
    fn format(&self) -> PixelFormat {
        self.format
    }

    fn scaled(&self) -> Option<Size> {
        self.scaled
    }

    fn plane(&self, index: usize) -> Plane<'_> {
        let bytes = u32::try_from(index)
            .ok()
            .filter(|plane| *plane < self.frame.n_planes())
            .and_then(|plane| self.frame.plane_data(plane).ok());
        let stride = self.frame.plane_stride().get(index);
        match (bytes, stride) {
            (Some(bytes), Some(stride)) => {
                let stride = usize::try_from(*stride).unwrap_or(0);
                let first = first_sample(self.format, &self.crop, index, stride);
                Plane {
                    bytes: bytes.get(first..).unwrap_or_default(),
                    stride,
                }
            }
            _ => Plane {
                bytes: &[],
                stride: 0,
            },
        }
    }
}

/// The offset in bytes of the part `crop` in plane `index`. It starts on an even column and row.
pub(super) fn first_sample(format: PixelFormat, crop: &Crop, index: usize, stride: usize) -> usize {
    let (left, top) = (crop.left as usize, crop.top as usize);
    match (format, index) {
        (PixelFormat::Rgb, _) => top * stride + 3 * left,
        (_, 0) => top * stride + left,
        (PixelFormat::I420, _) => top / 2 * stride + left / 2,
        // Pairs: half the columns, two bytes each.
        (PixelFormat::Nv12, _) => top / 2 * stride + left,
    }
}

/// The format that the caps of a stream state; none if frames do not have it.
pub(super) fn format_of(info: &gst_video::VideoInfo) -> Option<PixelFormat> {
    match info.format() {
        gst_video::VideoFormat::I420 => Some(PixelFormat::I420),
        gst_video::VideoFormat::Nv12 => Some(PixelFormat::Nv12),
        _ => None,
    }
}

/// The size that the caps of a stream state.
pub(super) fn size_of(info: &gst_video::VideoInfo) -> Size {
    Size::new(info.width(), info.height())
}

/// The colours that the caps of a stream state. Missing values are assumed from the size of the picture before scaling.
///
/// BT.2020 is treated as BT.709: the difference of their matrices is too small for a detector to notice.
pub(super) fn colorimetry_of(info: &gst_video::VideoInfo, picture: Size) -> Colorimetry {
    let assumed = Colorimetry::assumed(picture);
    let stated = info.colorimetry();
    let matrix = match stated.matrix() {
        gst_video::VideoColorMatrix::Bt601 | gst_video::VideoColorMatrix::Fcc => ColorMatrix::Bt601,
        gst_video::VideoColorMatrix::Bt709
        | gst_video::VideoColorMatrix::Bt2020
        | gst_video::VideoColorMatrix::Smpte240m => ColorMatrix::Bt709,
        _ => assumed.matrix,
    };
    let range = match stated.range() {
        gst_video::VideoColorRange::Range0_255 => ColorRange::Full,
        gst_video::VideoColorRange::Range16_235 => ColorRange::Limited,
        _ => assumed.range,
    };
    Colorimetry { matrix, range }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SD: Size = Size::new(64, 64);

    fn info(format: gst_video::VideoFormat, width: u32, height: u32) -> gst_video::VideoInfo {
        super::super::init().expect("gstreamer starts");
        gst_video::VideoInfo::builder(format, width, height)
            .build()
            .expect("a legal format")
    }

    #[test]
    fn odd_sizes_keep_their_last_column_and_row_of_chroma() {
        let info = info(gst_video::VideoFormat::I420, 35, 17);
        let buffer = gst::Buffer::from_slice(vec![7u8; info.size()]);
        let size = size_of(&info);
        let frame =
            HostFrame::new(buffer, &info, Crop::whole(size), size).expect("a mappable buffer");
        for (index, (columns, rows)) in [(35, 17), (18, 9), (18, 9)].into_iter().enumerate() {
            let plane = frame.plane(index);
            assert!(plane.stride >= columns, "plane {index}");
            assert!(plane.bytes.len() >= plane.stride * (rows - 1) + columns);
        }
        assert_eq!(frame.plane(3).bytes.len(), 0);
        assert_eq!(frame.plane(usize::MAX).bytes.len(), 0);
    }

    #[test]
    fn a_scaled_picture_tells_its_own_size() {
        let info = info(gst_video::VideoFormat::Nv12, 160, 90);
        let frame = |picture| {
            let buffer = gst::Buffer::from_slice(vec![7u8; info.size()]);
            HostFrame::new(buffer, &info, Crop::whole(size_of(&info)), picture)
                .expect("a mappable buffer")
        };
        assert_eq!(frame(Size::new(160, 90)).scaled(), None);
        assert_eq!(
            frame(Size::new(1920, 1080)).scaled(),
            Some(Size::new(160, 90))
        );
    }

    #[test]
    fn a_cropped_picture_begins_where_its_crop_does() {
        for format in [gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12] {
            let info = info(format, 64, 32);
            let samples: Vec<u8> = (0..info.size())
                .map(|sample| (sample % 251) as u8)
                .collect();
            let whole = HostFrame::new(
                gst::Buffer::from_slice(samples.clone()),
                &info,
                Crop::whole(SD),
                SD,
            );
            let whole = whole.expect("a mappable buffer");
            let crop = Crop {
                left: 10,
                top: 4,
                size: Size::new(40, 20),
            };
            let buffer = gst::Buffer::from_slice(samples);
            let frame = HostFrame::new(buffer, &info, crop, crop.size).expect("a mappable buffer");
            assert_eq!(frame.scaled(), None);
            let pair = if format == gst_video::VideoFormat::Nv12 {
                10
            } else {
                5
            };
            for (plane, row, column) in [(0, 4, 10), (1, 2, pair)] {
                let (cut, all) = (frame.plane(plane), whole.plane(plane));
                assert_eq!(cut.stride, all.stride);
                assert_eq!(cut.bytes, &all.bytes[row * all.stride + column..]);
            }
        }
    }

    #[test]
    fn a_format_that_frames_do_not_have_is_refused() {
        let info = info(gst_video::VideoFormat::Gray8, 32, 16);
        let buffer = gst::Buffer::from_slice(vec![0u8; info.size()]);
        let size = size_of(&info);
        assert!(HostFrame::new(buffer, &info, Crop::whole(size), size).is_none());
    }

    #[test]
    fn colours_are_read_from_the_caps_and_assumed_where_they_say_nothing() {
        let stated = |text: &str| {
            let colorimetry = text.parse().expect("a known colorimetry");
            gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 64, 64)
                .colorimetry(&colorimetry)
                .build()
                .expect("a legal format")
        };
        super::super::init().expect("gstreamer starts");
        assert_eq!(
            colorimetry_of(&stated("bt709"), SD),
            Colorimetry {
                matrix: ColorMatrix::Bt709,
                range: ColorRange::Limited,
            }
        );
        assert_eq!(
            colorimetry_of(&stated("1:4:0:0"), SD),
            Colorimetry {
                matrix: ColorMatrix::Bt601,
                range: ColorRange::Full,
            }
        );
        assert_eq!(
            colorimetry_of(&stated("0:0:0:0"), SD),
            Colorimetry::assumed(SD)
        );
        // Scaling does not change the colours of a camera with 1080 lines.
        let hd = Size::new(1920, 1080);
        assert_eq!(
            colorimetry_of(&stated("0:0:0:0"), hd),
            Colorimetry::assumed(hd)
        );
    }
}
