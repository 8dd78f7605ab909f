//! The file of `--output`, in which a subcommand draws a picture.

use std::ffi::OsStr;
use std::io::{Cursor, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageError, ImageFormat, RgbImage};

use crate::base::PartialFile;

/// A PNG or JPEG file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PictureOutput {
    path: PathBuf,
    format: ImageFormat,
}

/// Lines and letters stay sharp.
const JPEG_QUALITY: u8 = 90;

/// The file at `path`, for options.
pub(super) fn picture_output(path: PathBuf) -> Result<PictureOutput, String> {
    let ending = path.extension().map(OsStr::to_ascii_lowercase);
    let format = match ending.as_deref().and_then(OsStr::to_str) {
        Some("png") => ImageFormat::Png,
        Some("jpg" | "jpeg") => ImageFormat::Jpeg,
        _ => return Err("its name must end in .png, .jpg or .jpeg".to_owned()),
    };
    Ok(PictureOutput { path, format })
}

impl PictureOutput {
    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the file can be written, and that it is not the picture itself.
    pub(super) fn check(&self, picture: Option<&Path>) -> anyhow::Result<()> {
        let path = self.path.display();
        if let Ok(old) = std::fs::metadata(&self.path) {
            if !old.is_file() {
                bail!("--output {path} is a directory or a device; name a file");
            }
            let is_picture = picture
                .and_then(|picture| std::fs::metadata(picture).ok())
                .is_some_and(|picture| (picture.dev(), picture.ino()) == (old.dev(), old.ino()));
            if is_picture {
                bail!("--output {path} is the picture itself; name another file");
            }
        }
        PartialFile::create(&self.path).map(drop).map_err(|error| {
            anyhow!(
                "--output {path} can't be written: {error}; name a file in a directory that exists and in which \
                 this user may write"
            )
        })
    }

    /// Writes the whole picture or nothing. An older file keeps its permissions.
    pub(super) fn write(&self, picture: &RgbImage) -> anyhow::Result<()> {
        let written = || -> Result<(), ImageError> {
            let bytes = self.encoded(picture)?;
            let partial = PartialFile::replacing(&self.path)?;
            partial.file().write_all(&bytes)?;
            partial.finish()?;
            Ok(())
        };
        written().with_context(|| format!("--output {} can't be written", self.path.display()))
    }

    fn encoded(&self, picture: &RgbImage) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Cursor::new(Vec::new());
        if self.format == ImageFormat::Jpeg {
            let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
            picture.write_with_encoder(encoder)?;
        } else {
            picture.write_to(&mut bytes, self.format)?;
        }
        Ok(bytes.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_its_name_decides_the_format_of_the_output() {
        let format = |name: &str| picture_output(name.into()).map(|output| output.format);
        assert_eq!(format("a/b.PNG"), Ok(ImageFormat::Png));
        assert_eq!(format("b.jpg"), Ok(ImageFormat::Jpeg));
        assert_eq!(format("b.c.JPEG"), Ok(ImageFormat::Jpeg));
        for wrong in ["b.bmp", "png", ".png", "-", "/dev/stdout"] {
            assert_eq!(
                format(wrong),
                Err("its name must end in .png, .jpg or .jpeg".to_owned()),
                "{wrong}"
            );
        }
    }
}
