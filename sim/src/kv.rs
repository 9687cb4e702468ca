//! The built-in state machine: a key-value store, and the language that its clients speak.
//!
//! Clients have sessions (§6.3): of every client the machine remembers the last request and what it replied, so
//! that a retry, which is the same request in the log once more, takes no effect again. A client has one request
//! open at a time and numbers them upwards, so one is enough to remember; anything older is answered
//! [`Reply::Stale`], and takes no effect either.
//!
//! Invariant: `digest` is the sum of the digests of all keys and sessions. It is kept up to date change by change,
//! because it is asked for after every event.

mod specification;

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wavetank_process::{ClientId, RequestId, RestoreError, StateMachine};
use xxhash_rust::xxh3::xxh3_128;

pub use specification::KvSpecification;

/// What a client asks of the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Read a key.
    Get {
        /// Which.
        key: String,
    },
    /// Write a key, whatever it held.
    Put {
        /// Which.
        key: String,
        /// What it holds afterwards.
        value: String,
    },
    /// Compare and set: write a key if it holds what is expected.
    Cas {
        /// Which.
        key: String,
        /// What it must hold; `None`: the key must be missing.
        expected: Option<String>,
        /// What it holds afterwards.
        value: String,
    },
    /// Add to the end of what a key holds. A missing key counts as empty.
    Append {
        /// Which.
        key: String,
        /// What to add.
        value: String,
    },
}

impl Command {
    /// The key that it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Get { key } | Self::Put { key, .. } | Self::Cas { key, .. } | Self::Append { key, .. } => {
                key
            }
        }
    }

    /// Whether it changes nothing, whatever the state.
    pub fn is_read(&self) -> bool {
        match self {
            Self::Get { .. } => true,
            Self::Put { .. } | Self::Cas { .. } | Self::Append { .. } => false,
        }
    }

    /// The command as it travels and as the log holds it.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// Reads a command back.
    ///
    /// # Errors
    /// When the bytes are not exactly one command.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get { key } => write!(f, "get {key}"),
            Self::Put { key, value } => write!(f, "put {key}={value}"),
            Self::Cas { key, expected, value } => {
                write!(f, "cas {key} {}→{value}", Shown(expected.as_deref()))
            }
            Self::Append { key, value } => write!(f, "append {key}+={value}"),
        }
    }
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// To a get: what the key holds; `None` if it is missing.
    Value(Option<String>),
    /// To a put: done.
    Written,
    /// To a compare and set.
    CasResult {
        /// Whether it found what it expected, and so wrote.
        ok: bool,
        /// What it found.
        actual: Option<String>,
    },
    /// To a compare and set that did not find what it expected, where the record does not tell what it found
    /// instead. The store itself always tells; histories of other systems may not.
    CasFailed,
    /// To an append: done.
    Appended,
    /// The client has had a later request applied. This one took no effect now; whether it did when it was new is
    /// forgotten.
    Stale,
    /// The request is none that could be served. It took no effect.
    Malformed,
}

impl Reply {
    /// The reply as it travels.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// Reads a reply back.
    ///
    /// # Errors
    /// When the bytes are not exactly one reply.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{}", Shown(value.as_deref())),
            Self::Written => f.write_str("written"),
            Self::CasResult { ok: true, actual: _ } => f.write_str("swapped"),
            Self::CasResult { ok: false, actual } => {
                write!(f, "not swapped, was {}", Shown(actual.as_deref()))
            }
            Self::CasFailed => f.write_str("not swapped"),
            Self::Appended => f.write_str("appended"),
            Self::Stale => f.write_str("stale"),
            Self::Malformed => f.write_str("malformed"),
        }
    }
}

/// A value, or the sign that there is none.
struct Shown<'a>(Option<&'a str>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.unwrap_or("∅"))
    }
}

/// Why bytes are no command, or no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They do not follow the encoding.
    #[error("not in the store's language: {0}")]
    Encoding(postcard::Error),
    /// They go on where they should have ended.
    #[error("{0} bytes too many")]
    TrailingBytes(u64),
}

