//! A disk that loses power, and a log to compare with.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use raft_core::{
    Configuration, Entry, EntryId, HardState, LogIndex, LogSlice, NodeId, Payload, SnapshotHandle,
    SnapshotMeta, Term,
};
use raft_wal::{
    Contents, Damage, Encoder, Record, SECTOR,
    disk::{DiskResult, FileName, Request, RequestId, Response},
    recover,
};

/// What becomes of an unsynced sector when the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Lost,
    Zeroed,
    /// The first half is written, and the other half is noise.
    HalfGarbage,
}

impl Fate {
    pub(crate) const ALL: [Self; 4] = [Self::Kept, Self::Lost, Self::Zeroed, Self::HalfGarbage];
}

/// Writes `bytes` at `offset`, sector by sector as their fates will have it.
pub(crate) fn tear(image: &mut Vec<u8>, offset: u64, bytes: &[u8], mut fate: impl FnMut() -> Fate) {
    for (number, sector) in (0..).zip(bytes.chunks(SECTOR as usize)) {
        let start = (offset + number * SECTOR) as usize;
        let mut sector = sector.to_vec();
        match fate() {
            Fate::Lost => continue,
            Fate::Kept => (),
            Fate::Zeroed => sector.fill(0),
            Fate::HalfGarbage => {
                let half = sector.len() / 2;
                sector[half..].fill(0xa5);
            }
        }
        if image.len() < start + sector.len() {
            image.resize(start + sector.len(), 0);
        }
        image[start..start + sector.len()].copy_from_slice(&sector);
    }
}

#[derive(Clone, Debug)]
struct Write {
    id: RequestId,
    file: FileName,
    offset: u64,
    bytes: Bytes,
    completed: bool,
}

/// What each file holds.
pub(crate) type Images = BTreeMap<FileName, Vec<u8>>;

/// A disk that answers when told to, in any order, and takes every liberty that it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestDisk {
    /// What a loss of power leaves at least.
    pub(crate) durable: Images,
    /// The writes that no sync has covered, completed or not.
    unsynced: Vec<Write>,
    /// The open requests. A sync comes with the writes that it covers: those to its file completed when it was
    /// submitted.
    open: VecDeque<(RequestId, Request, Vec<RequestId>)>,
    last_id: u64,
}

impl TestDisk {
    pub(crate) fn submit(&mut self, request: Request) -> RequestId {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        if let Request::Write { file, offset, bytes } = &request {
            let (file, bytes) = (file.clone(), bytes.clone());
            self.unsynced.push(Write { id, file, offset: *offset, bytes, completed: false });
        }
        let covered = match &request {
            Request::Sync { file } => {
                let completed = self.unsynced.iter().filter(|write| write.completed && write.file == *file);
                completed.map(|write| write.id).collect()
            }
            Request::Read { .. } | Request::Write { .. } => Vec::new(),
        };
        self.open.push_back((id, request, covered));
        id
    }

    /// Carries out one of the open requests.
    pub(crate) fn answer(&mut self, choice: usize) -> Option<(RequestId, DiskResult)> {
        let (id, request, covered) = self.open.remove(choice % self.open.len().max(1))?;
        let response = match request {
            Request::Read { file } => Response::Read(self.cached(&file).into()),
            Request::Write { .. } => {
                self.unsynced
                    .iter_mut()
                    .filter(|write| write.id == id)
                    .for_each(|write| write.completed = true);
                Response::Written
            }
            Request::Sync { .. } => {
                let Self { durable, unsynced, .. } = self;
                unsynced.retain(|write| {
                    let is_covered = covered.contains(&write.id);
                    if is_covered {
                        write.reach(durable, || Fate::Kept);
                    }
                    !is_covered
                });
                Response::Synced
            }
        };
        Some((id, Ok(response)))
    }

    /// What a read sees.
    fn cached(&self, file: &FileName) -> Vec<u8> {
        let mut images = self.durable.clone();
        for write in self.unsynced.iter().filter(|write| write.completed) {
            write.reach(&mut images, || Fate::Kept);
        }
        images.remove(file).unwrap_or_default()
    }

    /// The power fails.
    pub(crate) fn fail_power(&mut self, mut fate: impl FnMut() -> Fate) {
        for write in self.unsynced.drain(..) {
            write.reach(&mut self.durable, &mut fate);
        }
        self.open.clear();
    }

    /// The process dies, and the cache stays. Each of its open writes is carried out yet, or never.
    pub(crate) fn kill(&mut self, mut fate: impl FnMut() -> Fate) {
        self.unsynced.retain_mut(|write| {
            write.completed = write.completed || fate() == Fate::Kept;
            write.completed
        });
        self.open.clear();
    }
}

impl Write {
    fn reach(&self, images: &mut Images, fate: impl FnMut() -> Fate) {
        tear(images.entry(self.file.clone()).or_default(), self.offset, &self.bytes, fate);
    }
}

/// What the log should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) hard_state: HardState,
    pub(crate) commit: LogIndex,
    pub(crate) snapshot: Option<EntryId>,
    pub(crate) base: EntryId,
    pub(crate) entries: Vec<Entry>,
}

impl Default for State {
    fn default() -> Self {
        let (hard_state, commit) = (HardState::default(), LogIndex(0));
        Self { hard_state, commit, snapshot: None, base: EntryId::ORIGIN, entries: Vec::new() }
    }
}

