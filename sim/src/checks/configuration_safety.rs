//! Changes of members (§4): every server that has applied as much has the same members, those that the log says; and no two
//! successive configurations could decide without a server that belongs to both.
//!
//! Here a configuration acts when it is applied. That is safe only if the changes come one at a time: nobody has one in its
//! log behind another that it does not know to be committed.

use std::sync::Arc;

use wavetank_process::{
    Observation,
    raft_core::{LogIndex, NodeId},
};

use super::{Check, Configurations, Fact, Finding, Watched};
use crate::members::Members;

/// What a server takes for the members is what the changes among the entries that it has applied lead to, by a calculation of
/// the check's own, and the same as on every other server that has applied as much. Whatever quorum a configuration has shares
/// a server with every quorum of the next one. In no log are there two changes of which the first is not known to be
/// committed.
#[derive(Debug, Default)]
pub struct ConfigurationSafety {
    /// The configurations of the cluster, as far as anybody has applied them.
    agreed: Option<Agreed>,
}

#[derive(Debug)]
struct Agreed {
    configurations: Configurations,
    /// Who applied most, and how much.
    by: NodeId,
    applied: LogIndex,
}

impl ConfigurationSafety {
    /// Compares a machine's members with those of whoever applied as much before.
    fn compare(&mut self, machine: &Watched, applied: LogIndex) -> Finding {
        let agreed = self.agreed.get_or_insert_with(|| Agreed {
            configurations: Configurations::founding(Arc::clone(machine.configurations.at(LogIndex(0)))),
            by: machine.id,
            applied: LogIndex(0),
        });
        let members = machine.configurations.at(applied);
        if applied <= agreed.applied {
            let first = agreed.configurations.at(applied);
            // Mostly it is the very same one: that with which the cluster began.
            if !Arc::ptr_eq(first, members) && first != members {
                return Finding::Violated(format!(
                    "{} and {} have applied everything up to index {applied}; for the one the members are {first}, \
                     for the other {members}",
                    agreed.by, machine.id
                ));
            }
            return Finding::Trivial;
        }
        let mut before = Arc::clone(agreed.configurations.at(agreed.applied));
        for (index, after) in machine.configurations.iter().filter(|(index, _)| agreed.applied < *index) {
            if !before.must_meet(after) {
                return Finding::Violated(apart(*index, &before, after));
            }
            before = Arc::clone(after);
            agreed.configurations.enter(*index, Arc::clone(after));
        }
        (agreed.by, agreed.applied) = (machine.id, applied);
        Finding::Trivial
    }
}

fn apart(index: LogIndex, before: &Members, after: &Members) -> String {
    format!(
        "with index {index} the members change from {before} to {after}, and either could decide without the other"
    )
}

/// Whether a process takes for the members whom its log has made members. When its log says already that a snapshot takes its
/// place, the members are those of the snapshot.
fn judge_claim(machine: &Watched, now: &Observation) -> Finding {
    let Some(claimed) = &machine.claimed else { return Finding::Unconcerned };
    let members = machine.members_at(now.applied);
    if members.are(claimed) {
        // Nobody could be wrong about the members with whom everything began.
        let changed = 1 < machine.configurations.iter().count();
        return if changed { Finding::Holds } else { Finding::Trivial };
    }
    let snapshot = machine.written().and_then(|log| log.snapshot.as_ref());
    if snapshot.is_some_and(|snapshot| now.applied < snapshot.last.index && snapshot.members.are(claimed)) {
        return Finding::Holds;
    }
    let claimed = Members::from(claimed);
    let danger = if members.must_meet(&claimed) { "" } else { ", who could decide without those" };
    Finding::Violated(format!(
        "{} has applied everything up to index {}, which makes the members {members}, and takes {claimed} for \
         them{danger}",
        machine.id, now.applied
    ))
}

/// Whether the changes in a machine's log came one at a time.
fn judge_pending(machine: &Watched, now: &Observation) -> Finding {
    let Some(log) = machine.written() else { return Finding::Unconcerned };
    let mut changes = log.changes.keys().rev();
    let (Some(last), Some(earlier)) = (changes.next(), changes.next()) else { return Finding::Trivial };
    if *earlier <= now.commit {
        return Finding::Holds;
    }
    Finding::Violated(format!(
        "in the log of {} there are changes of members at index {earlier} and index {last}, and it knows only \
         index {} to be committed",
        machine.id, now.commit
    ))
}

impl Check for ConfigurationSafety {
    fn name(&self) -> &'static str {
        "ConfigurationSafety"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        if machine.written().is_none() {
            // There are only claims to compare, and a claim may run ahead of what is applied.
            return Finding::Unconcerned;
        }
        let now = match fact {
            Fact::Observed { before, now } if before.applied < now.applied => now,
            Fact::Observed { before, now } if before.last != now.last => return judge_pending(machine, now),
            Fact::Recovered { now, .. } => now,
            Fact::Observed { .. }
            | Fact::Received { .. }
            | Fact::Sent { .. }
            | Fact::Wrote { .. }
            | Fact::Persisted
            | Fact::Crashed => return Finding::Unconcerned,
        };
        let findings =
            [self.compare(machine, now.applied), judge_claim(machine, now), judge_pending(machine, now)];
        findings.into_iter().max_by_key(weight).unwrap_or(Finding::Unconcerned)
    }
}

