//! Frames: how one write stands in the file. The [crate's page](crate#format) has the layout.
//!
//! Invariant: a frame is checksummed as a whole, so a write that was torn is no frame at all.

use bytes::Bytes;
use raft_core::{HardState, LogIndex, LogSlice};

use crate::snapshot_file::NamedSnapshot;

/// What frames are aligned to, in bytes: no more than a disk writes as a unit, so that writing one frame
/// cannot damage another.
pub const SECTOR: u64 = 512;

const MAGIC: [u8; 4] = *b"WTL2";

/// The bytes before the body.
const HEADER_LEN: usize = 32;

/// What the checksum covers begins behind the magic and the checksum itself.
const COVERED_FROM: usize = 8;

/// One write: the whole hard state, the commit index, and what is new: a snapshot, entries, or both.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// Term and vote from now on.
    pub hard_state: HardState,
    /// The commit index from now on. It is not behind the end of the log; it may be behind its beginning.
    pub commit: LogIndex,
    /// The latest snapshot from now on. Without entries in the same record it stands beside the log, which holds its
    /// last entry; with them it takes the log's place, and they follow its last entry.
    pub snapshot: Option<NamedSnapshot>,
    /// Entries that replace everything in the log from their first index on. They attach: the log holds the
    /// entry that they follow. If there are none in the slice, the log merely ends with that entry from now on.
    pub entries: Option<LogSlice>,
}