impl From<&Contents> for State {
    fn from(contents: &Contents) -> Self {
        Self {
            hard_state: contents.hard_state(),
            commit: contents.commit(),
            snapshot: contents.snapshot().map(|snapshot| snapshot.meta.last),
            base: contents.log().prev(),
            entries: contents.log().entries().to_vec(),
        }
    }
}

impl State {
    pub(crate) fn after(&self, record: &Record) -> Self {
        let Record { hard_state, commit, snapshot, entries } = record.clone();
        let mut state = Self { hard_state, commit, ..self.clone() };
        if let Some(entries) = entries {
            if snapshot.is_some() {
                state.base = entries.prev();
                state.entries.clear();
            }
            state.entries.truncate((entries.prev().index.0 - state.base.index.0) as usize);
            state.entries.extend_from_slice(entries.entries());
        }
        state.snapshot = snapshot.map(|snapshot| snapshot.meta.last).or(state.snapshot);
        state
    }

    /// What is left of it when the entries up to `to` are left out.
    pub(crate) fn compacted(&self, to: LogIndex) -> Self {
        let count = (to.0 - self.base.index.0) as usize;
        Self { base: self.id_at(count), entries: self.entries[count..].to_vec(), ..self.clone() }
    }

    /// How many entries of the log the snapshot covers.
    pub(crate) fn covered(&self) -> u64 {
        self.snapshot.map_or(0, |last| last.index.0.saturating_sub(self.base.index.0))
    }

    /// The entry at this place, of which the base is the first.
    pub(crate) fn id_at(&self, place: usize) -> EntryId {
        let term = place.checked_sub(1).map_or(self.base.term, |before| self.entries[before].term);
        EntryId { term, index: LogIndex(self.base.index.0 + place as u64) }
    }

    /// A record that may follow, picked by a few small numbers; the same numbers pick the same record.
    pub(crate) fn record(&self, pick: Pick) -> Record {
        let Pick { kind, place, len } = pick;
        let term = self.hard_state.term();
        let place = usize::from(place) % (self.entries.len() + 1);
        let unchanged =
            Record { hard_state: self.hard_state, commit: self.commit, snapshot: None, entries: None };
        match kind % 6 {
            0 => Record { hard_state: HardState::recovered(Term(term.0 + 1), None), ..unchanged },
            1 => {
                let vote = NodeId::new(1 + u64::from(len) % 3);
                Record { hard_state: HardState::recovered(term, vote), ..unchanged }
            }
            2 => Record { commit: self.id_at(place).index, ..unchanged },
            3 | 4 => self.with_entries(self.entries.len(), len),
            // What a snapshot covers is committed, and is not replaced.
            _ => self.with_entries(place.max(self.covered() as usize), len),
        }
    }

    /// A record that puts entries behind a place. Their payloads make it up to four sectors long.
    fn with_entries(&self, prev: usize, len: u8) -> Record {
        let term = self.hard_state.term().max(self.id_at(prev).term).max(Term(1));
        let command = Payload::Command(vec![len % 2; usize::from(len % 7) * 250].into());
        let payloads = [Payload::Noop, command, Payload::Noop];
        let entries = payloads.into_iter().take(usize::from(len % 4)).map(|payload| Entry { term, payload });
        let slice = LogSlice::new(self.id_at(prev), entries.collect()).unwrap();
        Record {
            hard_state: HardState::recovered(term, None),
            commit: self.commit.min(slice.last().index),
            snapshot: None,
            entries: Some(slice),
        }
    }
}

/// Which record is to follow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    pub(crate) kind: u8,
    pub(crate) place: u8,
    pub(crate) len: u8,
}

/// A record that changes nothing but the term, in a frame of one sector.
pub(crate) fn in_term(term: u64) -> Record {
    let hard_state = HardState::recovered(Term(term), None);
    Record { hard_state, commit: LogIndex(0), snapshot: None, entries: None }
}

/// A snapshot of everything up to `last`, with bytes of its own.
pub(crate) fn snapshot(last: EntryId) -> (SnapshotMeta, Vec<u8>) {
    let configuration = Configuration::of_voters(NodeId::new(1));
    let bytes = format!("everything up to {last}").repeat(40).into_bytes();
    (SnapshotMeta { last, configuration, handle: SnapshotHandle(last.index.0) }, bytes)
}

/// A file with a frame for each pick, where each frame says that all before it was durable.
pub(crate) fn synced_file(picks: &[Pick]) -> (Vec<u8>, Vec<State>, Vec<u64>) {
    let mut encoder = Encoder::default();
    let (mut file, mut states, mut offsets) = (Vec::new(), vec![State::default()], Vec::new());
    for &pick in picks {
        let state = states.last().expect("the first state was there");
        let record = state.record(pick);
        let frame = encoder.encode(&record, file.len() as u64).unwrap();
        let state = state.after(&record);
        states.push(state);
        offsets.push(frame.offset);
        file.extend_from_slice(&frame.bytes);
    }
    (file, states, offsets)
}

/// Reads a log that was never compacted.
pub(crate) fn recover_first(file: &[u8]) -> Result<Contents, Damage> {
    recover([file, &[]])
}
