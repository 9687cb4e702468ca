//! What replicas say to each other: their implementations' messages, and the bytes of snapshots.
//!
//! A frame begins with a byte that tells its kind: 0, and a message of the implementation follows, untouched; 1, a
//! chunk of a snapshot; 2, the reply to one. The latter two are checksummed (CRC-32, little endian, of what follows)
//! and in postcard.

use bytes::{BufMut, Bytes, BytesMut};
use raft_core::EntryId;
use serde::{Deserialize, Serialize};

/// What one replica sends another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A message of the implementation.
    Message(&'a [u8]),
    /// Some bytes of a snapshot.
    Chunk(Chunk<'a>),
    /// How far the receiver is.
    Reply(ChunkReply),
}

/// Some bytes of a snapshot, with all that is to be known of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chunk<'a> {
    /// The last entry that the snapshot covers.
    pub(crate) last: EntryId,
    /// The length of the whole snapshot, in bytes.
    pub(crate) snapshot_len: u64,
    /// The CRC-32 of the whole snapshot.
    pub(crate) snapshot_checksum: u32,
    /// The message that the receiver's implementation gets when the snapshot is there.
    #[serde(borrow)]
    pub(crate) message: &'a [u8],
    /// Where the bytes belong.
    pub(crate) offset: u64,
    /// None of them asks how far the receiver is.
    #[serde(borrow)]
    pub(crate) bytes: &'a [u8],
}

/// The answer to a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkReply {
    /// The last entry that the snapshot covers.
    pub(crate) last: EntryId,
    /// How far the receiver is.
    pub(crate) received: Received,
}

/// How far a receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Received {
    /// It has all bytes before this offset. With the whole snapshot it is about to make it durable.
    Before(u64),
    /// Its implementation has got the message.
    HandedOver,
}

const MESSAGE: u8 = 0;
const CHUNK: u8 = 1;
const REPLY: u8 = 2;

impl Frame<'_> {
    /// The frame's bytes.
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Frame::Message(message) => {
                let mut bytes = BytesMut::with_capacity(1 + message.len());
                bytes.put_u8(MESSAGE);
                bytes.put_slice(message);
                bytes.freeze()
            }
            Frame::Chunk(chunk) => checked(CHUNK, chunk),
            Frame::Reply(reply) => checked(REPLY, reply),
        }
    }
}

impl<'a> Frame<'a> {
    /// Reads a frame back.
    ///
    /// # Errors
    /// When the bytes are none, in words.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, String> {
        match bytes.split_first() {
            Some((&MESSAGE, message)) => Ok(Frame::Message(message)),
            Some((&CHUNK, rest)) => verified(rest).map(Frame::Chunk),
            Some((&REPLY, rest)) => verified(rest).map(Frame::Reply),
            Some((kind, _)) => Err(format!("no frame is of kind {kind}")),
            None => Err("an empty frame".to_owned()),
        }
    }
}

fn checked(kind: u8, content: &impl Serialize) -> Bytes {
    let mut frame =
        postcard::to_extend(content, vec![kind, 0, 0, 0, 0]).expect("numbers and bytes have an encoding");
    let checksum = crc32fast::hash(&frame[5..]);
    frame[1..5].copy_from_slice(&checksum.to_le_bytes());
    frame.into()
}

fn verified<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    let Some((checksum, content)) = bytes.split_first_chunk() else {
        return Err("a frame cut short".to_owned());
    };
    if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
        return Err("a frame with a wrong checksum".to_owned());
    }
    match postcard::take_from_bytes(content) {
        Ok((content, [])) => Ok(content),
        Ok(_) => Err("a frame that goes on behind its end".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written_and_anything_else_is_refused() {
        let last = EntryId::new(300, 7);
        let (message, bytes) = (&b"install"[..], &b"state"[..]);
        let chunk = Chunk { last, snapshot_len: 9, snapshot_checksum: 77, message, offset: 4, bytes };
        for frame in [
            Frame::Message(b""),
            Frame::Message(b"vote"),
            Frame::Chunk(chunk),
            Frame::Reply(ChunkReply { last, received: Received::Before(9) }),
            Frame::Reply(ChunkReply { last, received: Received::HandedOver }),
        ] {
            let encoded = frame.encode();
            assert_eq!(Frame::decode(&encoded).as_ref(), Ok(&frame));
            if matches!(frame, Frame::Message(_)) {
                continue;
            }
            for len in 0..encoded.len() {
                assert!(Frame::decode(&encoded[..len]).is_err(), "{frame:?} cut to {len} bytes");
            }
            for bit in 8..8 * encoded.len() {
                let mut damaged = encoded.to_vec();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(Frame::decode(&damaged).is_err(), "{frame:?} with bit {bit} flipped");
            }
        }
        assert!(Frame::decode(&[3, 0]).is_err());
    }
}
