//! Snapshot files: how the bytes of one snapshot stand on the disk. The [crate's page](crate#snapshots) has the
//! layout.
//!
//! Invariant: a file is checksummed as a whole, and the log names it by that checksum. What was torn, or has been
//! written over by another snapshot, is never taken for the one that is named.

use bytes::{BufMut, Bytes, BytesMut};
use raft_core::{EntryId, SnapshotMeta};

use crate::disk::FileName;

const MAGIC: [u8; 4] = *b"WTS1";

/// The bytes before the snapshot's own.
const HEADER_LEN: usize = 32;

/// What the checksum covers begins behind the magic and the checksum itself.
const COVERED_FROM: usize = 8;

/// A snapshot as a log names it: what it stands for, and where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NamedSnapshot {
    /// What it stands for.
    pub meta: SnapshotMeta,
    /// Where its bytes are.
    pub place: SnapshotPlace,
}

/// Which file holds a snapshot's bytes, and by what to know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SnapshotPlace {
    /// The number of the file, from 0.
    pub slot: u64,
    /// The checksum in its header.
    pub checksum: u32,
}

/// The file of a slot.
pub fn snapshot_file(slot: u64) -> FileName {
    FileName::from(format!("snapshot.{slot}").as_str())
}

/// A file for a snapshot of everything up to `last`, and its checksum.
pub(crate) fn encode(last: EntryId, snapshot: &[u8]) -> (Bytes, u32) {
    let mut file = BytesMut::with_capacity(HEADER_LEN + snapshot.len());
    file.put_slice(&MAGIC);
    file.put_u32_le(0);
    file.put_u64_le(snapshot.len() as u64);
    file.put_u64_le(last.term.0);
    file.put_u64_le(last.index.0);
    file.put_slice(snapshot);
    let checksum = crc32fast::hash(&file[COVERED_FROM..]);
    file[4..8].copy_from_slice(&checksum.to_le_bytes());
    (file.freeze(), checksum)
}

/// The bytes of the snapshot that a log names, if this file holds it, whole. A file may be longer than its
/// snapshot: it may have held another one before.
pub(crate) fn decode(file: &Bytes, named: &NamedSnapshot) -> Option<Bytes> {
    let header = file.get(..HEADER_LEN)?;
    let number = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let end = HEADER_LEN.checked_add(usize::try_from(number(8)?).ok()?)?;
    let covered = file.get(COVERED_FROM..end)?;
    let checksum = crc32fast::hash(covered);
    let last = EntryId::new(number(16)?, number(24)?);
    let is_named = header[..4] == MAGIC
        && header[4..8] == checksum.to_le_bytes()
        && (checksum, last) == (named.place.checksum, named.meta.last);
    is_named.then(|| file.slice(HEADER_LEN..end))
}

#[cfg(test)]
mod tests {
    use raft_core::{NodeId, SnapshotHandle, configuration::Configuration};

    use super::*;

    fn named(last: EntryId, checksum: u32) -> NamedSnapshot {
        let configuration = Configuration::of_voters(NodeId::new(1));
        let meta = SnapshotMeta { last, configuration, handle: SnapshotHandle(0) };
        NamedSnapshot { meta, place: SnapshotPlace { slot: 0, checksum } }
    }

    /// The example on the crate's page, which other decoders are written from.
    #[test]
    fn the_layout_is_pinned() {
        let (file, checksum) = encode(EntryId::new(300, 5), b"abc");
        let expected = [
            &[0x57, 0x54, 0x53, 0x31][..],
            &checksum.to_le_bytes(),
            &[3, 0, 0, 0, 0, 0, 0, 0, 0x2c, 1, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0],
            b"abc",
        ];
        assert_eq!(file, expected.concat());
        assert_eq!(checksum, crc32fast::hash(&file[8..]));
    }

    #[test]
    fn only_the_named_snapshot_is_read_and_only_if_it_is_whole() {
        let last = EntryId::new(3, 5);
        let (file, checksum) = encode(last, b"state");
        assert_eq!(decode(&file, &named(last, checksum)), Some(Bytes::from_static(b"state")));
        assert_eq!(decode(&file, &named(EntryId::new(2, 5), checksum)), None, "of another entry");
        assert_eq!(decode(&file, &named(last, checksum ^ 1)), None, "another one of the same entry");
        let longer = Bytes::from([&file[..], b"remains of a longer one"].concat());
        assert_eq!(decode(&longer, &named(last, checksum)), Some(Bytes::from_static(b"state")));
        for len in 0..file.len() {
            assert_eq!(decode(&file.slice(..len), &named(last, checksum)), None, "cut to {len} bytes");
        }
        for bit in 0..8 * file.len() {
            let mut damaged = file.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged.into(), &named(last, checksum)), None, "bit {bit}");
        }
    }
}
