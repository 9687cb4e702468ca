//! New servers.

use std::collections::BTreeSet;

use raft_core::{
    ByteCount, ConfChangeValidation, Config, Configuration, EntryId, HardState, Incarnation, LogIndex,
    LogSlice, Majority, MemoryStorage, NodeId, Raft, ReadMode, Recovered, SnapshotHandle, SnapshotMeta, Term,
};

use super::{
    ELECTION_TIMEOUT, Environment, HEARTBEAT_INTERVAL,
    node::{Node, StorageWork},
    parse_id,
};
use crate::{datadriven::Directive, wording};

/// As many as the harness of etcd allows where nothing is said.
const MAX_INFLIGHT_MESSAGES: usize = i32::MAX as usize;

/// What a directive says of the servers to add.
struct Founding {
    config: Config,
    storage_work: StorageWork,
    voters: Majority,
    learners: BTreeSet<NodeId>,
    index: LogIndex,
    has_snapshot: bool,
}

impl Environment {
    pub(super) fn add_nodes(&mut self, directive: &Directive) -> Result<(), String> {
        let count = directive.bare_keys().next().ok_or("a number of servers is missing")?;
        let count: usize = count.parse().map_err(|error| format!("{count}: {error}"))?;
        for _ in 0..count {
            let number = self.nodes.len() as u64 + 1;
            let id = NodeId::new(number).ok_or("there is no server 0")?;
            let founding = Founding::read(id, directive)?;
            self.nodes.push(founding.start()?);
        }
        Ok(())
    }
}

impl Founding {
    fn read(id: NodeId, directive: &Directive) -> Result<Self, String> {
        let config = Config {
            election_timeout: ELECTION_TIMEOUT,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            max_inflight_messages: MAX_INFLIGHT_MESSAGES,
            ..Config::etcd(id)
        };
        let mut founding = Self {
            config,
            storage_work: StorageWork::AtOnce,
            voters: Majority::default(),
            learners: BTreeSet::new(),
            index: LogIndex(0),
            has_snapshot: false,
        };
        for argument in directive.arguments.iter().skip(1) {
            for value in &argument.values {
                founding.read_argument(&argument.key, value)?;
            }
        }
        Ok(founding)
    }

    fn read_argument(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number = || value.parse::<u64>().map_err(|error| format!("{key}={value}: {error}"));
        match key {
            "voters" => {
                self.voters = self.voters.voters().iter().copied().chain([parse_id(value)?]).collect();
            }
            "learners" => drop(self.learners.insert(parse_id(value)?)),
            "index" => self.index = LogIndex(number()?),
            "content" => (),
            "inflight" => {
                self.config.max_inflight_messages =
                    usize::try_from(number()?).map_err(|error| error.to_string())?;
            }
            "async-storage-writes" if wording::parse_bool(value)? => {
                self.storage_work = StorageWork::InBackground;
                self.config.apply_before_durable = false;
            }
            "async-storage-writes" => (),
            "prevote" => self.config.pre_vote = wording::parse_bool(value)?,
            "checkquorum" => self.config.check_quorum = wording::parse_bool(value)?,
            "max-committed-size-per-ready" => self.config.max_applying_bytes = ByteCount(number()?),
            "disable-conf-change-validation" => {
                if wording::parse_bool(value)? {
                    self.config.conf_change_validation = ConfChangeValidation::Off;
                }
            }
            "step-down-on-removal" => self.config.step_down_on_removal = wording::parse_bool(value)?,
            "read-only" => self.read_mode(value)?,
            _ => return Err(format!("unknown argument {key}")),
        }
        // What belongs to a snapshot makes one, even if it says nothing.
        self.has_snapshot |= ["voters", "learners", "index", "content"].contains(&key);
        Ok(())
    }

    fn read_mode(&mut self, value: &str) -> Result<(), String> {
        match value {
            "safe" => (),
            "lease-based" => self.config.read_mode = ReadMode::EtcdLease,
            _ => return Err(format!("invalid read-only option {value:?}")),
        }
        Ok(())
    }

    /// Starts a server from a snapshot as of the first term, or from nothing.
    fn start(self) -> Result<Node, String> {
        let Self { config, storage_work, voters, learners, index, has_snapshot } = self;
        if has_snapshot && index <= LogIndex(1) {
            return Err("index must be specified as > 1 due to bootstrap".to_owned());
        }
        let last = if has_snapshot { EntryId { term: Term(1), index } } else { EntryId::ORIGIN };
        let configuration = Configuration::new(voters.into(), learners, BTreeSet::new(), None)
            .map_err(|error| error.to_string())?;
        let snapshot =
            SnapshotMeta { last, configuration: configuration.clone(), handle: SnapshotHandle(index.0) };
        let recovered = Recovered {
            hard_state: HardState::default(),
            commit: index,
            configuration,
            snapshot: has_snapshot.then(|| snapshot.clone()),
            applied: index,
            log: LogSlice::empty(last),
        };
        let storage = MemoryStorage::new(recovered.clone());
        let raft = Raft::new(config, recovered, Incarnation(1)).map_err(|error| error.to_string())?;
        Ok(Node::new(raft, storage, storage_work, snapshot))
    }
}
