//! A write-ahead log for [`raft_core`]: what a server promised, kept where a loss of power cannot take it.
//!
//! Raft asks little of a disk. Term, vote and log entries must be durable before anything is said that rests
//! on them (Figure 2), in the order in which they came about. So one file is enough, which only ever grows at
//! its end, and one kind of [`Record`]: the whole hard state, the commit index, and the entries that are new.
//! A record is one write; it is there or it is not.
//!
//! The pieces, in the order in which one reads them:
//!
//! - [`disk`]: the few things asked of a disk, as requests and answers; [`FileDisk`] does them with real
//!   files.
//! - [`Encoder`] and [`recover`]: records to bytes and back. Pure functions of bytes; all that is to be known
//!   of the format is in them.
//! - [`Opening`] and [`Wal`]: the order of reads, writes and syncs. They do no IO, so that a simulator can
//!   put them on a disk of its own and crash it between any two requests.
//! - [`BlockingWal`]: the same for a server that simply waits.
//!
//! # Example
//!
//! A [`Wal`] on a disk that keeps its answers back. Records are written without waiting for each other, and
//! share syncs:
//!
//! ```
//! use raft_core::{HardState, LogIndex, Term};
//! use raft_wal::disk::{Request, RequestId, Response};
//! use raft_wal::{Opening, Progress, Record};
//!
//! let mut requests = Vec::new();
//! let mut submit = |request: Request| {
//!     requests.push(request);
//!     RequestId(requests.len() as u64)
//! };
//! let opening = Opening::start(&mut submit);
//! let read = opening.complete(RequestId(1), Ok(Response::Read("".into())), &mut submit)?;
//! let Progress::Pending(opening) = read else { unreachable!("a sync is to come") };
//! let synced = opening.complete(RequestId(2), Ok(Response::Synced), &mut submit)?;
//! let Progress::Open(mut wal, _) = synced else { unreachable!("nothing is to come") };
//!
//! let in_term = |term| Record {
//!     hard_state: HardState::recovered(Term(term), None),
//!     commit: LogIndex(0),
//!     entries: None,
//! };
//! for term in 1..=3 {
//!     wal.append(&in_term(term), &mut submit)?;
//! }
//! // The first write is done, and a sync begins that covers it alone; the others wait for the next.
//! assert_eq!(wal.complete(RequestId(3), Ok(Response::Written), &mut submit)?, None);
//! assert_eq!(wal.complete(RequestId(4), Ok(Response::Written), &mut submit)?, None);
//! assert_eq!(wal.complete(RequestId(5), Ok(Response::Written), &mut submit)?, None);
//! assert_eq!(wal.complete(RequestId(6), Ok(Response::Synced), &mut submit)?, Some(1));
//! assert_eq!(wal.complete(RequestId(7), Ok(Response::Synced), &mut submit)?, Some(3));
//! assert!(matches!(requests.last(), Some(Request::Sync { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Format
//!
//! Version 1. The file is named `log`. It is a sequence of *frames*, one for each record, from offset 0 on
//! without a gap. A frame is a header and a body, padded with zeros to a multiple of 512 bytes ([`SECTOR`]),
//! so frames begin at multiples of 512 and no two share a sector. The padding of the last one may be missing.
//! All integers of the header are little endian.
//!
//! | bytes of the frame | name | what |
//! |---|---|---|
//! | 0..4 | magic | the ASCII characters `WTL1` |
//! | 4..8 | checksum | CRC-32 (the one of IEEE 802.3, zlib and PNG) of the bytes 8..32 + length |
//! | 8..12 | length | of the body in bytes, an unsigned 32-bit integer |
//! | 12..16 | chain | the checksum field of the frame before this one; 0 in the first |
//! | 16..24 | number | 1 in the first frame and one more in each, unsigned 64-bit |
//! | 24..32 | durable before | the offset below which all of the file was known to be durable when this frame was written, unsigned 64-bit |
//! | 32..32 + length | body | the record |
//!
//! The body is the record in [postcard](https://postcard.jamesmunns.com/wire-format). In it, *varint* is an
//! unsigned 64-bit integer in LEB128: seven bits a byte, the lowest first, the high bit set in all bytes but
//! the last. An *option* is a byte 0, or a byte 1 and the value. In order, with nothing between them and
//! nothing behind:
//!
//! | field | encoding |
//! |---|---|
//! | term | varint |
//! | vote | option of varint: a node id, not 0 |
//! | commit index | varint |
//! | entries | option of a slice |
//!
//! A slice is the term (varint) and the index (varint) of the entry that it follows, then the number of its
//! entries (varint), then these. An entry is its term (varint) and its payload: a byte 0 for none, or a byte
//! 1, a length (varint) and as many bytes. Terms of entries are at least 1 and never decrease, beginning with
//! the term of the entry that they follow; no term or index of an entry exceeds 2⁶³ − 1.
//!
//! So the ninth frame, written when the first 1024 bytes were durable, which votes for node 2 in term 300,
//! commits index 4 and puts a no-op of term 7 and the command `x=1` of term 300 behind the entry at index 4
//! (of term 7), after a frame with the checksum `0xaabbccdd`, is this and 462 zeros:
//!
//! ```text
//! 57 54 4c 31 d0 ba aa 9c 12 00 00 00 dd cc bb aa
//! 09 00 00 00 00 00 00 00 00 04 00 00 00 00 00 00
//! ac 02 01 02 04 01 07 04 02 07 00 ac 02 01 03 78
//! 3d 31
//! ```
//!
//! # Reading
//!
//! The state begins with term 0, no vote, commit index 0 and an empty log, in which nothing but the *origin*,
//! term 0 at index 0, stands before index 1. Each frame in turn replaces term, vote and commit index. Its
//! entries, if the option is there, must *attach*: the entry that they follow is the origin, or is in the log
//! with that term at that index. Everything behind that entry is removed from the log, and the slice's
//! entries are put there. (A slice without entries only removes.)
//!
//! A frame is *valid* when magic and checksum are right and header and body lie within the file, padding
//! aside. Let X be the first offset, going from frame to frame, at which there is no valid frame that also
//! has the right chain and the right number. There the log ends, for one of two reasons:
//!
//! - *The rest was never durable*: nothing is there, or the tail was torn when the power failed. Then it is
//!   cut, and the next frame goes to X.
//! - *Something durable was lost*, to a failing disk or a mistaken hand. Then the file must be refused, since
//!   votes and acknowledgements rested on it.
//!
//! What decides is any valid frame at a multiple of 512 behind X, whatever its chain and number: if its
//! *durable before* is larger than X, then what is missing at X had been durable, and the file is refused.
//!
//! It is also refused when a body that is reached is no record, when entries do not attach, or when in the
//! end the commit index lies behind the last entry ([`Damage`] lists them all). That does not happen to files
//! which an [`Encoder`] made.
//!
//! # Why this is enough
//!
//! *A write is atomic.* A disk may tear a write at the boundaries of its sectors, or leave garbage where it
//! was writing. A frame that was hit has the wrong checksum. Sectors are never shared, so the frames before
//! are safe.
//!
//! *Writes survive in order.* Frames may be written while the ones before them are not yet durable, and a
//! power failure may keep a later one and lose an earlier. Reading stops at the lost one. Nothing was
//! promised about those behind it: records become durable in order.
//!
//! *A torn tail is never refused.* All that lies behind X was written by servers that had not synced what is
//! at X. Take such a frame. Its server knew everything below *durable before* to be durable; since then none
//! of that was written again, as frames only go to the end. So it is still readable, and X is not below it.
//! It makes no difference how often the server has crashed since: a restart syncs what it has read before it
//! goes on, so X only ever grows.
//!
//! *A torn tail never comes back.* When a restart cuts the tail, it overwrites it with zeros, and syncs,
//! before the first frame goes to X. If that is interrupted, the next restart finds less of the same tail.
//! Were the tail left alone, chain and number would keep a frame of it from following a new one, unless the
//! new one equals the one that was lost there: a leader does send the same entries again.
//!
//! *Damage is found* wherever a frame written after the sync is still there to tell: one flipped bit in a
//! header or a body makes the frame invalid, and the file is refused. (A bit of the padding means nothing to
//! anybody.) In what was synced last, with nothing written since, damage cannot be told from a torn tail by
//! any log that keeps its evidence in one file, and is cut. Who fears that more than slower writes keeps a
//! second copy elsewhere.
//!
//! *What is read is durable.* It might come from a cache that a server filled before it died without a sync.
//! So opening ends with a sync, and hands nothing out before.
//!
//! # Left out
//!
//! - Trimming the log. The file grows for ever, and is read as a whole.
//! - Trying again. When a disk fails the log has failed, and its server should stop. After a failed sync some
//!   systems drop what they could not write and still show it to readers; then only a restart of the machine
//!   shows what is there.
//! - Locking: two servers on one file destroy it.
//! - Protection against an enemy. Checksums can be computed by anybody. In particular, a client who guesses
//!   offsets could hide the image of a frame in a command; if that command is in a torn tail, the image may
//!   get the file refused, though nothing was lost. It is never read as a record: frames are read one behind
//!   the other, and tails are cleared.

pub mod disk;
mod file_disk;
mod snapshot_file;
mod frame;
mod log_state;
mod recovery;
mod encoder;
mod snapshot_files;
mod wal;
mod opening;
mod blocking;

pub use blocking::BlockingWal;
pub use encoder::{CompactError, EncodeError, EncodedFrame, Encoder};
pub use file_disk::FileDisk;
pub use frame::{Record, SECTOR};
pub use log_state::{Misfit, Uncovered};
pub use opening::{Opening, Progress};
pub use recovery::{Contents, Damage, LogFile, recover};
pub use snapshot_file::{NamedSnapshot, SnapshotPlace, snapshot_file};
pub use wal::{AppendError, Completed, Wal, WalError};
