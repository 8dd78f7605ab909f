//! A disk in memory whose power can be cut. Only tests use it.
//!
//! It keeps apart what programs see and what is durable. Bytes become durable when their file is synced; names, renames and
//! removals when the directory is synced. At a cut, any subset of the unsynced changes of names is there, in either order, and
//! an unsynced file is old, empty, full of zeros, torn or whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::files::StoreFiles;

/// Names and contents of all files.
pub(in crate::agent) type Image = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Default)]
struct Inode {
    seen: Vec<u8>,
    /// `None` if it was never synced.
    durable: Option<Vec<u8>>,
}

/// A change of names that is not synced.
#[derive(Clone)]
enum Change {
    Link {
        inode: usize,
        from: Option<String>,
        to: String,
    },
    Unlink {
        name: String,
    },
}

/// What stops a disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::agent) enum Fault {
    /// Nothing works until the next start.
    PowerCut,
    /// Writes fail with this error; reads and removals work.
    Write(io::ErrorKind),
}

#[derive(Clone, Default)]
pub(in crate::agent) struct Disk {
    inodes: Vec<Inode>,
    seen: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    unsynced: Vec<Change>,
    fault: Option<(usize, Fault)>,
    /// Steps since the fault was set.
    pub(in crate::agent) steps: usize,
}

impl Disk {
    pub(in crate::agent) fn of(image: &Image) -> Self {
        let mut disk = Self::default();
        for (name, bytes) in image {
            disk.durable.insert(name.clone(), disk.inodes.len());
            disk.inodes.push(Inode {
                seen: bytes.clone(),
                durable: Some(bytes.clone()),
            });
        }
        disk.seen = disk.durable.clone();
        disk
    }

    /// What programs see.
    pub(in crate::agent) fn image(&self) -> Image {
        let file =
            |(name, inode): (&String, &usize)| (name.clone(), self.inodes[*inode].seen.clone());
        self.seen.iter().map(file).collect()
    }

    /// From the step `after` on, `fault` stops the disk; `None` ends every fault.
    pub(in crate::agent) fn set_fault(&mut self, fault: Option<(usize, Fault)>) {
        self.fault = fault;
        self.steps = 0;
    }

    pub(in crate::agent) fn has_met_fault(&self) -> bool {
        self.fault.is_some_and(|(after, _)| self.steps > after)
    }

    fn step(&mut self, is_write: bool) -> io::Result<()> {
        let Some((after, fault)) = self.fault else {
            return Ok(());
        };
        self.steps += 1;
        match fault {
            _ if self.steps <= after => Ok(()),
            Fault::PowerCut => Err(io::Error::other("power cut")),
            Fault::Write(kind) if is_write => Err(kind.into()),
            Fault::Write(_) => Ok(()),
        }
    }

    /// Every image that a start may find after a power cut at this moment.
    pub(in crate::agent) fn images_after_cut(&self) -> BTreeSet<Image> {
        // After many failed writes the oldest changes have been written back meanwhile.
        let (old, young) = self
            .unsynced
            .split_at(self.unsynced.len().saturating_sub(8));
        let mut durable = self.durable.clone();
        old.iter().for_each(|change| change.apply(&mut durable));
        let mut images = BTreeSet::new();
        for subset in 0..1_usize << young.len() {
            let chosen = (0..young.len()).filter(|change| subset >> change & 1 == 1);
            let chosen: Vec<&Change> = chosen.map(|change| &young[change]).collect();
            let reversed = chosen.iter().rev().copied().collect();
            for order in [chosen, reversed] {
                self.add_images(durable.clone(), &order, &mut images);
            }
        }
        images
    }

    fn add_images(
        &self,
        mut names: BTreeMap<String, usize>,
        changes: &[&Change],
        images: &mut BTreeSet<Image>,
    ) {
        for change in changes {
            change.apply(&mut names);
        }
        let mut found = vec![Image::new()];
        for (name, inode) in names {
            let versions = self.inodes[inode].versions_after_cut();
            let with = |image: &Image, bytes: &Vec<u8>| {
                let mut image = image.clone();
                image.insert(name.clone(), bytes.clone());
                image
            };
            found = found
                .iter()
                .flat_map(|image| versions.iter().map(move |bytes| with(image, bytes)))
                .collect();
        }
        images.extend(found);
    }
}

