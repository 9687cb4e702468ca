//! One server: its replica, its storage, and the storage work that waits when it is done in the background.

use std::collections::VecDeque;

use raft_core::{
    Envelope, Gated, LogIndex, LogSlice, MemoryStorage, Message, NodeId, Payload, Raft, Ready, Receipt,
    SnapshotHandle, SnapshotMeta, SoftState, Storage, Write, WriteNumber,
};

use super::mail::{Mail, Notice, applied_shape};
use crate::{
    messages::{self, Party, Shape, StoredState},
    wording::{self, Standing},
};

/// Whether a server does its storage work before it goes on, or has threads that do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StorageWork {
    AtOnce,
    InBackground,
}

#[derive(Debug)]
pub(super) struct Node {
    raft: Raft,
    storage: MemoryStorage,
    storage_work: StorageWork,
    /// Writes that the append thread has not begun, oldest first.
    append_work: VecDeque<AppendWork>,
    /// Entries that the apply thread has not begun, oldest first.
    apply_work: VecDeque<LogSlice>,
    /// Of writes that the append thread has done, and that the replica has not heard of.
    receipts: VecDeque<(WriteNumber, Receipt)>,
    /// The state as of the last entry applied, to be sent as a snapshot. As in etcd's harness one that was
    /// received does not count.
    latest: SnapshotMeta,
}

/// A write, with the state that goes with it.
#[derive(Debug)]
struct AppendWork {
    state: Option<StoredState>,
    write: Write,
}

/// What a piece of work has to tell, and the mail that it gave rise to.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) text: String,
    pub(super) mail: Vec<Mail>,
    pub(super) problem: Option<String>,
}

impl Node {
    pub(super) fn new(
        raft: Raft,
        storage: MemoryStorage,
        storage_work: StorageWork,
        latest: SnapshotMeta,
    ) -> Self {
        let mut node = Self {
            raft,
            storage,
            storage_work,
            append_work: VecDeque::new(),
            apply_work: VecDeque::new(),
            receipts: VecDeque::new(),
            latest,
        };
        node.act(|_| ());
        node
    }

    pub(super) fn raft(&self) -> &Raft {
        &self.raft
    }

    /// Does something with the replica, which may need an election timeout afterwards. Any will do: where it matters,
    /// a script sets it.
    pub(super) fn act<T>(&mut self, action: impl FnOnce(&mut Raft) -> T) -> T {
        let outcome = action(&mut self.raft);
        if self.raft.wants_election_timeout() {
            let shortest = self.raft.config().election_timeout;
            self.raft.set_election_timeout(shortest).expect("the base is allowed");
        }
        outcome
    }

    pub(super) fn has_append_work(&self) -> bool {
        !self.append_work.is_empty()
    }

    pub(super) fn has_apply_work(&self) -> bool {
        !self.apply_work.is_empty()
    }

    /// What the storage holds of the log.
    pub(super) fn stored_log(&self) -> LogSlice {
        match self.storage.recover() {
            Ok(recovered) => recovered.log,
            Err(never) => match never {},
        }
    }

    pub(super) fn compact(&mut self, index: LogIndex) -> Result<(), String> {
        let log = self.stored_log();
        if index <= log.prev().index {
            return Err("requested index is unavailable due to compaction".to_owned());
        }
        let kept = log.after(index).ok_or_else(|| format!("compact {index} is out of bound"))?;
        self.raft.compact(index).map_err(|error| error.to_string())?;
        self.storage.compact(kept.prev());
        Ok(())
    }

    pub(super) fn snapshot_message(&self, to: NodeId) -> Envelope {
        let message = Message::InstallSnapshot { snapshot: Box::new(self.latest.clone()) };
        Envelope { from: self.raft.id(), to, term: self.raft.term(), message }
    }

    /// What a leader knows of the members, itself included.
    pub(super) fn describe_progress(&self) -> String {
        let describe = |(id, row)| {
            let is_learner = self.raft.configuration().is_learner(id);
            let is_window_full = self.raft.is_window_full(id);
            wording::progress(id, row, Standing { is_learner, is_window_full })
        };
        self.raft.members().map(describe).collect()
    }

    /// Takes the replica's outputs: prints them and does what they ask for, at once or later.
    pub(super) fn process_ready(&mut self) -> Done {
        let Some(ready) = self.raft.ready() else {
            return Done { text: "<empty Ready>".to_owned(), ..Done::default() };
        };
        let Ready { messages, write, committed, reads, soft_state } = ready;
        let state = write
            .as_ref()
            .filter(|write| write.hard_state().is_some() || write.commit_moved())
            .map(|_| StoredState { hard_state: self.raft.hard_state(), commit: self.raft.commit() });
        let work = write.map(|write| AppendWork { state, write });
        let text = self.describe_ready(&messages, work.as_ref(), committed.as_ref(), soft_state);
        let mail = messages.into_iter().map(Mail::Peer).collect();
        let mut done = Done { text, mail, problem: None };
        if !reads.is_empty() {
            done.problem = Some(format!("reads that nobody asked for: {reads:?}"));
            return done;
        }
        match self.storage_work {
            StorageWork::AtOnce => done.problem = self.work_at_once(work, committed, &mut done.mail).err(),
            StorageWork::InBackground => {
                self.append_work.extend(work);
                self.apply_work.extend(committed);
            }
        }
        done
    }

