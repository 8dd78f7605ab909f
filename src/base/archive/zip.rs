//! ZIP archives that are written to a connection: nothing is compressed, and nothing that was written is changed later.
//!
//! By PKWARE's APPNOTE 6.3.10. The checksum and the length of a file follow it (4.3.9), because they are not known before it. A file
//! of 4 GiB or more, and an archive of that size, has the fields of ZIP64 (4.5.3, 4.3.14); others don't, as some programs can't read
//! them. Only the directory at the end makes it an archive: one that is not finished can't be taken for a whole one.
//!
//! The crate `zip` is not used: it finishes an archive also when it is dropped after an error, and it would bring five crates more.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::Checksum;

/// The signatures of the records (4.3.7, 4.3.9, 4.3.12, 4.3.14, 4.3.15, 4.3.16).
const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const END: u32 = 0x0605_4b50;
/// The id of the extra field of ZIP64.
const EXTRA_64: u16 = 1;
/// The flags of a file: a descriptor follows it, and its name is UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
/// The versions that a reader needs: of files, and of ZIP64.
const NEEDS: u16 = 20;
const NEEDS_64: u16 = 45;
/// The system that made it, for the attributes: Unix.
const UNIX: u16 = 3 << 8;
/// A file that only its owner may read.
const ATTRIBUTES: u32 = 0o100_600 << 16;
/// In the place of a number of 32 bits: it is in the extra field.
const IN_EXTRA: u32 = u32::MAX;

/// Writes an archive, file by file.
#[derive(Debug)]
pub struct ZipWriter<W> {
    out: W,
    /// Bytes that are written.
    at: u64,
    /// The time of all files, in the form of MS-DOS: time and date.
    modified: (u16, u16),
    entries: Vec<Entry>,
    crc: Checksum,
}

/// A file of the archive.
#[derive(Debug)]
struct Entry {
    name: String,
    /// Where it begins.
    at: u64,
    /// Whether its lengths have 64 bits.
    is_large: bool,
    bytes: u64,
    crc: u32,
}

impl<W: Write> ZipWriter<W> {
    /// An archive of files that were modified at this time since the Unix epoch.
    pub fn new(out: W, modified_unix: Duration) -> Self {
        Self {
            out,
            at: 0,
            modified: dos_time(modified_unix),
            entries: Vec::new(),
            crc: Checksum::default(),
        }
    }

    /// Begins the next file, after the one before is ended. It will have at most `most_bytes`. The name has no folder.
    ///
    /// # Errors
    /// Those of the output, and a name of 64 KiB.
    pub fn begin(&mut self, name: &str, most_bytes: u64) -> io::Result<()> {
        self.end()?;
        let entry = Entry {
            name: name.to_owned(),
            at: self.at,
            is_large: most_bytes >= u64::from(IN_EXTRA),
            bytes: 0,
            crc: 0,
        };
        let mut record = Record::new(LOCAL);
        record.u16(entry.needs()).u16(FLAGS).u16(0);
        record.u16(self.modified.0).u16(self.modified.1).u32(0);
        let (size, extra) = match entry.is_large {
            true => (IN_EXTRA, Record::extra_64(&[0, 0])),
            false => (0, Vec::new()),
        };
        record.u32(size).u32(size).u16(name_length(name)?);
        record.u16(extra.len() as u16);
        record.0.extend(name.as_bytes());
        record.0.extend(extra);
        self.put(&record.0)?;
        self.entries.push(entry);
        self.crc = Checksum::default();
        Ok(())
    }