fn encode(message: &impl Serialize) -> Bytes {
    let encoded = postcard::to_allocvec(message);
    Bytes::from(encoded.expect("strings, options and flags have no value that cannot be encoded"))
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(DecodeError::TrailingBytes(rest.len() as u64)),
        Err(error) => Err(DecodeError::Encoding(error)),
    }
}

/// The store. See the [module's page](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kv {
    values: BTreeMap<String, Held>,
    sessions: BTreeMap<ClientId, Session>,
    digest: u128,
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    value: String,
    /// The share of key and value in the store's digest.
    digest: u128,
}

/// The last request of a client that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    sequence: u64,
    reply: Bytes,
    /// The share of client and session in the store's digest.
    digest: u128,
}

impl Kv {
    /// What a key holds, or `None` if it is missing.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|held| held.value.as_str())
    }

    fn execute(&mut self, command: Command) -> Reply {
        match command {
            Command::Get { key } => self.read(&key),
            Command::Put { key, value } => {
                self.write(key, value);
                Reply::Written
            }
            Command::Cas { key, expected, value } => {
                let actual = self.value(&key).map(str::to_owned);
                let ok = actual == expected;
                if ok {
                    self.write(key, value);
                }
                Reply::CasResult { ok, actual }
            }
            Command::Append { key, value } => {
                let whole = [self.value(&key).unwrap_or_default(), &value].concat();
                self.write(key, whole);
                Reply::Appended
            }
        }
    }

    fn read(&self, key: &str) -> Reply {
        Reply::Value(self.value(key).map(str::to_owned))
    }

    fn write(&mut self, key: String, value: String) {
        let digest = value_digest(&key, &value);
        let before = self.values.insert(key, Held { value, digest });
        self.update_digest(before.map(|held| held.digest), digest);
    }

    fn remember(&mut self, id: RequestId, reply: Bytes) {
        let digest = session_digest(id, &reply);
        let before = self.sessions.insert(id.client, Session { sequence: id.sequence, reply, digest });
        self.update_digest(before.map(|session| session.digest), digest);
    }

    /// Takes one share out of the digest and puts another in. Addition forgets the order in which shares came,
    /// so states are told apart by what they hold and not by how they were reached.
    fn update_digest(&mut self, before: Option<u128>, after: u128) {
        self.digest = self.digest.wrapping_sub(before.unwrap_or(0)).wrapping_add(after);
    }
}

impl StateMachine for Kv {
    fn is_query(request: &[u8]) -> bool {
        Command::decode(request).is_ok_and(|command| command.is_read())
    }

    fn apply(&mut self, id: RequestId, command: &[u8]) -> Bytes {
        // Whatever a peer or a client put into the log, every replica meets it: it must not stop them.
        let Ok(command) = Command::decode(command) else { return Reply::Malformed.encode() };
        match self.sessions.get(&id.client) {
            Some(session) if id.sequence < session.sequence => Reply::Stale.encode(),
            Some(session) if id.sequence == session.sequence => session.reply.clone(),
            Some(_) | None => {
                let reply = self.execute(command).encode();
                self.remember(id, reply.clone());
                reply
            }
        }
    }

    /// Anything but a get is answered [`Reply::Malformed`].
    fn query(&self, request: &[u8]) -> Bytes {
        match Command::decode(request) {
            Ok(Command::Get { key }) => self.read(&key).encode(),
            Ok(Command::Put { .. } | Command::Cas { .. } | Command::Append { .. }) | Err(_) => {
                Reply::Malformed.encode()
            }
        }
    }

    fn render(command: &[u8]) -> String {
        Command::decode(command)
            .map_or_else(|_| format!("({} bytes)", command.len()), |command| command.to_string())
    }

    fn digest(&self) -> u128 {
        self.digest
    }

