//! What a scenario plays in: the tank for its cluster, and what is on the disks when it begins.

use std::{collections::BTreeMap, sync::Arc};

use wavetank_process::{RaftOptions, disk::FileName};

use crate::{
    client::ClientOptions,
    network::NetworkOptions,
    program::Program,
    scenario::{Cluster, Mistake, Scenario, Server},
    tank::TankOptions,
};

/// The tank for a cluster. Its clients do only what the script has them do.
pub(super) fn tank_options(cluster: &Cluster) -> TankOptions {
    let Cluster {
        voters,
        learners,
        spares,
        clients,
        pre_vote,
        check_quorum,
        election_timeout_ticks,
        heartbeat_ticks,
        max_message_bytes,
        max_inflight_messages,
        ref snapshots,
        tick,
        latency,
        client_timeout,
    } = *cluster;
    let client = ClientOptions { operations: 0, timeout: client_timeout, ..ClientOptions::default() };
    TankOptions {
        voters,
        learners,
        spares,
        tick,
        raft: RaftOptions {
            election_timeout_ticks,
            heartbeat_ticks,
            pre_vote,
            check_quorum,
            max_message_bytes,
            max_inflight_messages,
            snapshots: snapshots.clone(),
        },
        network: NetworkOptions { latency_min: latency, latency_mean: latency, ..NetworkOptions::default() },
        clients: (0..clients).map(|_| client.clone()).collect(),
        ..TankOptions::default()
    }
}

/// What the servers have on their disks when a scenario begins.
pub(super) fn files(
    scenario: &Scenario,
    programs: &[Arc<dyn Program>],
) -> Result<Vec<BTreeMap<FileName, Vec<u8>>>, Mistake> {
    let mut files = vec![BTreeMap::new(); scenario.cluster.servers() as usize];
    for (given, place) in &scenario.given {
        let mistake = |expected: &str| {
            let title = "no server can have this behind it";
            Mistake::new(&scenario.path, &scenario.source, *place, title, expected)
        };
        let Server::Number(number) = given.server else { return Err(mistake("expected a server by number")) };
        let position = number as usize - 1;
        let program = &programs[position % programs.len()];
        let past = given.past().map_err(mistake)?;
        let written = program.files(&past);
        files[position] = written
            .ok_or_else(|| mistake(&format!("{} cannot begin in the middle of a history", program.name())))?;
    }
    Ok(files)
}
