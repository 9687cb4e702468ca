//! A replica of TiKV's `raft` crate.

use bytes::Bytes;
use raft::{
    Config, RawNode, StateRole, eraftpb,
    eraftpb::{Message, MessageType},
    storage::MemStorage,
};

use crate::Replica;

/// A replica of the `raft` crate, with its own storage in memory and its synchronous path.
#[expect(missing_debug_implementations, reason = "the crate's own state has none")]
pub struct PeerReplica {
    node: RawNode<MemStorage>,
}

impl PeerReplica {
    /// A replica with these times, in ticks.
    pub fn timed(id: u64, size: u64, election_ticks: usize, heartbeat_ticks: usize) -> Self {
        let config = Config {
            id,
            election_tick: election_ticks,
            heartbeat_tick: heartbeat_ticks,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 256,
            ..Config::default()
        };
        let voters = (1..=size).collect::<Vec<_>>();
        let storage = MemStorage::new_with_conf_state((voters, Vec::new()));
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        Self { node: RawNode::new(&config, storage, &logger).expect("a sound configuration") }
    }

    /// Whether it leads.
    pub fn leads(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    fn send_all(messages: Vec<Message>, send: &mut impl FnMut(u64, Message)) {
        messages.into_iter().for_each(|message| send(message.to, message));
    }

    /// Applies, that is, counts.
    fn apply(&mut self, entries: &[eraftpb::Entry]) -> u64 {
        if let Some(last) = entries.last() {
            self.node.advance_apply_to(last.index);
        }
        entries.len() as u64
    }
}

impl Replica for PeerReplica {
    const NAME: &'static str = "raft 0.7.0";

    type Message = Message;

    fn start(id: u64, size: u64) -> Self {
        // Nothing here waits for a timer.
        Self::timed(id, size, 1_000_000, 1)
    }

    fn campaign(&mut self) {
        self.node.campaign().expect("a voter may campaign");
    }

    fn tick(&mut self) {
        self.node.tick();
    }

    fn propose(&mut self, command: Bytes) {
        self.node.propose(Vec::new(), command.into()).expect("the first replica leads");
    }

    fn propose_all(&mut self, commands: Vec<Bytes>) {
        let entry = |data| eraftpb::Entry { data, ..eraftpb::Entry::default() };
        let entries = commands.into_iter().map(entry).collect::<Vec<_>>();
        let id = self.node.raft.id;
        let request = Message {
            msg_type: MessageType::MsgPropose,
            from: id,
            entries: entries.into(),
            ..Message::default()
        };
        // The node's own `step` takes messages of peers only.
        self.node.raft.step(request).expect("the first replica leads");
    }

    fn step(&mut self, message: Message) {
        self.node.step(message).expect("peers are correct");
    }

    fn handle(&mut self, send: &mut impl FnMut(u64, Message)) -> u64 {
        let mut applied = 0;
        while self.node.has_ready() {
            let mut ready = self.node.ready();
            Self::send_all(ready.take_messages(), send);
            applied += self.apply(&ready.take_committed_entries());
            {
                let mut storage = self.node.raft.store().wl();
                storage.append(ready.entries()).expect("memory does not fail");
                if let Some(hard_state) = ready.hs() {
                    storage.set_hardstate(hard_state.clone());
                }
            }
            Self::send_all(ready.take_persisted_messages(), send);
            let mut light = self.node.advance(ready);
            if let Some(commit) = light.commit_index() {
                self.node.raft.store().wl().mut_hard_state().commit = commit;
            }
            Self::send_all(light.take_messages(), send);
            applied += self.apply(&light.take_committed_entries());
        }
        applied
    }

    fn compact(&mut self, kept: u64) {
        let applied = self.node.raft.raft_log.applied;
        self.node.raft.store().wl().compact(applied.saturating_sub(kept)).expect("it has been applied");
    }
}
