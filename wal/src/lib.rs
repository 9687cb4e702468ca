//! A write-ahead log for [`raft_core`]: what a server promised, kept where a loss of power cannot take it.
//!
//! Raft asks little of a disk. Term, vote and log entries must be durable before anything is said that rests
//! on them (Figure 2), in the order in which they came about. So a file is enough that only ever grows at
//! its end, and one kind of [`Record`]: the whole hard state, the commit index, and what is new, a snapshot or entries
//! or both. A record is one write; it is there or it is not. When a snapshot of the state machine covers the beginning
//! of the log, the log moves to a second file, without that beginning, and later back to the first. The bytes of
//! snapshots are in files of their own.
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
//! use raft_wal::{Completed, Opening, Progress, Record};
//!
//! let mut requests = Vec::new();
//! let mut submit = |request: Request| {
//!     requests.push(request);
//!     RequestId(requests.len() as u64)
//! };
//! let opening = Opening::start(&mut submit);
//! let read = opening.complete(RequestId(1), Ok(Response::Read("".into())), &mut submit)?;
//! let Progress::Pending(opening) = read else { unreachable!("the second file is to come") };
//! let read = opening.complete(RequestId(2), Ok(Response::Read("".into())), &mut submit)?;
//! let Progress::Pending(opening) = read else { unreachable!("a sync is to come") };
//! let synced = opening.complete(RequestId(3), Ok(Response::Synced), &mut submit)?;
//! let Progress::Open { mut wal, .. } = synced else { unreachable!("nothing is to come") };
//!
//! let in_term = |term| Record {
//!     hard_state: HardState::recovered(Term(term), None),
//!     commit: LogIndex(0),
//!     snapshot: None,
//!     entries: None,
//! };
//! for term in 1..=3 {
//!     wal.append(&in_term(term), &mut submit)?;
//! }
//! // The first write is done, and a sync begins that covers it alone; the others wait for the next.
//! assert_eq!(wal.complete(RequestId(4), Ok(Response::Written), &mut submit)?, Completed::Nothing);
//! assert_eq!(wal.complete(RequestId(5), Ok(Response::Written), &mut submit)?, Completed::Nothing);
//! assert_eq!(wal.complete(RequestId(6), Ok(Response::Written), &mut submit)?, Completed::Nothing);
//! assert_eq!(wal.complete(RequestId(7), Ok(Response::Synced), &mut submit)?, Completed::Records(1));
//! assert_eq!(wal.complete(RequestId(8), Ok(Response::Synced), &mut submit)?, Completed::Records(3));
//! assert!(matches!(requests.last(), Some(Request::Sync { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Format
//!
//! Version 2. A log has two files, `log.0` and `log.1`, and begins in the first. At any time it is in one of them; what
//! stands in the other is old. A file is a sequence of *frames*, one for each record, from offset 0 on
//! without a gap. A frame is a header and a body, padded with zeros to a multiple of 512 bytes ([`SECTOR`]),
//! so frames begin at multiples of 512 and no two share a sector. The padding of the last one may be missing.
//! All integers of the header are little endian.
//!
//! | bytes of the frame | name | what |
//! |---|---|---|
//! | 0..4 | magic | the ASCII characters `WTL2` |
//! | 4..8 | checksum | CRC-32 (the one of IEEE 802.3, zlib and PNG) of the bytes 8..32 + length |
//! | 8..12 | length | of the body in bytes, an unsigned 32-bit integer |
//! | 12..16 | chain | the checksum field of the frame before this one; 0 in the first of a file |
//! | 16..24 | number | 1 in the first frame of all and one more in each, unsigned 64-bit; the first frame of a file may skip some |
//! | 24..32 | durable before | the offset below which all of this file was known to be durable when this frame was written, unsigned 64-bit |
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
//! | snapshot | option of a name |
//! | entries | option of a slice |
//!
//! A name of a snapshot is: term and index of the last entry that it covers (varints); the configuration that was
//! in force then, as lists of node ids, each a number of ids (varint) and these (varints): the voters, an option of the
//! outgoing voters, the learners, those who are to be learners, and an option of how a joint configuration is left (a
//! byte 0 for automatically, 1 for explicitly); the handle (varint); the number of its file (varint); and the checksum in
//! that file's header (varint).
//!
//! A slice is the term (varint) and the index (varint) of the entry that it follows, then the number of its
//! entries (varint), then these. An entry is its term (varint) and its payload: a byte 0 for none, or a byte
//! 1, a length (varint) and as many bytes. Terms of entries are at least 1 and never decrease, beginning with
//! the term of the entry that they follow; no term or index of an entry exceeds 2⁶³ − 1.
//!
//! So the ninth frame, written when the first 1024 bytes were durable, which votes for node 2 in term 300,
//! commits index 4, names the snapshot of everything up to the entry at index 4 (of term 7), with the voters 1, 2 and 3,
//! in the file `snapshot.1` with the checksum `0x01020304`, and puts a no-op of term 7 and the command `x=1` of term 300
//! behind it, after a frame with the checksum `0xaabbccdd`, is this and 445 zeros:
//!
//! ```text
//! 57 54 4c 32 c4 d7 21 55 23 00 00 00 dd cc bb aa
//! 09 00 00 00 00 00 00 00 00 04 00 00 00 00 00 00
//! ac 02 01 02 04 01 07 04 03 01 02 03 00 00 00 00
//! 04 01 84 86 88 08 01 07 04 02 07 00 ac 02 01 03
//! 78 3d 31
//! ```
//!
//! # Snapshots
//!
//! The file of slot 3 is named `snapshot.3`. It holds one snapshot; the integers are unsigned and little endian. What
//! stands behind its end means nothing.
//!
//! | bytes of the file | name | what |
//! |---|---|---|
//! | 0..4 | magic | the ASCII characters `WTS1` |
//! | 4..8 | checksum | CRC-32 of the bytes 8..32 + length |
//! | 8..16 | length | of the snapshot in bytes |
//! | 16..24 | term | of the last entry that it covers |
//! | 24..32 | index | of the last entry that it covers |
//! | 32..32 + length | bytes | the state machine's |
//!
//! A snapshot is written and synced before a record names it, and its file is left alone until a record that names a
//! later one is durable. So the one that the log names is always there, whole; if it is not, the disk has lost it, and
//! the log is refused.
//!
//! # Reading
//!
//! The log is in the file whose first frame, at offset 0 and with the chain 0, is valid and has the higher number.
//!
//! The state begins with term 0, no vote, commit index 0, no snapshot and an empty log, in which nothing but the *origin*,
//! term 0 at index 0, stands before index 1. Each frame in turn replaces term, vote and commit index. Its
//! entries, if the option is there, must *attach*: the entry that they follow is the one that the log begins behind, or is
//! in the log with that term at that index. Everything behind that entry is removed from the log, and the slice's
//! entries are put there. (A slice without entries only removes.) A frame with a snapshot replaces the snapshot too. If it
//! has no entries, the log must hold the snapshot's last entry, and stays. If it has, they must follow the snapshot's
//! last entry and take the place of the whole log, which begins behind that entry from now on.
//!
//! Only the first frame of a file is read differently if it has both: it says all that is left of the log. The log is the
//! slice, which may begin before the snapshot's last entry, but must hold it or begin behind it.
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
//! What decides is any valid frame at a multiple of 512 behind X, whatever its chain, if its number is at least that of
//! the file's first frame (those with a lower one are remnants of an earlier log): if its *durable before* is larger than
//! X, then what is missing at X had been durable, and the file is refused. In the other file X is 0: if a frame there has
//! a higher number and a *durable before*, the log had moved there, and its beginning is lost.
//!
//! It is also refused when a body that is reached is no record, when entries do not attach, when in the
//! end the commit index lies behind the last entry, or when the snapshot is not there ([`Damage`] lists them all). That
//! does not happen to files which an [`Encoder`] made.
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
//! *A move is safe at every moment.* The log's first frame in the other file carries all that is left, what was under
//! way in the first one included. Until it is whole on the disk its number does not count, and the file that is being left
//! is complete up to what was reported durable; from then on it counts, and the one that was left is never read again. It
//! is not written over before, either: the next move waits until this one is durable, and until no earlier write to that
//! file is under way any more. Nothing has to be deleted or renamed, so nothing depends on when a directory becomes
//! durable.
//!
//! *A move that a crash undid never comes back.* Frames may be left behind its torn beginning, and the same beginning may
//! be written again. So the first frame of a file gets a number above that of every frame that stands anywhere in either
//! file. The remnants have lower ones and cannot follow it. The torn beginning itself is overwritten with zeros, and that
//! is synced, when the log is opened: another move may carry the same entries into the same sectors, and if it is torn as
//! well, the two could make one that is whole. Where there are zeros already they are synced too, for they may stand in a
//! cache only.
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
//! - Giving space back. Files are written over and never get shorter: two logs and three snapshots at their largest.
//! - Snapshots that do not fit in memory. One is written by one request, and read as a whole.
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
pub use recovery::{Beginning, Contents, Damage, LogFile, recover};
pub use snapshot_file::{NamedSnapshot, SnapshotPlace, snapshot_file};
pub use wal::{AppendError, Completed, Wal, WalError};