/// A frame that was found whole: its checksum is right. Whether it continues the log is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The checksum: what the next frame's `chain` must be.
    pub(crate) checksum: u32,
    /// The checksum of the frame before this one; 0 for the first of a file.
    pub(crate) chain: u32,
    /// Its number in the log, from 1. It goes on from file to file.
    pub(crate) number: u64,
    /// The offset below which everything was known to be durable when the frame was written.
    pub(crate) durable_before: u64,
    /// The encoded record.
    pub(crate) body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`. The padding behind it is not looked at, nor need it be there.
    pub(crate) fn parse(mut bytes: &'a [u8]) -> Option<Self> {
        let magic: [u8; 4] = take(&mut bytes)?;
        if magic != MAGIC {
            return None;
        }
        let checksum = u32::from_le_bytes(take(&mut bytes)?);
        let covered = bytes;
        let len = u32::from_le_bytes(take(&mut bytes)?);
        let chain = u32::from_le_bytes(take(&mut bytes)?);
        let number = u64::from_le_bytes(take(&mut bytes)?);
        let durable_before = u64::from_le_bytes(take(&mut bytes)?);
        let body = bytes.get(..usize::try_from(len).ok()?)?;
        let covered = &covered[..HEADER_LEN - COVERED_FROM + body.len()];
        (crc32fast::hash(covered) == checksum).then_some(Self {
            checksum,
            chain,
            number,
            durable_before,
            body,
        })
    }

    /// The bytes that the frame takes in the file, padding included.
    pub(crate) fn padded_len(&self) -> u64 {
        ((HEADER_LEN + self.body.len()) as u64).next_multiple_of(SECTOR)
    }

    /// The record in the body.
    ///
    /// # Errors
    /// When the body is not, from the first to the last byte, an encoded record.
    pub(crate) fn record(&self) -> Result<Record, postcard::Error> {
        match postcard::take_from_bytes(self.body)? {
            (record, []) => Ok(record),
            (_, [_, ..]) => Err(postcard::Error::DeserializeBadEncoding),
        }
    }
}

/// Splits the first `N` bytes off.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

/// A frame ready to be written, padded, with its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    pub(crate) checksum: u32,
}

/// Makes a frame of `record`, or says how long its body is if a frame cannot hold that much.
pub(crate) fn encode(record: &Record, chain: u32, number: u64, durable_before: u64) -> Result<Encoded, u64> {
    let header = vec![0; HEADER_LEN];
    let mut frame = postcard::to_extend(record, header).expect("a record in memory has an encoding");
    let len = frame.len() - HEADER_LEN;
    let len = u32::try_from(len).map_err(|_| len as u64)?;
    frame[8..12].copy_from_slice(&len.to_le_bytes());
    frame[12..16].copy_from_slice(&chain.to_le_bytes());
    frame[16..24].copy_from_slice(&number.to_le_bytes());
    frame[24..32].copy_from_slice(&durable_before.to_le_bytes());
    let checksum = crc32fast::hash(&frame[COVERED_FROM..]);
    frame[..4].copy_from_slice(&MAGIC);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
    frame.resize(frame.len().next_multiple_of(SECTOR as usize), 0);
    Ok(Encoded { bytes: frame.into(), checksum })
}

#[cfg(test)]
mod tests {
    use raft_core::{Configuration, Entry, EntryId, NodeId, Payload, SnapshotHandle, SnapshotMeta, Term};

    use super::*;
    use crate::snapshot_file::SnapshotPlace;

    fn record() -> Record {
        let entries = vec![
            Entry { term: Term(7), payload: Payload::Noop },
            Entry { term: Term(300), payload: Payload::Command(Bytes::from_static(b"x=1")) },
        ];
        Record {
            hard_state: HardState::recovered(Term(300), NodeId::new(2)),
            commit: LogIndex(4),
            snapshot: Some(NamedSnapshot {
                meta: SnapshotMeta {
                    last: EntryId::new(7, 4),
                    configuration: Configuration::of_voters([1, 2, 3].into_iter().filter_map(NodeId::new)),
                    handle: SnapshotHandle(4),
                },
                place: SnapshotPlace { slot: 1, checksum: 0x0102_0304 },
            }),
            entries: Some(LogSlice::new(EntryId::new(7, 4), entries).unwrap()),
        }
    }

    /// The example on the crate's page, which other decoders are written from.
    #[test]
    fn the_layout_is_pinned() {
        let header = [
            [0x57, 0x54, 0x4c, 0x32, 0xc4, 0xd7, 0x21, 0x55, 0x23, 0x00, 0x00, 0x00, 0xdd, 0xcc, 0xbb, 0xaa],
            [0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
        ];
        let body = [
            0xac, 0x02, 0x01, 0x02, 0x04, 0x01, 0x07, 0x04, 0x03, 0x01, 0x02, 0x03, 0x00, 0x00, 0x00, 0x00,
            0x04, 0x01, 0x84, 0x86, 0x88, 0x08, 0x01, 0x07, 0x04, 0x02, 0x07, 0x00, 0xac, 0x02, 0x01, 0x03,
            0x78, 0x3d, 0x31,
        ];
        let mut expected = [header.as_flattened(), &body].concat();
        expected.resize(512, 0);
        let encoded = encode(&record(), 0xaabb_ccdd, 9, 1024).unwrap();
        assert_eq!(encoded, Encoded { bytes: expected.into(), checksum: 0x5521_d7c4 });
    }

    #[test]
    fn a_frame_is_parsed_as_it_was_written() {
        let encoded = encode(&record(), 5, 6, 512).unwrap();
        let frame = Frame::parse(&encoded.bytes).unwrap();
        let Frame { checksum, chain, number, durable_before, body: _ } = frame;
        assert_eq!((checksum, chain, number, durable_before), (encoded.checksum, 5, 6, 512));
        assert_eq!(frame.padded_len(), 512);
        assert_eq!(frame.record(), Ok(record()));
    }

    #[test]
    fn a_frame_that_fills_its_sector_has_no_padding() {
        let command = |len| Record {
            entries: Some(
                LogSlice::new(
                    EntryId::ORIGIN,
                    vec![Entry { term: Term(1), payload: Payload::Command(vec![7; len].into()) }],
                )
                .unwrap(),
            ),
            ..Record { hard_state: HardState::default(), commit: LogIndex(0), snapshot: None, entries: None }
        };
        let full = (1..512).find(|&len| {
            let bytes = encode(&command(len), 0, 1, 0).unwrap().bytes;
            bytes.len() == 1024
        });
        let full = full.expect("some command needs a second sector") - 1;
        let bytes = encode(&command(full), 0, 1, 0).unwrap().bytes;
        assert_eq!((bytes.len(), bytes[511]), (512, 7));
        assert_eq!(Frame::parse(&bytes).unwrap().padded_len(), 512);
    }

    #[test]
    fn a_body_must_end_where_its_record_does() {
        let encoded = encode(&record(), 5, 6, 512).unwrap();
        let frame = Frame::parse(&encoded.bytes).unwrap();
        let longer = [frame.body, &[0]].concat();
        assert!(Frame { body: &longer, ..frame }.record().is_err());
        let shorter = &frame.body[..frame.body.len() - 1];
        assert!(Frame { body: shorter, ..frame }.record().is_err());
    }
}
