//! A disk over real files.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    path::{Component, Path, PathBuf},
};

use bytes::Bytes;

use crate::disk::{Disk, DiskError, DiskResult, FileName, Request, RequestId, Response};

/// The files of one directory. Requests are carried out when they are submitted, one after the other, so
/// every answer is ready at once.
///
/// A sync reaches the file's entry in the directory too. For that a directory must be something one can open
/// and sync, as on Unix; elsewhere the first sync of each file fails.
#[derive(Debug)]
pub struct FileDisk {
    directory: PathBuf,
    files: BTreeMap<FileName, OpenFile>,
    answers: VecDeque<(RequestId, DiskResult)>,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    /// Whether the directory was synced since we opened the file. One that we found may be as new to the
    /// directory as one that we made: its maker may have died before it synced.
    entry_is_durable: bool,
}

impl FileDisk {
    /// The disk whose files are those of `directory`, which must exist, and durably so.
    ///
    /// # Errors
    /// When it is not a directory, or cannot be looked at.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        if !fs::metadata(&directory)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(Self { directory, files: BTreeMap::new(), answers: VecDeque::new() })
    }

    fn read(&self, file: &FileName) -> io::Result<Bytes> {
        match fs::read(self.path(file)?) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Bytes::new()),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, file: &FileName, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let OpenFile { file, entry_is_durable: _ } = self.opened(file, true)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    fn sync(&mut self, file: &FileName) -> io::Result<()> {
        let directory = self.directory.clone();
        let OpenFile { file, entry_is_durable } = match self.opened(file, false) {
            // No write has completed, so there is nothing to make durable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        file.sync_all()?;
        if !*entry_is_durable {
            File::open(directory)?.sync_all()?;
            *entry_is_durable = true;
        }
        Ok(())
    }

    /// The file, opened now if need be, and made now if it may be.
    fn opened(&mut self, file: &FileName, create: bool) -> io::Result<&mut OpenFile> {
        let path = self.path(file)?;
        match self.files.entry(file.clone()) {
            Entry::Occupied(opened) => Ok(opened.into_mut()),
            Entry::Vacant(vacant) => {
                let file = File::options().write(true).create(create).truncate(false).open(path)?;
                Ok(vacant.insert(OpenFile { file, entry_is_durable: false }))
            }
        }
    }

    /// Where the file is: in our directory, whatever its name.
    fn path(&self, file: &FileName) -> io::Result<PathBuf> {
        let name = file.as_str();
        let mut components = Path::new(name).components();
        // Neither a root nor a drive nor a dot.
        let is_flat = matches!(components.next(), Some(Component::Normal(first)) if first == name);
        // Separators are refused on all systems, so that a name means the same everywhere.
        if !is_flat || name.contains(['/', '\\']) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not the name of a file in one directory",
            ));
        }
        Ok(self.directory.join(name))
    }
}

impl Disk for FileDisk {
    fn submit(&mut self, id: RequestId, request: Request) {
        let (operation, file, result) = match request {
            Request::Read { file } => ("read", file.clone(), self.read(&file).map(Response::Read)),
            Request::Write { file, offset, bytes } => {
                let result = self.write(&file, offset, &bytes).map(|()| Response::Written);
                ("write", file, result)
            }
            Request::Sync { file } => ("sync", file.clone(), self.sync(&file).map(|()| Response::Synced)),
        };
        let result = result.map_err(|error| DiskError { operation, file, reason: error.to_string() });
        self.answers.push_back((id, result));
    }

    fn poll(&mut self) -> Option<(RequestId, DiskResult)> {
        self.answers.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(disk: &mut FileDisk, request: Request) -> DiskResult {
        disk.submit(RequestId(7), request);
        let (id, result) = disk.poll().expect("files answer at once");
        assert_eq!((id, disk.poll()), (RequestId(7), None));
        result
    }

    fn read(disk: &mut FileDisk, file: &str) -> DiskResult {
        answer(disk, Request::Read { file: file.into() })
    }

    fn write(disk: &mut FileDisk, file: &str, offset: u64, bytes: &'static [u8]) -> DiskResult {
        answer(disk, Request::Write { file: file.into(), offset, bytes: Bytes::from_static(bytes) })
    }

    fn sync(disk: &mut FileDisk, file: &str) -> DiskResult {
        answer(disk, Request::Sync { file: file.into() })
    }

    #[test]
    fn what_is_written_is_read_by_the_next_process() {
        let directory = tempfile::tempdir().unwrap();
        let mut disk = FileDisk::open(directory.path()).unwrap();
        assert_eq!(write(&mut disk, "log", 3, b"abc"), Ok(Response::Written));
        assert_eq!(write(&mut disk, "log", 4, b"x"), Ok(Response::Written));
        assert_eq!(sync(&mut disk, "log"), Ok(Response::Synced));
        let mut next = FileDisk::open(directory.path()).unwrap();
        assert_eq!(sync(&mut next, "log"), Ok(Response::Synced));
        assert_eq!(write(&mut next, "log", 0, b"_"), Ok(Response::Written));
        assert_eq!(read(&mut next, "log"), Ok(Response::Read(Bytes::from_static(b"_\0\0axc"))));
    }

    #[test]
    fn a_file_that_does_not_exist_is_empty_and_stays_away() {
        let directory = tempfile::tempdir().unwrap();
        let mut disk = FileDisk::open(directory.path()).unwrap();
        assert_eq!(read(&mut disk, "log"), Ok(Response::Read(Bytes::new())));
        assert_eq!(sync(&mut disk, "log"), Ok(Response::Synced));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("inner");
        fs::create_dir(&directory).unwrap();
        let mut disk = FileDisk::open(&directory).unwrap();
        for name in ["", ".", "..", "../log", "a/b", "/log", "a/", "./log", "a\\b", "..\\log"] {
            for result in [read(&mut disk, name), write(&mut disk, name, 0, b"x"), sync(&mut disk, name)] {
                let error = result.expect_err(name);
                assert_eq!(error.file, FileName::from(name));
                assert_eq!(error.reason, "not the name of a file in one directory", "{name:?}");
            }
        }
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }

    #[test]
    fn a_failure_says_what_failed() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("log")).unwrap();
        let mut disk = FileDisk::open(directory.path()).unwrap();
        assert_eq!(read(&mut disk, "log").map_err(|error| error.operation), Err("read"));
        assert_eq!(write(&mut disk, "log", 0, b"x").map_err(|error| error.operation), Err("write"));
        assert_eq!(sync(&mut disk, "log").map_err(|error| error.operation), Err("sync"));
    }

    #[test]
    fn a_disk_needs_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(FileDisk::open(&file).is_err());
        assert!(FileDisk::open(directory.path().join("absent")).is_err());
    }
}