    /// Writes and applies, then tells the replica.
    fn work_at_once(
        &mut self,
        work: Option<AppendWork>,
        committed: Option<LogSlice>,
        mail: &mut Vec<Mail>,
    ) -> Result<(), String> {
        let receipt = work.map(|work| {
            let (durable, receipt) = self.persist(work.write);
            mail.extend(durable.into_iter().filter(|mail| matches!(mail, Mail::Peer(_))));
            receipt
        });
        if let Some(entries) = &committed {
            self.apply(entries)?;
        }
        if let Some(receipt) = receipt {
            self.on_persisted(receipt)?;
        }
        committed.map_or(Ok(()), |entries| self.on_applied(&entries))
    }

    /// Makes a write durable, and returns the mail that it set free, promises to this server itself included.
    fn persist(&mut self, write: Write) -> (Vec<Mail>, Receipt) {
        match self.storage.persist(&write) {
            Ok(()) => (),
            Err(never) => match never {},
        }
        let number = write.number();
        let notices = self.notices(&write);
        let durable = write.durable();
        let mut messages = durable.messages.into_iter();
        let freed = notices.into_iter().filter_map(|notice| match notice {
            Some(notice) => Some(Mail::Written { number, notice }),
            None => messages.next().map(Mail::Peer),
        });
        (freed.collect(), durable.receipt)
    }

    /// What is told of a write when it is durable, in order; `None` stands for a message to another server.
    fn notices(&self, write: &Write) -> Vec<Option<Notice>> {
        let gated = write.gated().map(|gated| self.promise(gated));
        gated.chain(self.completion(write).map(Some)).collect()
    }

    fn promise(&self, gated: Gated<'_>) -> Option<Notice> {
        let node = self.raft.id();
        let envelope =
            Envelope { from: node, to: gated.to(), term: gated.term(), message: gated.message().clone() };
        (gated.to() == node).then_some(Notice::Promise(envelope))
    }

    fn completion(&self, write: &Write) -> Option<Notice> {
        let (last, snapshot) = (write.vouches_for(), write.snapshot().cloned());
        if last.is_none() && snapshot.is_none() {
            return None;
        }
        Some(Notice::Done { node: self.raft.id(), term: write.term(), last, snapshot })
    }

    /// Carries out the oldest write in the background.
    pub(super) fn process_append_work(&mut self) -> Done {
        let Some(work) = self.append_work.pop_front() else {
            return Done { text: "no append work to perform".to_owned(), ..Done::default() };
        };
        let processing = self.describe_order(&work).describe("");
        let number = work.write.number();
        let (mail, receipt) = self.persist(work.write);
        self.receipts.push_back((number, receipt));
        let responses =
            mail.iter().map(|mail| format!("{}\n", mail.shape().describe(""))).collect::<String>();
        Done { text: format!("Processing:\n{processing}\nResponses:\n{responses}"), mail, problem: None }
    }

    /// Applies the oldest entries in the background.
    pub(super) fn process_apply_work(&mut self) -> Done {
        let Some(entries) = self.apply_work.pop_front() else {
            return Done { text: "no apply work to perform".to_owned(), ..Done::default() };
        };
        let node = self.raft.id();
        let processing = apply_order(node, &entries).describe("");
        let response = applied_shape(node, &entries).describe("");
        let problem = self.apply(&entries).err();
        let mail = vec![Mail::Applied { node, entries }];
        Done { text: format!("Processing:\n{processing}\nResponses:\n{response}\n"), mail, problem }
    }

    /// Applies entries to the state machine, of which a snapshot can be had at any time.
    fn apply(&mut self, entries: &LogSlice) -> Result<(), String> {
        for (last, entry) in entries.iter() {
            let configuration = match &entry.payload {
                Payload::ConfChange(_) => {
                    self.act(|raft| raft.apply_conf_change(last.index)).map_err(|error| error.to_string())?
                }
                Payload::Noop | Payload::Command(_) => self.latest.configuration.clone(),
            };
            self.latest = SnapshotMeta { last, configuration, handle: SnapshotHandle(last.index.0) };
            self.offer_snapshot();
        }
        Ok(())
    }