    fn snapshot(&self) -> Bytes {
        let values = self.values.iter().map(|(key, held)| (key.clone(), held.value.clone())).collect();
        let session = |(client, session): (&ClientId, &Session)| SavedSession {
            client: client.0,
            sequence: session.sequence,
            reply: session.reply.to_vec(),
        };
        encode(&SavedState { values, sessions: self.sessions.iter().map(session).collect() })
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError> {
        let state = decode(snapshot).map_err(|error| RestoreError(error.to_string()))?;
        let SavedState { values, sessions } = state;
        let mut restored = Self::default();
        for (key, value) in values {
            restored.write(key, value);
        }
        for SavedSession { client, sequence, reply } in sessions {
            restored.remember(RequestId { client: ClientId(client), sequence }, reply.into());
        }
        *self = restored;
        Ok(())
    }
}

/// The store's state as a snapshot holds it. The shares in the digest are made anew.
#[derive(Serialize, Deserialize)]
struct SavedState {
    /// Keys and values, by ascending key.
    values: Vec<(String, String)>,
    /// By ascending client.
    sessions: Vec<SavedSession>,
}

#[derive(Serialize, Deserialize)]
struct SavedSession {
    client: u64,
    sequence: u64,
    reply: Vec<u8>,
}

/// What begins the digest of a key, so that no key is ever taken for a session.
const VALUE_TAG: u8 = 0;
/// What begins the digest of a session.
const SESSION_TAG: u8 = 1;

fn value_digest(key: &str, value: &str) -> u128 {
    // The length keeps `ab` = `c` and `a` = `bc` apart.
    let parts = [&[VALUE_TAG][..], &(key.len() as u64).to_le_bytes(), key.as_bytes(), value.as_bytes()];
    xxh3_128(&parts.concat())
}

fn session_digest(id: RequestId, reply: &[u8]) -> u128 {
    let RequestId { client: ClientId(client), sequence } = id;
    xxh3_128(&[&[SESSION_TAG][..], &client.to_le_bytes(), &sequence.to_le_bytes(), reply].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(key: &str) -> Command {
        Command::Get { key: key.into() }
    }

    fn put(key: &str, value: &str) -> Command {
        Command::Put { key: key.into(), value: value.into() }
    }

    fn cas(key: &str, expected: Option<&str>, value: &str) -> Command {
        Command::Cas { key: key.into(), expected: expected.map(str::to_owned), value: value.into() }
    }

    fn append(key: &str, value: &str) -> Command {
        Command::Append { key: key.into(), value: value.into() }
    }

    fn found(value: &str) -> Reply {
        Reply::Value(Some(value.into()))
    }

    fn apply(kv: &mut Kv, client: u64, sequence: u64, command: &Command) -> Reply {
        let id = RequestId { client: ClientId(client), sequence };
        Reply::decode(&kv.apply(id, &command.encode())).unwrap()
    }

    fn query(kv: &Kv, request: &Command) -> Reply {
        Reply::decode(&kv.query(&request.encode())).unwrap()
    }

    #[test]
    fn commands_do_what_they_say() {
        let mut kv = Kv::default();
        let script = [
            (get("x"), Reply::Value(None)),
            (put("x", "1"), Reply::Written),
            (get("x"), found("1")),
            (cas("x", Some("2"), "3"), Reply::CasResult { ok: false, actual: Some("1".into()) }),
            (get("x"), found("1")),
            (cas("x", Some("1"), "3"), Reply::CasResult { ok: true, actual: Some("1".into()) }),
            (get("x"), found("3")),
            (cas("x", None, "4"), Reply::CasResult { ok: false, actual: Some("3".into()) }),
            (cas("y", None, "4"), Reply::CasResult { ok: true, actual: None }),
            (append("y", "5"), Reply::Appended),
            (get("y"), found("45")),
            (append("z", "6"), Reply::Appended),
            (get("z"), found("6")),
        ];
        for (sequence, (command, reply)) in (1..).zip(script) {
            assert_eq!(apply(&mut kv, 1, sequence, &command), reply, "{command}");
            if command.is_read() {
                assert_eq!(query(&kv, &command), reply, "{command}");
            }
        }
    }

    #[test]
    fn a_retry_gets_the_first_reply_and_takes_no_effect() {
        let mut kv = Kv::default();
        let command = cas("x", None, "1");
        let reply = apply(&mut kv, 1, 1, &command);
        assert_eq!(apply(&mut kv, 2, 1, &put("x", "2")), Reply::Written);
        let before = kv.clone();
        assert_eq!(apply(&mut kv, 1, 1, &command), reply);
        assert_eq!(kv, before);
    }

    #[test]
    fn a_request_older_than_the_last_is_stale_and_takes_no_effect() {
        let mut kv = Kv::default();
        assert_eq!(apply(&mut kv, 1, 3, &put("x", "new")), Reply::Written);
        let before = kv.clone();
        assert_eq!(apply(&mut kv, 1, 2, &put("x", "old")), Reply::Stale);
        assert_eq!(kv, before);
    }

    #[test]
    fn malformed_bytes_in_the_log_take_no_effect() {
        let mut kv = Kv::default();
        apply(&mut kv, 1, 1, &put("x", "1"));
        let before = kv.clone();
        let id = RequestId { client: ClientId(1), sequence: 2 };
        for bytes in [&[][..], &[9], &[1, 200], &[0xff; 40], &[1, 1, b'x', 1, 0xff]] {
            assert_eq!(kv.apply(id, bytes), Reply::Malformed.encode(), "{bytes:?}");
            assert_eq!(kv.query(bytes), Reply::Malformed.encode(), "{bytes:?}");
            assert!(!Kv::is_query(bytes), "{bytes:?}");
        }
        assert_eq!(kv, before);
        assert_eq!(apply(&mut kv, 1, 2, &get("x")), found("1"), "the number was not used up");
    }

    #[test]
    fn decoding_any_bytes_never_panics_and_encoding_is_undone_by_it() {
        for command in [get("x"), put("", ""), cas("x", None, "1"), cas("x", Some(""), "é"), append("k", "v")]
        {
            let bytes = command.encode();
            assert_eq!(Command::decode(&bytes), Ok(command.clone()));
            for cut in 0..bytes.len() {
                assert!(Command::decode(&bytes[..cut]).is_err(), "{command} cut to {cut}");
            }
            let longer = [&bytes[..], &[0]].concat();
            assert_eq!(Command::decode(&longer), Err(DecodeError::TrailingBytes(1)));
            for (position, value) in
                (0..bytes.len()).flat_map(|position| (0..=255).map(move |v| (position, v)))
            {
                let mut changed = bytes.to_vec();
                changed[position] = value;
                drop(Command::decode(&changed));
                drop(Reply::decode(&changed));
            }
        }
        for reply in [
            Reply::Value(None),
            found("1"),
            Reply::Written,
            Reply::CasResult { ok: true, actual: None },
            Reply::CasFailed,
            Reply::Appended,
            Reply::Stale,
            Reply::Malformed,
        ] {
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
    }

    #[test]
    fn only_a_get_is_a_query() {
        assert!(Kv::is_query(&get("x").encode()));
        let mut kv = Kv::default();
        for command in [put("x", "1"), cas("x", None, "1"), append("x", "1")] {
            assert!(!Kv::is_query(&command.encode()), "{command}");
            assert_eq!(query(&kv, &command), Reply::Malformed, "{command}");
        }
        assert_eq!(kv, Kv::default());
        apply(&mut kv, 1, 1, &put("x", "1"));
        assert_eq!(query(&kv, &get("x")), found("1"));
    }

    #[test]
    fn equal_states_have_equal_digests_however_they_were_reached() {
        let mut one = Kv::default();
        apply(&mut one, 1, 1, &put("x", "1"));
        apply(&mut one, 1, 2, &put("y", "23"));
        apply(&mut one, 2, 7, &put("x", "4"));
        let mut other = Kv::default();
        apply(&mut other, 2, 1, &append("y", "2"));
        apply(&mut other, 2, 2, &append("y", "3"));
        apply(&mut other, 2, 6, &put("x", "9"));
        apply(&mut other, 2, 7, &put("x", "4"));
        apply(&mut other, 1, 2, &put("y", "23"));
        assert_eq!(one, other);
        assert_eq!(one.digest(), other.digest());
    }

    #[test]
    fn any_difference_changes_the_digest() {
        let state = |client, sequence, command: &Command, extra: Option<&Command>| {
            let mut kv = Kv::default();
            if let Some(extra) = extra {
                apply(&mut kv, 9, 9, extra);
            }
            apply(&mut kv, client, sequence, command);
            kv
        };
        let states = [
            Kv::default(),
            state(1, 1, &put("x", "1"), None),
            // The value, the key, and where one ends and the other begins.
            state(1, 1, &put("x", "2"), None),
            state(1, 1, &put("y", "1"), None),
            state(1, 1, &put("x1", ""), None),
            state(1, 1, &put("", "x1"), None),
            // The client, the sequence, the reply.
            state(2, 1, &put("x", "1"), None),
            state(1, 2, &put("x", "1"), None),
            state(1, 1, &append("x", "1"), None),
            state(1, 1, &cas("x", None, "1"), None),
            // A session that holds a reply but wrote nothing.
            state(1, 1, &get("x"), None),
            state(1, 1, &put("x", "1"), Some(&get("x"))),
            state(1, 1, &put("x", "1"), Some(&put("y", "1"))),
        ];
        for (index, one) in states.iter().enumerate() {
            for other in &states[..index] {
                assert_ne!(one, other);
                assert_ne!(one.digest(), other.digest(), "{one:?}\n{other:?}");
            }
        }
    }

    #[test]
    fn a_store_is_restored_with_its_sessions_and_its_digest() {
        let mut kv = Kv::default();
        apply(&mut kv, 1, 3, &put("x", "1"));
        apply(&mut kv, 2, 1, &append("y", "2"));
        let mut restored = Kv::default();
        apply(&mut restored, 9, 9, &put("z", "gone"));
        restored.restore(&kv.snapshot()).unwrap();
        assert_eq!((&restored, restored.digest()), (&kv, kv.digest()));
        assert_eq!(apply(&mut restored, 2, 1, &append("y", "2")), Reply::Appended, "the first reply again");
        assert_eq!(restored, kv, "a retry takes no effect");
        restored.restore(&Kv::default().snapshot()).unwrap();
        assert_eq!(restored, Kv::default());
    }

    #[test]
    fn what_is_no_snapshot_changes_nothing() {
        let mut kv = Kv::default();
        apply(&mut kv, 1, 1, &put("x", "1"));
        let (before, snapshot) = (kv.clone(), kv.snapshot());
        for len in 0..snapshot.len() {
            assert!(kv.restore(&snapshot[..len]).is_err(), "cut to {len} bytes");
        }
        assert!(kv.restore(&[&snapshot[..], &[0]].concat()).is_err());
        assert_eq!(kv, before);
    }

    #[test]
    fn the_digest_is_the_same_on_every_machine() {
        let mut kv = Kv::default();
        apply(&mut kv, 1, 1, &put("x", "1"));
        apply(&mut kv, 2, 1, &append("y", "2"));
        assert_eq!(kv.digest(), 0x9d3a_57f7_3f40_fcf6_d228_09c9_1aa8_8e94);
    }

    #[test]
    fn commands_and_replies_read_well_in_a_trace() {
        let shown =
            [get("x"), put("x", "1"), cas("x", Some("1"), "2"), cas("x", None, "2"), append("x", "a")]
                .map(|command| command.to_string());
        assert_eq!(shown, ["get x", "put x=1", "cas x 1→2", "cas x ∅→2", "append x+=a"]);
        let shown = [
            Reply::Value(Some("1".into())),
            Reply::Value(None),
            Reply::CasResult { ok: true, actual: Some("1".into()) },
            Reply::CasResult { ok: false, actual: None },
        ]
        .map(|reply| reply.to_string());
        assert_eq!(shown, ["1", "∅", "swapped", "not swapped, was ∅"]);
    }
}
