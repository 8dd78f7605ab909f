//! A file: fetched in parts if need be, and checked while it is received.
//!
//! What was received is kept with a name of its own until the hash is right, also over a restart of the program. The bytes decide,
//! not the server: a file that was continued and has another hash is fetched once more from its start. A file whose hash nobody
//! knows is continued only if the server promises that it is still the same one.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::fault::{Fault, Retry};
use super::http::{Answer, Client, Extent, failed};
use crate::base::{Stop, private_folder, shown_bytes};
use crate::config::without_secrets;

/// The disk is synced after so many bytes, so that a power cut does not cost more.
const SYNC_BYTES: u64 = 16 << 20;
/// A piece of the body.
const PIECE: usize = 64 * 1024;

/// A file that is to be fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Its name for the log.
    pub(crate) name: &'a str,
    /// Its SHA-256 in lower-case hexadecimal digits, if it is known.
    pub(crate) sha256: Option<&'a str>,
    pub(crate) url: &'a str,
    /// Its exact length, if it is known.
    pub(crate) size: Option<u64>,
    /// Maximum length in bytes of a file whose length is not known.
    pub(crate) largest: u64,
    /// Whether as much space is needed again for what is unpacked from it.
    pub(crate) is_unpacked: bool,
    /// Where the hash and the length stand.
    pub(crate) listing: Listing,
}

/// Where the hash and the length of a file stand, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing {
    /// The text that names them.
    pub(crate) name: &'static str,
    /// Its key for the length.
    pub(crate) length_key: &'static str,
    /// What to do about another file.
    pub(crate) remedy: &'static str,
}

impl Listing {
    /// The document of a device.
    pub(crate) const DOCUMENT: Self = Self {
        name: "the document",
        length_key: "size",
        remedy: "publish the right one, or correct the document",
    };
}

/// Where the received part of a file is kept.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The file. Its folder is made if it is missing.
    pub(crate) file: PathBuf,
    /// The file of what tells whether the server has changed it.
    pub(crate) validator: PathBuf,
}

impl Part {
    /// Removes both. A missing one is no error.
    pub(crate) fn remove(&self) {
        for path in [&self.file, &self.validator] {
            match fs::remove_file(path) {
                Err(err) if err.kind() != io::ErrorKind::NotFound => {
                    warn!(path = %path.display(), %err, "a part of a file can't be removed");
                }
                _ => {}
            }
        }
    }
}

/// What a download tells and asks.
pub(crate) trait Host {
    /// Bytes have come: how many there are now, of how many if that is known.
    fn received(&mut self, bytes: u64, total: Option<u64>);

    /// Makes sure that the disk has so many bytes free.
    ///
    /// # Errors
    /// When it has not.
    fn make_room(&mut self, bytes: u64) -> Result<(), Fault>;
}

/// Fetches the file, or the rest of it, and returns its path when its hash is right.
///
/// # Errors
/// When it can't be fetched now, or is another file. What was received is kept if the next attempt can use it.
pub(crate) fn fetch(
    wanted: Wanted<'_>,
    part: &Part,
    client: &Client,
    stop: &Stop,
    host: &mut dyn Host,
) -> Result<PathBuf, Fault> {
    let mut partial = Partial::open(part).map_err(|err| disk(part, &err))?;
    if wanted.sha256.is_none() && partial.validator.is_none() {
        // Nothing would tell that the rest is of another file.
        partial.restart().map_err(|err| disk(part, &err))?;
    }
    if wanted.size.is_none_or(|size| partial.bytes != size) {
        receive(&mut partial, wanted, part, client, stop, host)?;
    }
    let found = format!("{:x}", partial.hasher.clone().finalize());
    let Some(sha256) = wanted.sha256.filter(|sha256| *sha256 != found) else {
        return Ok(partial.part.file);
    };
    partial.discard();
    let Listing { name, remedy, .. } = wanted.listing;
    let fault = Fault::content(format!(
        "the file at {} has the SHA-256 {found}, {name} names {sha256}; {remedy}",
        without_secrets(wanted.url)
    ));
    // A file that was put together may have parts of two states, or parts that a power cut has damaged.
    Err(match partial.has_kept {
        true => fault.with(Retry::AtOnce),
        false => fault,
    })
}

fn receive(
    partial: &mut Partial,
    wanted: Wanted<'_>,
    part: &Part,
    client: &Client,
    stop: &Stop,
    host: &mut dyn Host,
) -> Result<(), Fault> {
    let url = wanted.url;
    let shutdown = client.clone();
    let _guard = stop.when_raised(move || shutdown.shutdown());
    let ended = |fault: Fault| match stop.is_raised() {
        true => Fault::stopped(),
        false => fault,
    };
    let answer = client
        .get(url, partial.bytes, partial.validator.as_deref())
        .map_err(ended)?;
    match answer.extent {
        Extent::From(first) if first == partial.bytes => {
            info!(file = wanted.name, from = first, "continuing a download");
        }
        Extent::Whole => partial.restart().map_err(|err| disk(part, &err))?,
        Extent::From(_) | Extent::NoSuchPart => {
            partial.discard();
            let fault = failed(url, "the server does not have the rest of the file");
            return Err(fault.with(Retry::AtOnce));
        }
    }
    let limit = wanted.size.unwrap_or(wanted.largest);
    if let Some(total) = answer.total {
        check_total(wanted, total)?;
    }
    let total = wanted.size.or(answer.total).unwrap_or(0);
    let unpacked = if wanted.is_unpacked { total } else { 0 };
    let needed = total.saturating_sub(partial.bytes).saturating_add(unpacked);
    host.make_room(needed)?;
    let saved = partial.save_validator(answer.validator.clone());
    saved.map_err(|err| disk(part, &err))?;
    copy(partial, answer, wanted, limit, part, host).map_err(ended)
}

