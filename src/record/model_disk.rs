//! A disk for tests: a model of a file system that can lose power after every operation, and refuse any of them.
//!
//! A loss of power keeps what was synced. Of the rest every subset may be there: each page of a file is that before or after each
//! unsynced write, the size is any of those that it had, and each name of an unsynced folder may be there or not.

use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::RecordingDisk;
use super::space_disk::{Entry, SpaceDisk};
use crate::base::sync::lock;

/// The model. Clones share it.
#[derive(Clone, Default)]
pub(super) struct ModelDisk(Arc<Mutex<Model>>);

type Fault = Box<dyn FnMut(&'static str, &Path) -> Option<io::Error> + Send>;

#[derive(Default)]
pub(super) struct Model {
    /// What was on the disk when it was started.
    pub(super) start: Tree,
    pub(super) live: Tree,
    pub(super) trace: Vec<Op>,
    fault: Option<Fault>,
}

#[derive(Clone, Default)]
pub(super) struct Tree {
    pub(super) names: BTreeMap<PathBuf, Node>,
    pub(super) files: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Folder,
    File(usize),
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Name(PathBuf, Option<Node>),
    Append(usize, Vec<u8>),
    Truncate(usize, usize),
    SyncFile(usize),
    SyncFolder(PathBuf),
}

impl ModelDisk {
    /// A disk with one empty folder.
    pub(super) fn new(dir: &Path) -> Self {
        let disk = Self::default();
        let mut model = disk.lock();
        model.start.names.insert(dir.to_owned(), Node::Folder);
        model.live = model.start.clone();
        drop(model);
        disk
    }

    /// The number of operations so far.
    pub(super) fn operations(&self) -> usize {
        self.lock().trace.len()
    }

    /// The operations in words.
    pub(super) fn trace(&self) -> Vec<String> {
        let model = self.lock();
        let shown = model.trace.iter().map(|op| match op {
            Op::Append(file, bytes) => format!("append {} to {file}", bytes.len()),
            other => format!("{other:?}"),
        });
        shown.collect()
    }

    /// Asks `fault` before each operation.
    pub(super) fn refuse(
        &self,
        fault: impl FnMut(&'static str, &Path) -> Option<io::Error> + Send + 'static,
    ) {
        self.lock().fault = Some(Box::new(fault));
    }

    /// Refuses nothing any more.
    pub(super) fn heal(&self) {
        self.lock().fault = None;
    }

    /// All files with their content.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let model = self.lock();
        let files = model
            .live
            .names
            .iter()
            .filter_map(|(path, node)| match node {
                Node::File(file) => Some((path.clone(), model.live.files[*file].clone())),
                Node::Folder => None,
            });
        files.collect()
    }

    /// The content of one file.
    pub(super) fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let model = self.lock();
        model
            .file(path)
            .ok()
            .map(|file| model.live.files[file].clone())
    }

    /// Puts a file there, durably.
    pub(super) fn put(&self, path: &Path, content: &[u8]) {
        let mut model = self.lock();
        let file = model.live.files.len();
        for tree in [0, 1] {
            let model = &mut *model;
            let tree = if tree == 0 {
                &mut model.start
            } else {
                &mut model.live
            };
            tree.files.resize(file, Vec::new());
            tree.files.push(content.to_vec());
            for folder in path.ancestors().skip(1) {
                tree.names.insert(folder.to_owned(), Node::Folder);
            }
            tree.names.insert(path.to_owned(), Node::File(file));
        }
    }

    /// A disk that was started with this content.
    pub(super) fn of(tree: Tree) -> Self {
        let disk = Self::default();
        *disk.lock() = Model {
            start: tree.clone(),
            live: tree,
            ..Model::default()
        };
        disk
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Model> {
        lock(&self.0)
    }

    /// The model, if it does not refuse this operation.
    fn ask(&self, action: &'static str, path: &Path) -> io::Result<MutexGuard<'_, Model>> {
        let mut model = self.lock();
        let refused = model.fault.as_mut().and_then(|fault| fault(action, path));
        refused.map_or(Ok(model), Err)
    }
}

impl Model {
    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.live.names.get(path) {
            Some(Node::File(file)) => Ok(*file),
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    fn name(&mut self, path: &Path, node: Node) -> io::Result<()> {
        let parent = path.parent().and_then(|parent| self.live.names.get(parent));
        if parent != Some(&Node::Folder) {
            return Err(ErrorKind::NotFound.into());
        }
        if self.live.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.live.names.insert(path.to_owned(), node);
        self.trace.push(Op::Name(path.to_owned(), Some(node)));
        Ok(())
    }
}

impl RecordingDisk for ModelDisk {
    type File = (usize, PathBuf);
    type Reader = Cursor<Vec<u8>>;

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        match self.ask("make", path)?.name(path, Node::Folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<Self::File> {
        let mut model = self.ask("create", path)?;
        let file = model.live.files.len();
        model.name(path, Node::File(file))?;
        model.live.files.push(Vec::new());
        Ok((file, path.to_owned()))
    }

    fn open(&self, path: &Path) -> io::Result<Self::File> {
        Ok((self.ask("open", path)?.file(path)?, path.to_owned()))
    }

    fn read(&self, path: &Path) -> io::Result<Self::Reader> {
        let model = self.ask("read", path)?;
        Ok(Cursor::new(model.live.files[model.file(path)?].clone()))
    }

    fn reserve(&self, file: &Self::File, _: u64, _: u64) -> io::Result<()> {
        self.ask("reserve", &file.1).map(drop)
    }

    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()> {
        let refused = self.ask("append", &file.1).err();
        // A refused write leaves its first half.
        let written = if refused.is_some() {
            bytes.len() / 2
        } else {
            bytes.len()
        };
        let mut model = self.lock();
        model.live.files[file.0].extend(&bytes[..written]);
        model
            .trace
            .push(Op::Append(file.0, bytes[..written].to_vec()));
        refused.map_or(Ok(()), Err)
    }

    fn truncate(&self, file: &Self::File, bytes: u64) -> io::Result<()> {
        let mut model = self.ask("truncate", &file.1)?;
        model.live.files[file.0].resize(bytes as usize, 0);
        model.trace.push(Op::Truncate(file.0, bytes as usize));
        Ok(())
    }

    fn sync_file(&self, file: &Self::File) -> io::Result<()> {
        let mut model = self.ask("sync", &file.1)?;
        model.trace.push(Op::SyncFile(file.0));
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut model = self.ask("sync folder", path)?;
        model.trace.push(Op::SyncFolder(path.to_owned()));
        Ok(())
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        let model = self.ask("size", path)?;
        Ok(model.live.files[model.file(path)?].len() as u64)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let model = self.ask("list", path)?;
        let inside = model
            .live
            .names
            .keys()
            .filter(|name| name.parent() == Some(path));
        let names = inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        Ok(names.collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut model = self.ask("remove", path)?;
        model.file(path)?;
        model.live.names.remove(path);
        model.trace.push(Op::Name(path.to_owned(), None));
        Ok(())
    }
}

impl SpaceDisk for ModelDisk {
    type LockHold = ();

    fn hold_locks(&self, dir: &Path) -> io::Result<Option<()>> {
        self.ask("hold", dir).map(|_| Some(()))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.ask("measure", path).map(|_| u64::MAX)
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let model = self.ask("stat", path)?;
        match model.live.names.get(path) {
            Some(Node::Folder) => Ok(Entry::Folder),
            Some(Node::File(file)) => {
                let allocated_bytes = model.live.files[*file].len().next_multiple_of(4096) as u64;
                Ok(Entry::File { allocated_bytes })
            }
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let mut model = self.ask("remove folder", path)?;
        if model.live.names.get(path) != Some(&Node::Folder) {
            return Err(ErrorKind::NotFound.into());
        }
        let mut names = model.live.names.keys();
        if names.any(|name| name.parent() == Some(path)) {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        model.live.names.remove(path);
        model.trace.push(Op::Name(path.to_owned(), None));
        Ok(())
    }
}