    /// Appends to the file that was begun.
    ///
    /// # Errors
    /// Those of the output, and more bytes than a file can have that was not begun for 4 GiB.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let entry = self.entries.last_mut();
        let entry = entry.ok_or_else(|| io::Error::other("no file of the archive is begun"))?;
        let length = entry.bytes + bytes.len() as u64;
        if length >= u64::from(IN_EXTRA) && !entry.is_large {
            let reason = format!("{} would have {length} bytes (limit 4 GiB)", entry.name);
            return Err(io::Error::new(ErrorKind::FileTooLarge, reason));
        }
        entry.bytes = length;
        self.crc.update(bytes);
        self.put(bytes)
    }

    /// Ends the archive, and returns the output.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<W> {
        self.end()?;
        let directory_at = self.at;
        for entry in std::mem::take(&mut self.entries) {
            let record = entry.central(self.modified)?;
            self.put(&record)?;
            self.entries.push(entry);
        }
        let directory_bytes = self.at - directory_at;
        let record = end(self.entries.len() as u64, directory_at, directory_bytes);
        self.put(&record)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Ends the file that was begun last, if there is one.
    fn end(&mut self) -> io::Result<()> {
        let crc = self.crc.value();
        let Some(entry) = self.entries.last_mut() else {
            return Ok(());
        };
        entry.crc = crc;
        let mut record = Record::new(DESCRIPTOR);
        record.u32(crc);
        match u32::try_from(entry.bytes) {
            Ok(bytes) if !entry.is_large => record.u32(bytes).u32(bytes),
            _ => record.u64(entry.bytes).u64(entry.bytes),
        };
        self.put(&record.0)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

impl Entry {
    fn needs(&self) -> u16 {
        match self.is_large {
            true => NEEDS_64,
            false => NEEDS,
        }
    }

    /// Its record in the directory.
    fn central(&self, (time, date): (u16, u16)) -> io::Result<Vec<u8>> {
        let (mut in_extra, mut size, mut at) = (Vec::new(), IN_EXTRA, IN_EXTRA);
        match u32::try_from(self.bytes) {
            Ok(bytes) if !self.is_large => size = bytes,
            _ => in_extra.extend([self.bytes, self.bytes]),
        }
        match u32::try_from(self.at) {
            Ok(low) if low < IN_EXTRA => at = low,
            _ => in_extra.push(self.at),
        }
        let (needs, extra) = match in_extra.is_empty() {
            true => (NEEDS, Vec::new()),
            false => (NEEDS_64, Record::extra_64(&in_extra)),
        };
        let mut record = Record::new(CENTRAL);
        record.u16(UNIX | needs).u16(needs).u16(FLAGS).u16(0);
        record.u16(time).u16(date).u32(self.crc).u32(size).u32(size);
        record.u16(name_length(&self.name)?).u16(extra.len() as u16);
        // No comment, the first disk, no text.
        record.u16(0).u16(0).u16(0).u32(ATTRIBUTES).u32(at);
        record.0.extend(self.name.as_bytes());
        record.0.extend(extra);
        Ok(record.0)
    }
}

/// The end of an archive with so many files.
fn end(entries: u64, directory_at: u64, directory_bytes: u64) -> Vec<u8> {
    let end_at = directory_at + directory_bytes;
    let mut record = Record(Vec::new());
    let is_large = entries >= u64::from(u16::MAX) || end_at >= u64::from(IN_EXTRA);
    if is_large {
        // The length of what follows in this record is 44 bytes.
        record
            .u32(END_64)
            .u64(44)
            .u16(UNIX | NEEDS_64)
            .u16(NEEDS_64);
        record.u32(0).u32(0).u64(entries).u64(entries);
        record.u64(directory_bytes).u64(directory_at);
        record.u32(LOCATOR_64).u32(0).u64(end_at).u32(1);
    }
    let short = |number: u64| match (is_large, u16::try_from(number)) {
        (false, Ok(number)) => number,
        _ => u16::MAX,
    };
    let low = |number: u64| match (is_large, u32::try_from(number)) {
        (false, Ok(number)) => number,
        _ => IN_EXTRA,
    };
    record.u32(END).u16(0).u16(0);
    record.u16(short(entries)).u16(short(entries));
    record
        .u32(low(directory_bytes))
        .u32(low(directory_at))
        .u16(0);
    record.0
}

fn name_length(name: &str) -> io::Result<u16> {
    let too_long = |_| io::Error::new(ErrorKind::InvalidInput, "the name of a file is too long");
    u16::try_from(name.len()).map_err(too_long)
}

/// A time in the form of MS-DOS, in UTC: time and date. It has steps of 2 s, and goes from 1980 to 2107.
fn dos_time(unix: Duration) -> (u16, u16) {
    let seconds = i64::try_from(unix.as_secs()).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    let time = time.to_zoned(TimeZone::UTC);
    let years = (time.year() - 1980).clamp(0, 127) as u16;
    let [month, day] = [time.month(), time.day()].map(|part| part as u16);
    let [hour, minute, second] =
        [time.hour(), time.minute(), time.second()].map(|part| part as u16);
    let halves = second / 2;
    (
        hour << 11 | minute << 5 | halves,
        years << 9 | month << 5 | day,
    )
}

/// The bytes of a record: all numbers are little-endian.
struct Record(Vec<u8>);

impl Record {
    fn new(signature: u32) -> Self {
        Self(signature.to_le_bytes().to_vec())
    }

    /// The extra field of ZIP64 with these numbers.
    fn extra_64(numbers: &[u64]) -> Vec<u8> {
        let mut field = Self(EXTRA_64.to_le_bytes().to_vec());
        field.u16(8 * numbers.len() as u16);
        for number in numbers {
            field.u64(*number);
        }
        field.0
    }

    fn u16(&mut self, number: u16) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }
}

#[cfg(test)]
#[path = "zip_tests.rs"]
mod tests;
