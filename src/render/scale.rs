#![expect(unsafe_code, reason = "libyuv is a C++ library")]
//! Scales planes of samples to the size of a tile with libyuv, which uses the SIMD instructions of the CPU.
//!
//! A wall scales every frame of every camera. A processor scales only a few frames per second for its detector, with a better
//! filter (`base::PlaneScaler`). libyuv takes the mean of all samples if it reduces to less than half, and otherwise
//! interpolates between neighbours.

use std::ffi::c_int;

use yuv_sys::{FilterMode, FilterMode_kFilterBox, rs_ScalePlane, rs_SplitUVPlane, rs_UVScale};

use crate::base::{Crop, Plane, PlaneError, Size};

const FILTER: FilterMode = FilterMode_kFilterBox;

/// The input of libyuv: bytes from the first sample on, stride, width and height.
struct Source<'a> {
    bytes: &'a [u8],
    stride: c_int,
    width: c_int,
    height: c_int,
}

/// Scales the part `crop` of a plane of `from` single samples to `to` samples and writes them to `target` without gaps.
///
/// # Errors
/// If the plane or the target has too few bytes, or the crop is not inside the plane.
pub(super) fn single(
    plane: Plane<'_>,
    from: Size,
    crop: Crop,
    to: Size,
    target: &mut [u8],
) -> Result<(), PlaneError> {
    let source = source(plane, from, crop, 1)?;
    let (width, height) = target_size(to, 1, target.len())?;
    // SAFETY: `source` checked that `height` rows of `width` bytes with this stride lie in the borrowed bytes. `target_size`
    // checked that the target has room for its rows. libyuv reads and writes nothing else and keeps no pointer.
    let refused = unsafe {
        rs_ScalePlane(
            source.bytes.as_ptr(),
            source.stride,
            source.width,
            source.height,
            target.as_mut_ptr(),
            width,
            width,
            height,
            FILTER,
        )
    };
    accepted(refused, crop.size, to)
}

/// As [`single`], for a plane of interleaved U and V, which are separated. `room` is a buffer for the scaled pairs.
///
/// # Errors
/// As [`single`].
pub(super) fn pairs(
    plane: Plane<'_>,
    from: Size,
    crop: Crop,
    to: Size,
    room: &mut Vec<u8>,
    [u, v]: [&mut [u8]; 2],
) -> Result<(), PlaneError> {
    let source = source(plane, from, crop, 2)?;
    let samples = to.width as usize * to.height as usize;
    room.resize(2 * samples, 0);
    let (width, height) = target_size(to, 2, room.len())?;
    target_size(to, 1, u.len().min(v.len()))?;
    // SAFETY: as in `single`, with two bytes per sample, which `source` and `target_size` have taken into account.
    let refused = unsafe {
        rs_UVScale(
            source.bytes.as_ptr(),
            source.stride,
            source.width,
            source.height,
            room.as_mut_ptr(),
            2 * width,
            width,
            height,
            FILTER,
        )
    };
    accepted(refused, crop.size, to)?;
    // SAFETY: `room` holds `height` rows of `width` pairs, and U and V hold as many single samples, as checked above. The three
    // are separate borrows and do not overlap.
    unsafe {
        rs_SplitUVPlane(
            room.as_ptr(),
            2 * width,
            u.as_mut_ptr(),
            width,
            v.as_mut_ptr(),
            width,
            width,
            height,
        );
    }
    Ok(())
}

fn source(
    plane: Plane<'_>,
    from: Size,
    crop: Crop,
    sample_bytes: usize,
) -> Result<Source<'_>, PlaneError> {
    let plane = plane.checked(from, sample_bytes)?;
    let inside = crop.left.saturating_add(crop.size.width) <= from.width
        && crop.top.saturating_add(crop.size.height) <= from.height;
    if !inside || crop.size.width == 0 || crop.size.height == 0 {
        return Err(PlaneError::new(format!(
            "the part of {} at ({}, {}) is not inside the plane of {from}",
            crop.size, crop.left, crop.top
        )));
    }
    let first = crop.top as usize * plane.stride + crop.left as usize * sample_bytes;
    Ok(Source {
        bytes: &plane.bytes[first..],
        stride: number(plane.stride)?,
        width: number(crop.size.width)?,
        height: number(crop.size.height)?,
    })
}