/// The total length that the server tells.
fn check_total(wanted: Wanted<'_>, total: u64) -> Result<(), Fault> {
    let Listing { name, remedy, .. } = wanted.listing;
    match wanted.size {
        Some(size) if size != total => Err(Fault::content(format!(
            "the file at {} has {total} bytes, {name} names {size}; {remedy}",
            without_secrets(wanted.url)
        ))),
        None if total > wanted.largest => Err(too_large(wanted, wanted.largest)),
        _ => Ok(()),
    }
}

fn too_large(wanted: Wanted<'_>, limit: u64) -> Fault {
    let url = without_secrets(wanted.url);
    let limit_text = shown_bytes(limit);
    let Listing {
        name, length_key, ..
    } = wanted.listing;
    Fault::content(format!(
        "the file at {url} has more than {limit} bytes ({limit_text}), the limit; name its `{length_key}` in {name} if it is right"
    ))
}

fn copy(
    partial: &mut Partial,
    mut answer: Answer,
    wanted: Wanted<'_>,
    limit: u64,
    part: &Part,
    host: &mut dyn Host,
) -> Result<(), Fault> {
    let url = wanted.url;
    let mut piece = vec![0; PIECE];
    let mut unsynced = 0;
    let outcome = loop {
        let length = match answer.body.read(&mut piece) {
            Ok(0) => break Ok(()),
            Ok(length) => length,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            Err(err) => break Err(failed(url, &err.to_string())),
        };
        if partial.bytes + length as u64 > limit {
            partial.discard();
            return Err(too_large(wanted, limit));
        }
        if let Err(err) = partial.append(&piece[..length]) {
            break Err(disk(part, &err));
        }
        host.received(partial.bytes, wanted.size.or(answer.total));
        unsynced += length as u64;
        if unsynced >= SYNC_BYTES {
            unsynced = 0;
            if let Err(err) = partial.file.sync_data() {
                break Err(disk(part, &err));
            }
            host.make_room(0)?;
        }
    };
    let synced = partial.file.sync_all();
    outcome?;
    synced.map_err(|err| disk(part, &err))?;
    match wanted.size.or(answer.total) {
        Some(total) if partial.bytes < total => {
            Err(failed(url, "the server ends the file too early"))
        }
        _ => Ok(()),
    }
}

fn disk(part: &Part, err: &io::Error) -> Fault {
    Fault::disk(format!(
        "can't write to {}: {err}; check the disk and the owner of the folder",
        folder(part).display()
    ))
}

/// The part of a file that was received.
struct Partial {
    part: Part,
    file: File,
    hasher: Sha256,
    bytes: u64,
    validator: Option<String>,
    /// Whether it has bytes of an earlier attempt.
    has_kept: bool,
}

impl Partial {
    /// Opens what is there, and reads it for its hash.
    fn open(part: &Part) -> io::Result<Self> {
        private_folder(folder(part))?;
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part.file)?;
        let mut hasher = Sha256::new();
        let mut piece = vec![0; PIECE];
        let mut bytes = 0;
        loop {
            match file.read(&mut piece)? {
                0 => break,
                length => {
                    hasher.update(&piece[..length]);
                    bytes += length as u64;
                }
            }
        }
        let validator = fs::read_to_string(&part.validator).ok();
        Ok(Self {
            part: part.clone(),
            file,
            hasher,
            bytes,
            validator: validator.filter(|text| !text.is_empty()),
            has_kept: bytes > 0,
        })
    }

    /// Begins with the first byte again.
    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher = Sha256::new();
        self.bytes = 0;
        self.has_kept = false;
        Ok(())
    }

    fn save_validator(&mut self, validator: Option<String>) -> io::Result<()> {
        if self.validator != validator {
            fs::write(
                &self.part.validator,
                validator.as_deref().unwrap_or_default(),
            )?;
            self.validator = validator;
        }
        Ok(())
    }

    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    fn discard(&self) {
        self.part.remove();
    }
}

fn folder(part: &Part) -> &Path {
    part.file.parent().unwrap_or(Path::new("."))
}

/// Whether the file at `path` has this hash. Reads all of it.
///
/// # Errors
/// When it can't be read.
pub(crate) fn is_file(path: &Path, sha256: &str) -> io::Result<bool> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(format!("{:x}", hasher.finalize()) == sha256)
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