    fn on_persisted(&mut self, receipt: Receipt) -> Result<(), String> {
        self.act(|raft| raft.on_persisted(receipt)).map_err(|error| error.to_string())?;
        self.offer_snapshot();
        Ok(())
    }

    /// Has the replica send the latest snapshot from now on. It may have to wait until its log is durable as far, and
    /// refuses one when it has received a later one.
    fn offer_snapshot(&mut self) {
        let latest = self.latest.clone();
        let _ = self.act(|raft| raft.snapshot_available(latest));
    }

    /// Tells the replica that its entries are applied.
    pub(super) fn on_applied(&mut self, entries: &LogSlice) -> Result<(), String> {
        let index = entries.last().index;
        self.act(|raft| raft.on_applied(index)).map_err(|error| error.to_string())
    }

    /// Tells the replica that a write is durable, and with it every one before it. What it answers in etcd, if it
    /// refuses to hear of it.
    pub(super) fn on_written(
        &mut self,
        number: WriteNumber,
        notice: &Notice,
    ) -> Result<Option<String>, String> {
        let is_member = self.raft.configuration().contains(self.raft.id());
        while self.receipts.front().is_some_and(|(first, _)| *first <= number) {
            let Some((_, receipt)) = self.receipts.pop_front() else { break };
            self.on_persisted(receipt)?;
        }
        Ok(match notice {
            Notice::Promise(_) if !is_member => Some(messages::PEER_NOT_FOUND.to_owned()),
            Notice::Promise(_) | Notice::Done { .. } => None,
        })
    }

    fn describe_ready(
        &self,
        messages: &[Envelope],
        work: Option<&AppendWork>,
        committed: Option<&LogSlice>,
        soft_state: Option<SoftState>,
    ) -> String {
        let mut text = String::new();
        let mut push = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        if let Some(SoftState { role, leader }) = soft_state {
            push(&format!("Lead:{} State:{}", leader.map_or(0, NodeId::number), wording::role(role)));
        }
        if let Some(state) = work.and_then(|work| work.state) {
            push(&format!("HardState {}", messages::describe_stored_state(state)));
        }
        let write = work.map(|work| &work.write);
        if let Some(entries) = write.and_then(Write::entries) {
            push("Entries:");
            entries.iter().for_each(|(id, entry)| push(&messages::describe_entry(id, &entry.payload)));
        }
        if let Some(snapshot) = write.and_then(Write::snapshot) {
            push(&format!("Snapshot {}", messages::describe_snapshot(snapshot)));
        }
        if let Some(entries) = committed {
            push("CommittedEntries:");
            entries.iter().for_each(|(id, entry)| push(&messages::describe_entry(id, &entry.payload)));
        }
        let messages = self.describe_messages(messages, work, committed);
        if !messages.is_empty() {
            push("Messages:");
            messages.iter().for_each(|message| push(message));
        }
        if text.is_empty() {
            return "<empty Ready>".to_owned();
        }
        let must_sync = write.is_some_and(|write| write.hard_state().is_some() || write.entries().is_some());
        format!("Ready MustSync={must_sync}:\n{text}")
    }

    fn describe_messages(
        &self,
        messages: &[Envelope],
        work: Option<&AppendWork>,
        committed: Option<&LogSlice>,
    ) -> Vec<String> {
        let mut described: Vec<String> =
            messages.iter().map(|envelope| Shape::of_envelope(envelope).describe("")).collect();
        let node = self.raft.id();
        match self.storage_work {
            StorageWork::AtOnce => {
                let others = work.into_iter().flat_map(|work| work.write.gated());
                let others = others.filter(|gated| gated.to() != node);
                described.extend(others.map(|gated| {
                    Shape::of_message(node, gated.to(), gated.term(), gated.message()).describe("")
                }));
            }
            StorageWork::InBackground => {
                if let Some(work) = work {
                    let completion = self.completion(&work.write);
                    let mut order = self.describe_order(work);
                    let gated = work.write.gated();
                    order.responses = gated
                        .map(|gated| Shape::of_message(node, gated.to(), gated.term(), gated.message()))
                        .chain(completion.as_ref().map(Notice::shape))
                        .collect();
                    described.push(order.describe(""));
                }
                if let Some(entries) = committed {
                    let mut order = apply_order(node, entries);
                    order.responses = vec![applied_shape(node, entries)];
                    described.push(order.describe(""));
                }
            }
        }
        described
    }

    fn describe_order<'a>(&self, work: &'a AppendWork) -> Shape<'a> {
        let AppendWork { state, write } = work;
        Shape::storage_append(self.raft.id(), *state, write.entries(), write.snapshot())
    }
}

fn apply_order(node: NodeId, entries: &LogSlice) -> Shape<'_> {
    Shape::storage_apply(Party::Server(node), Party::ApplyThread, "MsgStorageApply", entries)
}