/// What of several findings is told: the gravest.
fn weight(finding: &Finding) -> u8 {
    match finding {
        Finding::Unconcerned => 0,
        Finding::Trivial => 1,
        Finding::Holds => 2,
        Finding::Violated(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::{
        Role,
        raft_core::{ConfChange, Configuration, EntryId, MemberChange},
    };

    use super::*;
    use crate::checks::testing::{change, cluster, compacted, node, observation, reconfigured};

    fn shown(applied: u64) -> Observation {
        let applied = LogIndex(applied);
        Observation { applied, commit: applied, last: EntryId::new(1, 9), ..observation(Role::Follower, 1) }
    }

    fn add(number: u64) -> ConfChange {
        change(&[MemberChange::AddVoter(node(number))])
    }

    fn voters(numbers: &[u64]) -> Configuration {
        Configuration::of_voters(numbers.iter().copied().map(node))
    }

    fn recovered(
        check: &mut ConfigurationSafety,
        subject: usize,
        cluster: &[Watched],
        applied: u64,
    ) -> Finding {
        check.check(&Fact::Recovered { now: &shown(applied), log: None }, subject, cluster)
    }

    #[test]
    fn taking_others_for_the_members_than_the_log_says_is_a_violation() {
        let finding = |claimed: &[u64]| {
            let mut cluster = cluster(3);
            reconfigured(&mut cluster[0], &[(2, add(4))], 2);
            cluster[0].claimed = Some(voters(claimed));
            recovered(&mut ConfigurationSafety::default(), 0, &cluster, 2)
        };
        assert_eq!(finding(&[1, 2, 3, 4]), Finding::Holds);
        assert_eq!(
            finding(&[1, 2, 3]),
            Finding::Violated(
                "n1 has applied everything up to index 2, which makes the members n1 n2 n3 n4, and takes n1 n2 n3 \
                 for them"
                    .to_owned()
            )
        );
        let Finding::Violated(apart) = finding(&[4]) else { panic!("n4 alone") };
        assert!(apart.ends_with("who could decide without those"), "{apart}");
    }

    #[test]
    fn the_members_may_be_those_of_a_snapshot_that_takes_the_place_of_the_log() {
        let mut cluster = cluster(3);
        cluster[0].claimed = Some(voters(&[1, 2, 3, 4]));
        let mut check = ConfigurationSafety::default();
        assert!(matches!(recovered(&mut check, 0, &cluster, 1), Finding::Violated(_)));
        reconfigured(&mut cluster[0], &[(2, add(4))], 2);
        compacted(&mut cluster[0], EntryId::new(1, 5), true, &[]);
        cluster[0].configurations =
            Configurations::founding(Arc::new(Members::founding([1, 2, 3].map(node), [])));
        assert_eq!(recovered(&mut check, 0, &cluster, 1), Finding::Holds);
    }

    #[test]
    fn a_change_behind_one_that_is_not_known_to_be_committed_is_a_violation() {
        let finding = |commit: u64| {
            let mut cluster = cluster(3);
            reconfigured(&mut cluster[0], &[(2, add(4)), (4, add(5))], 0);
            let before = Observation { commit: LogIndex(commit), ..shown(0) };
            let now = Observation { last: EntryId::new(1, 10), ..before };
            ConfigurationSafety::default().check(&Fact::Observed { before: &before, now: &now }, 0, &cluster)
        };
        assert_eq!(finding(2), Finding::Holds);
        assert_eq!(
            finding(1),
            Finding::Violated(
                "in the log of n1 there are changes of members at index 2 and index 4, and it knows only index 1 to \
                 be committed"
                    .to_owned()
            )
        );
    }

    #[test]
    fn different_members_after_as_many_entries_are_a_violation() {
        let finding = |second: u64| {
            let mut check = ConfigurationSafety::default();
            let mut cluster = cluster(3);
            reconfigured(&mut cluster[0], &[(2, add(4))], 3);
            reconfigured(&mut cluster[1], &[(2, add(second))], 3);
            recovered(&mut check, 0, &cluster, 3);
            recovered(&mut check, 1, &cluster, 3)
        };
        assert_eq!(finding(4), Finding::Trivial);
        assert_eq!(
            finding(5),
            Finding::Violated(
                "n1 and n2 have applied everything up to index 3; for the one the members are n1 n2 n3 n4, for the \
                 other n1 n2 n3 n5"
                    .to_owned()
            )
        );
    }

    #[test]
    fn configurations_that_need_not_meet_are_a_violation() {
        let mut cluster = cluster(3);
        let members = Members::founding([3, 4, 5].map(node), []);
        cluster[0].configurations.enter(LogIndex(2), Arc::new(members));
        let finding = recovered(&mut ConfigurationSafety::default(), 0, &cluster, 2);
        assert_eq!(
            finding,
            Finding::Violated(
                "with index 2 the members change from n1 n2 n3 to n3 n4 n5, and either could decide without the other"
                    .to_owned()
            )
        );
    }
}