fn target_size(to: Size, sample_bytes: usize, has: usize) -> Result<(c_int, c_int), PlaneError> {
    let wanted = to.width as usize * to.height as usize * sample_bytes;
    if wanted == 0 || has < wanted {
        return Err(PlaneError::new(format!(
            "{to} samples take {wanted} bytes and do not fit into {has}"
        )));
    }
    // The stride of a row of pairs is passed in bytes, too.
    number(to.width as usize * sample_bytes)?;
    Ok((number(to.width)?, number(to.height)?))
}

fn number(value: impl TryInto<c_int> + std::fmt::Display + Copy) -> Result<c_int, PlaneError> {
    let failed = |_| PlaneError::new(format!("{value} exceeds the number range of libyuv"));
    value.try_into().map_err(failed)
}

fn accepted(refused: c_int, from: Size, to: Size) -> Result<(), PlaneError> {
    if refused == 0 {
        Ok(())
    } else {
        Err(PlaneError::new(format!(
            "libyuv failed to scale {from} to {to} (code {refused}); memory may be exhausted"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Size = Size::new(6, 4);

    fn plane(bytes: &[u8], stride: usize) -> Plane<'_> {
        Plane { bytes, stride }
    }

    #[test]
    fn a_part_of_the_same_size_is_copied_sample_by_sample() {
        let bytes: Vec<u8> = (0..8 * 4).collect();
        let mut target = [0u8; 4];
        let crop = Crop {
            left: 2,
            top: 1,
            size: Size::new(2, 2),
        };
        single(plane(&bytes, 8), FROM, crop, crop.size, &mut target).expect("the crop lies inside");
        assert_eq!(target, [10, 11, 18, 19]);
    }

    #[test]
    fn pairs_are_parted_into_their_planes() {
        let bytes = [10u8, 200].repeat(6 * 4);
        let (mut room, mut u, mut v) = (Vec::new(), [0u8; 6], [0u8; 6]);
        let to = Size::new(3, 2);
        pairs(
            plane(&bytes, 12),
            FROM,
            Crop::whole(FROM),
            to,
            &mut room,
            [&mut u, &mut v],
        )
        .expect("it scales");
        assert_eq!((u, v), ([10; 6], [200; 6]));
    }

    #[test]
    fn small_bright_things_do_not_vanish() {
        // One white column of eight: a filter that looks at two samples of eight would miss it in most places.
        for white in 0..8 {
            let row: Vec<u8> = (0..64u8)
                .map(|x| if x % 8 == white { 255 } else { 0 })
                .collect();
            let from = Size::new(64, 8);
            let mut target = [0u8; 8];
            single(
                plane(&row.repeat(8), 64),
                from,
                Crop::whole(from),
                Size::new(8, 1),
                &mut target,
            )
            .expect("it scales");
            for sample in target {
                assert!((28..=36).contains(&sample), "column {white}: {target:?}");
            }
        }
    }

    #[test]
    fn what_is_too_short_or_outside_is_refused() {
        let mut target = [0u8; 64];
        let short = single(
            plane(&[0; 20], 6),
            FROM,
            Crop::whole(FROM),
            FROM,
            &mut target,
        );
        assert!(short.is_err());
        let crop = Crop {
            left: 5,
            top: 0,
            size: Size::new(2, 2),
        };
        let outside = single(plane(&[0; 24], 6), FROM, crop, crop.size, &mut target);
        assert!(outside.is_err());
        let no_room = single(
            plane(&[0; 24], 6),
            FROM,
            Crop::whole(FROM),
            FROM,
            &mut target[..23],
        );
        assert!(no_room.is_err());
    }
}