impl Inode {
    fn versions_after_cut(&self) -> BTreeSet<Vec<u8>> {
        if self.durable.as_ref() == Some(&self.seen) {
            return BTreeSet::from([self.seen.clone()]);
        }
        let old = self.durable.clone().unwrap_or_default();
        let torn = self.seen[..self.seen.len() / 2].to_vec();
        let zeros = vec![0; self.seen.len()];
        let mut half_zeros = self.seen.clone();
        half_zeros[torn.len()..].fill(0);
        BTreeSet::from([old, Vec::new(), torn, zeros, half_zeros, self.seen.clone()])
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link { inode, from, to } => {
                if let Some(from) = from
                    && names.get(from) == Some(inode)
                {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Self::Unlink { name } => {
                names.remove(name);
            }
        }
    }
}

/// A disk that a store and its test share.
#[derive(Clone, Default)]
pub(in crate::agent) struct SharedDisk(Arc<Mutex<Disk>>);

impl SharedDisk {
    pub(in crate::agent) fn of(image: &Image) -> Self {
        Self(Arc::new(Mutex::new(Disk::of(image))))
    }

    pub(in crate::agent) fn with<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> T {
        act(&mut self
            .0
            .lock()
            .expect("no test panics while it holds the disk"))
    }

    fn change(&self, change: Change) {
        self.with(|disk| {
            change.apply(&mut disk.seen);
            disk.unsynced.push(change);
        });
    }
}

impl StoreFiles for SharedDisk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let found = |disk: &mut Disk| {
            disk.seen
                .get(name)
                .map(|inode| disk.inodes[*inode].seen.clone())
        };
        Ok(self.with(found))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.with(|disk| disk.step(true))?;
        let found = self.with(|disk| disk.seen.get(name).copied());
        let inode = found.unwrap_or_else(|| {
            let inode = self.with(|disk| {
                disk.inodes.push(Inode::default());
                disk.inodes.len() - 1
            });
            self.change(Change::Link {
                inode,
                from: None,
                to: name.to_owned(),
            });
            inode
        });
        self.with(|disk| {
            disk.inodes[inode].seen.clear();
            disk.step(true)?;
            disk.inodes[inode].seen = bytes.to_vec();
            disk.step(true)?;
            disk.inodes[inode].durable = Some(bytes.to_vec());
            Ok(())
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.with(|disk| disk.step(true))?;
        let inode = self.with(|disk| disk.seen.get(from).copied());
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        let (from, to) = (Some(from.to_owned()), to.to_owned());
        self.change(Change::Link { inode, from, to });
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        // Not even a removal works on a read-only disk, but on a full one it does.
        let is_write = self.with(|disk| {
            matches!(disk.fault, Some((_, Fault::Write(kind))) if kind == io::ErrorKind::ReadOnlyFilesystem)
        });
        self.with(|disk| disk.step(is_write))?;
        if self.with(|disk| disk.seen.contains_key(name)) {
            self.change(Change::Unlink {
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.with(|disk| {
            disk.step(true)?;
            disk.durable = disk.seen.clone();
            disk.unsynced.clear();
            Ok(())
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/flash").join(name)
    }
}

#[test]
fn the_model_loses_what_was_not_synced() {
    let mut disk = SharedDisk::of(&Image::from([("a".into(), b"old".to_vec())]));
    disk.write("new", b"next").expect("written");
    disk.rename("new", "a").expect("renamed");
    let images = disk.with(|disk| disk.images_after_cut());
    let image = |files: &[(&str, &[u8])]| -> Image {
        let files = files
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
        files.collect()
    };
    let expected = [
        image(&[("a", b"old")]),
        image(&[("a", b"old"), ("new", b"next")]),
        image(&[("a", b"next")]),
        // The rename was there before the name of the new file.
        image(&[("a", b"next"), ("new", b"next")]),
    ];
    assert_eq!(images, BTreeSet::from(expected));
    disk.sync_names().expect("synced");
    let images = disk.with(|disk| disk.images_after_cut());
    assert_eq!(images, BTreeSet::from([image(&[("a", b"next")])]));
}

#[test]
fn the_model_tears_a_file_that_was_not_synced() {
    let mut disk = SharedDisk::of(&Image::from([("a".into(), b"old".to_vec())]));
    disk.with(|disk| disk.set_fault(Some((2, Fault::PowerCut))));
    disk.write("a", b"next").expect_err("cut before the sync");
    let images = disk.with(|disk| disk.images_after_cut());
    let found: BTreeSet<Vec<u8>> = images.into_iter().map(|image| image["a"].clone()).collect();
    let expected: [&[u8]; 6] = [b"old", b"", b"ne", b"ne\0\0", b"\0\0\0\0", b"next"];
    assert_eq!(found, expected.map(<[u8]>::to_vec).into());
}
