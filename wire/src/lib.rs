//! The wire codec of [`raft_core`]: an [`Envelope`] to bytes and back.
//!
//! The core speaks in values and leaves the bytes to its driver. This crate is one way to make them: small,
//! checksummed, and the same on every machine. It knows nothing of connections. One encoded message is one
//! frame of whatever carries it (a datagram, a length-prefixed record), which has to keep its boundaries.
//!
//! # Layout, version 2
//!
//! | bytes | what |
//! |---|---|
//! | 0 | the version of this layout: 2 |
//! | 1..5 | CRC-32 (IEEE) of all bytes from 5 on, little endian |
//! | 5.. | the [`Envelope`] in [postcard](https://postcard.jamesmunns.com/wire-format): its fields in order of declaration |
//!
//! The version comes first, and outside the checksum, because a later version may checksum differently. The
//! order of the fields and of the variants of `raft_core::message` is part of the layout: whoever changes it
//! changes the version.
//!
//! # What a receiver may rely on
//!
//! - A message with one flipped bit, wherever it is, is refused; other damage slips through once in 2³². It
//!   is a checksum, no authentication: an attacker can compute it too.
//! - [`decode`] takes any bytes whatever: it never panics, and it allocates no more than a small multiple of
//!   the length it is given, however many entries these bytes claim to hold.
//! - Log slices are contiguous by construction, and decoding constructs them: entries whose terms decrease
//!   are malformed. Everything else a peer may claim is for the core to judge.
//! - The same envelope always has the same encoding.
//!
//! # Example
//!
//! ```
//! use raft_core::{EntryId, Envelope, Message, NodeId, Term};
//!
//! let envelope = Envelope {
//!     from: NodeId::new(1).ok_or("zero")?,
//!     to: NodeId::new(2).ok_or("zero")?,
//!     term: Term(5),
//!     message: Message::RequestVote { last: EntryId::new(4, 17), transfer: false, committed: None },
//! };
//! let bytes = raft_wire::encode(&envelope);
//! assert_eq!(raft_wire::decode(&bytes)?, envelope);
//!
//! let mut damaged = bytes.to_vec();
//! damaged[7] ^= 0x10;
//! assert!(raft_wire::decode(&damaged).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Left out
//!
//! Compression, encryption, batching and the negotiation of versions: they belong to the transport, which
//! knows the connection. Decoding without copying payloads: a receiver usually hands on a buffer that it
//! wants back.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;

use bytes::Bytes;
use raft_core::{Entry, Envelope, Message};

/// The version of the layout that [`encode`] writes and [`decode`] reads.
pub const VERSION: u8 = 2;

/// The bytes before the body: the version and the checksum.
const HEADER_LEN: usize = 5;

/// Encodes a message.
pub fn encode(envelope: &Envelope) -> Bytes {
    let mut message = Vec::with_capacity(HEADER_LEN + expected_len(envelope));
    message.push(VERSION);
    message.resize(HEADER_LEN, 0);
    let mut message = postcard::to_extend(envelope, message).expect("an envelope in memory has an encoding");
    let checksum = crc32fast::hash(&message[HEADER_LEN..]);
    message[1..HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
    message.into()
}

/// About how long the body of a message is: memory set aside at once is cheaper than a buffer that grows.
fn expected_len(envelope: &Envelope) -> usize {
    const WITHOUT_ENTRIES: usize = 48;
    const ENTRY_WITHOUT_PAYLOAD: usize = 8;
    let Message::AppendEntries { entries, commit: _ } = &envelope.message else { return WITHOUT_ENTRIES };
    let entry = |(_, entry): (_, &Entry)| ENTRY_WITHOUT_PAYLOAD + entry.payload.size().0 as usize;
    WITHOUT_ENTRIES + entries.iter().map(entry).sum::<usize>()
}

/// Decodes a message. Payloads are copied out of `bytes`.
///
/// # Errors
/// When `bytes` is not, from the first to the last of them, what [`encode`] makes of some envelope.
pub fn decode(bytes: &[u8]) -> Result<Envelope, DecodeError> {
    let too_short = DecodeError::TooShort { len: bytes.len() };
    let (&version, bytes) = bytes.split_first().ok_or_else(|| too_short.clone())?;
    if version != VERSION {
        return Err(DecodeError::UnknownVersion { version });
    }
    let (&stated, body) = bytes.split_first_chunk().ok_or(too_short)?;
    let stated = u32::from_le_bytes(stated);
    let computed = crc32fast::hash(body);
    if stated != computed {
        return Err(DecodeError::ChecksumMismatch { stated, computed });
    }
    let (envelope, trailing) = postcard::take_from_bytes(body)?;
    if !trailing.is_empty() {
        return Err(DecodeError::TrailingBytes { len: trailing.len() });
    }
    Ok(envelope)
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is no room for a version and a checksum.
    #[error("{len} bytes are too few for a message")]
    TooShort {
        /// How many bytes there are.
        len: usize,
    },
    /// The sender uses another layout, or the first byte was damaged.
    #[error("the layout has version {version}, and only {VERSION} is known")]
    UnknownVersion {
        /// The version found.
        version: u8,
    },
    /// The body is not the one that was sent.
    #[error("the body has checksum {computed:#010x} and should have {stated:#010x}")]
    ChecksumMismatch {
        /// The checksum in the message.
        stated: u32,
        /// The checksum of its body.
        computed: u32,
    },
    /// The body is what was sent, and is no envelope.
    #[error("the body is malformed")]
    Malformed(#[from] postcard::Error),
    /// The body goes on behind the envelope.
    #[error("{len} bytes follow the message")]
    TrailingBytes {
        /// How many.
        len: usize,
    },
}
