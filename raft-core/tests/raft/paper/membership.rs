//! §4: changes of members. As in etcd they are in force once they are applied.

use std::collections::BTreeSet;

use raft_core::{
    ApplyConfChangeError, ByteCount, CampaignError, ConfChange, ConfChangeError, ConfChangeValidation,
    Config, Entry, Incarnation, Leave, LogSlice, Majority, MemberChange, Message, Payload, ProgressState,
    ProposeError, ReadState, Recovered, Rejection, Transition, Voters,
};

use super::*;
use crate::cluster::{add, change, learn, remove};

fn voters(ids: &[u64]) -> Configuration {
    Configuration::of_voters(ids.iter().copied().map(node))
}

fn joint(incoming: &[u64], outgoing: &[u64], leave: Leave) -> Configuration {
    let half = |ids: &[u64]| ids.iter().copied().map(node).collect::<Majority>();
    let halves = Voters::joint(half(incoming), half(outgoing));
    Configuration::new(halves, BTreeSet::new(), BTreeSet::new(), Some(leave)).expect("it is in order")
}

fn through_joint(transition: Transition, changes: &[MemberChange]) -> ConfChange {
    ConfChange { transition, ..change(changes) }
}

fn leader_of(size: u64) -> Cluster {
    let mut cluster = Cluster::new(size);
    cluster.elect(1);
    cluster
}

/// A round of heartbeats with all that follows from it.
fn round(cluster: &mut Cluster, leader: u64) {
    cluster.tick(leader, 2);
    cluster.settle();
}

fn assert_configured(cluster: &Cluster, configuration: &Configuration, ids: &[u64]) {
    for id in ids {
        assert_eq!(cluster.raft(*id).configuration(), configuration, "of {id}");
    }
}

/// The error with which the leader refuses a change.
fn refused(cluster: &mut Cluster, change: ConfChange) -> ProposeError {
    let before = cluster.raft(1).clone();
    let error = cluster.act(1, |raft| raft.propose_conf_change(change)).expect_err("it is refused");
    assert_eq!(*cluster.raft(1), before);
    error
}

/// §4.1: one server at a time.
#[test]
fn a_server_is_added_and_brought_up_to_date() {
    let mut cluster = leader_of(3);
    cluster.start_server(4, 3);
    cluster.propose_change(1, change(&[add(4)]));
    cluster.settle();
    round(&mut cluster, 1);
    assert_configured(&cluster, &voters(&[1, 2, 3, 4]), &[1, 2, 3, 4]);
    assert_eq!((cluster.commit(4), cluster.applied(4)), (2, cluster.applied(1)));
}

#[test]
fn a_server_is_removed() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, change(&[remove(3)]));
    cluster.settle();
    assert_configured(&cluster, &voters(&[1, 2]), &[1, 2]);
    assert_eq!(cluster.raft(1).peers().count(), 1);
    cluster.cut_off(3);
    cluster.propose(1, "x");
    cluster.settle();
    assert_eq!(cluster.commit(1), 3);
}

/// A change acts where it is applied, and no earlier.
#[test]
fn a_change_is_in_force_once_it_is_applied() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, change(&[add(4)]));
    assert_configured(&cluster, &voters(&[1, 2, 3]), &[1]);
    cluster.tell(1, 2, 1, matched(2));
    assert_configured(&cluster, &voters(&[1, 2, 3, 4]), &[1]);
    assert_configured(&cluster, &voters(&[1, 2, 3]), &[2, 3]);
    round(&mut cluster, 1);
    assert_configured(&cluster, &voters(&[1, 2, 3, 4]), &[2, 3]);
}

/// From then on majorities are those of the new configuration.
#[test]
fn a_new_configuration_decides_by_its_own_majority() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, change(&[add(4)]));
    cluster.settle();
    cluster.propose(1, "x");
    cluster.tell(1, 2, 1, matched(3));
    assert_eq!(cluster.commit(1), 2, "two of four");
    cluster.tell(1, 4, 1, matched(3));
    assert_eq!(cluster.commit(1), 3);
}

/// What the old quorums had not agreed on, the new ones may have.
#[test]
fn a_new_configuration_looks_at_what_is_not_committed_yet() {
    let mut cluster = leader_of(4);
    cluster.propose_change(1, change(&[remove(4)]));
    cluster.propose(1, "x");
    cluster.mail.clear();
    cluster.tell(1, 2, 1, matched(3));
    assert_eq!(cluster.commit(1), 1, "two of four");
    let sent = cluster.tell(1, 3, 1, matched(2));
    assert_eq!(cluster.commit(1), 3, "two of three");
    assert!(sent.iter().any(|mail| mail.to == node(2)), "and the others are told: {sent:?}");
}

/// A read that one server fewer has to confirm may have been confirmed already.
#[test]
fn a_new_configuration_looks_at_the_reads_that_wait() {
    let mut cluster = leader_of(2);
    cluster.propose_change(1, change(&[remove(2)]));
    let id = cluster.act(1, Raft::read_index).expect("it leads");
    cluster.mail.clear();
    cluster.tell(1, 2, 1, matched(2));
    assert_configured(&cluster, &voters(&[1]), &[1]);
    assert_eq!(cluster.take_reads(1), [ReadState::Confirmed { id, index: LogIndex(1) }]);
}

/// §4.1: "no new configuration change [may start] until the previous one is committed"; here, until it is applied.
#[test]
fn one_change_at_a_time() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, change(&[add(4)]));
    let pending = ConfChangeError::Pending { index: LogIndex(2), applied: LogIndex(1) };
    assert_eq!(refused(&mut cluster, change(&[add(5)])), pending.into());
    cluster.settle();
    cluster.propose_change(1, change(&[add(5)]));
}

/// Any entry that a new leader has not applied may be a change.
#[test]
fn a_new_leader_takes_no_change_before_it_has_applied_what_it_found() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    cluster.propose_change(1, change(&[add(4)]));
    let to_2 = cluster.take(1, 2, "AppendEntries");
    cluster.step(to_2).expect("a message of a peer");
    cluster.cut_off(1);
    cluster.mail.clear();
    cluster.campaign(2);
    cluster.tell(2, 3, 2, vote(true));
    assert_eq!(cluster.raft(2).role(), RoleKind::Leader);
    let error = cluster.act(2, |raft| raft.propose_conf_change(change(&[add(5)])));
    let pending = ConfChangeError::Pending { index: LogIndex(2), applied: LogIndex(1) };
    assert_eq!(error, Err(pending.into()));
    round(&mut cluster, 2);
    assert_configured(&cluster, &voters(&[1, 2, 3, 4]), &[2, 3]);
    cluster.propose_change(2, change(&[remove(4)]));
}

/// §4.3, and what a joint configuration allows.
#[test]
fn a_change_must_fit_the_configuration_in_force() {
    let mut cluster = leader_of(3);
    let rejected = |rejection: Rejection| ProposeError::from(ConfChangeError::from(rejection));
    assert_eq!(refused(&mut cluster, ConfChange::leave_joint()), rejected(Rejection::NotJoint));
    let everybody = change(&[remove(1), remove(2), remove(3)]);
    assert_eq!(refused(&mut cluster, everybody), rejected(Rejection::NoVotersAfter));
    cluster.propose_change(1, through_joint(Transition::JointExplicit, &[add(4)]));
    cluster.settle();
    for (next, rejection) in [
        (change(&[add(5)]), Rejection::AlreadyJoint),
        (through_joint(Transition::JointExplicit, &[add(5)]), Rejection::AlreadyJoint),
    ] {
        assert_eq!(refused(&mut cluster, next), rejected(rejection));
    }
    cluster.propose_change(1, ConfChange::leave_joint());
}

/// etcd puts an entry without effect in the place of what it does not take, and says nothing.
#[test]
fn a_change_that_does_not_fit_is_replaced_if_the_settings_say_so() {
    let replace = |config: &mut Config| config.conf_change_validation = ConfChangeValidation::Replace;
    let mut cluster = Cluster::configured(3, replace);
    cluster.elect(1);
    cluster.propose_change(1, ConfChange::leave_joint());
    cluster.settle();
    assert_eq!(cluster.applied(2).last(), Some(&(at(1, 2), Payload::Noop)));
}

/// What is not validated may turn out to fit nowhere. It has no effect then, on any replica.
#[test]
fn a_change_that_does_not_fit_has_no_effect() {
    let off = |config: &mut Config| config.conf_change_validation = ConfChangeValidation::Off;
    let mut cluster = Cluster::configured(3, off);
    cluster.elect(1);
    cluster.propose_change(1, ConfChange::leave_joint());
    cluster.settle();
    assert_eq!(
        cluster.applied(2).last(),
        Some(&(at(1, 2), Payload::ConfChange(ConfChange::leave_joint().into())))
    );
    assert_configured(&cluster, &voters(&[1, 2, 3]), &[1, 2, 3]);
}

/// §4.2.2: a leader that is removed steps down once the change is committed.
#[test]
fn a_leader_that_is_removed_steps_down() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, change(&[remove(1)]));
    cluster.tell(1, 2, 1, matched(2));
    assert_eq!((cluster.raft(1).role(), cluster.raft(1).term()), (RoleKind::Follower, Term(1)));
    assert_configured(&cluster, &voters(&[2, 3]), &[1]);
    assert_eq!(cluster.act(1, Raft::campaign), Err(CampaignError::NotVoter { id: node(1) }));
}

/// In etcd it stays, without counting itself, until somebody else is elected.
#[test]
fn a_leader_that_is_removed_goes_on_if_the_settings_say_so() {
    let mut cluster = Cluster::configured(3, |config| config.step_down_on_removal = false);
    cluster.elect(1);
    cluster.propose_change(1, change(&[remove(1)]));
    cluster.propose(1, "x");
    cluster.mail.clear();
    cluster.tell(1, 2, 1, matched(2));
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    let refused = cluster.act(1, |raft| raft.propose("y".into()));
    assert_eq!(refused, Err(ProposeError::NotMember { id: node(1) }));
    cluster.tell(1, 2, 1, matched(3));
    assert_eq!(cluster.commit(1), 2, "one of two: the leader holds it and does not count");
    cluster.tell(1, 3, 1, matched(3));
    assert_eq!(cluster.commit(1), 3);
}

/// §4.3: joint consensus. It ends by itself...
#[test]
fn a_joint_configuration_is_left_as_soon_as_it_is_in_force() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, change(&[add(4), remove(3)]));
    cluster.tell(1, 2, 1, matched(2));
    assert_configured(&cluster, &joint(&[1, 2, 4], &[1, 2, 3], Leave::Automatic), &[1]);
    assert_eq!(cluster.raft(1).last(), at(1, 3), "the entry that leaves it");
    cluster.start_server(4, 3);
    round(&mut cluster, 1);
    assert_configured(&cluster, &voters(&[1, 2, 4]), &[1, 2, 4]);
}

/// ... or when somebody asks.
#[test]
fn an_explicit_joint_configuration_stays_until_it_is_left() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, through_joint(Transition::JointExplicit, &[remove(3)]));
    cluster.settle();
    let expected = joint(&[1, 2], &[1, 2, 3], Leave::Explicit);
    assert_configured(&cluster, &expected, &[1, 2, 3]);
    cluster.propose(1, "x");
    cluster.settle();
    assert_configured(&cluster, &expected, &[1, 2, 3]);
    cluster.propose_change(1, ConfChange::leave_joint());
    cluster.settle();
    assert_configured(&cluster, &voters(&[1, 2]), &[1, 2]);
}

/// A single step may take the joint way too.
#[test]
fn an_implicit_joint_configuration_is_entered_by_one_step_and_left_by_itself() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, through_joint(Transition::JointImplicit, &[remove(3)]));
    cluster.tell(1, 2, 1, matched(2));
    assert_configured(&cluster, &joint(&[1, 2], &[1, 2, 3], Leave::Automatic), &[1]);
    round(&mut cluster, 1);
    assert_configured(&cluster, &voters(&[1, 2]), &[1, 2]);
}

/// Whoever leads has to leave it, and whatever became of an earlier attempt.
#[test]
fn a_new_leader_leaves_a_joint_configuration() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    cluster.propose_change(1, through_joint(Transition::JointImplicit, &[remove(3)]));
    for kind in ["AppendEntries", "AppendEntriesReply"] {
        let (from, to) = if kind == "AppendEntries" { (1, 2) } else { (2, 1) };
        let message = cluster.take(from, to, kind);
        cluster.step(message).expect("a message of a peer");
    }
    // Server 2 learns that the change is committed, and never of the entry that leaves the joint configuration.
    cluster.tell(2, 1, 1, heartbeat(2, None));
    cluster.cut_off(1);
    cluster.mail.clear();
    assert_configured(&cluster, &joint(&[1, 2], &[1, 2, 3], Leave::Automatic), &[1, 2]);
    cluster.heal();
    cluster.crash(1);
    cluster.restart(1);
    cluster.campaign(2);
    // Server 1 has the longer log, and votes for nobody with a shorter one.
    cluster.settle();
    cluster.campaign(1);
    cluster.settle();
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    assert_configured(&cluster, &voters(&[1, 2]), &[1, 2]);
}

/// A leader proposes to leave only when it has applied every entry that may be a change: one that it found may do so
/// already.
#[test]
fn a_joint_configuration_is_left_once() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    cluster.propose_change(1, through_joint(Transition::JointImplicit, &[remove(3)]));
    for kind in ["AppendEntries", "AppendEntriesReply", "AppendEntries"] {
        let (from, to) = if kind == "AppendEntries" { (1, 2) } else { (2, 1) };
        let message = cluster.take(from, to, kind);
        cluster.step(message).expect("a message of a peer");
    }
    let last = cluster.raft(1).last();
    while cluster.raft(2).last() != last {
        let message = cluster.take(1, 2, "AppendEntries");
        cluster.step(message).expect("a message of a peer");
    }
    assert_eq!((cluster.raft(2).last(), cluster.commit(2)), (at(1, 3), 2), "it has the entry that leaves");
    cluster.elect(2);
    let changes = |id: u64| {
        let is_change = |entry: &&(_, Payload)| matches!(entry.1, Payload::ConfChange(_));
        cluster.applied(id).iter().filter(is_change).count()
    };
    assert_eq!((changes(1), changes(2)), (2, 2), "in and out, and nothing more");
    assert_configured(&cluster, &voters(&[1, 2]), &[1, 2]);
}

/// The same where nothing else would keep a second attempt out of the log.
#[test]
fn a_new_leader_waits_for_what_may_leave_already() {
    let mut cluster = Cluster::configured(3, |config| {
        plain(config);
        config.conf_change_validation = ConfChangeValidation::Off;
        config.max_applying_bytes = ByteCount(1);
    });
    cluster.elect(1);
    cluster.propose_change(1, through_joint(Transition::JointImplicit, &[remove(3)]));
    cluster.propose(1, "x");
    // Server 2 gets everything, and is told that no more than the change is committed.
    while let Some(position) = cluster.mail.iter().position(|mail| mail.to != node(3)) {
        let mut message = cluster.mail.remove(position);
        if let Message::AppendEntries { commit, .. } = &mut message.message {
            *commit = LogIndex(2).min(*commit);
        }
        cluster.step(message).expect("a message of a peer");
    }
    assert_eq!((cluster.raft(2).last(), cluster.raft(2).applied()), (at(1, 4), LogIndex(2)));
    cluster.elect(2);
    let is_change = |entry: &&(_, Payload)| matches!(entry.1, Payload::ConfChange(_));
    assert_eq!(cluster.applied(2).iter().filter(is_change).count(), 2, "in and out, and nothing more");
    assert_eq!(cluster.raft(2).last(), at(2, 5));
}

/// While the leadership is being handed over no entry is appended. When that is given up, it is made up for.
#[test]
fn leaving_is_tried_again_when_a_transfer_is_given_up() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, through_joint(Transition::JointImplicit, &[remove(3)]));
    cluster.act(1, |raft| raft.transfer_leadership(node(3))).expect("it leads");
    cluster.tell(1, 2, 1, matched(2));
    assert_eq!(cluster.raft(1).last(), at(1, 2), "nothing is appended");
    cluster.cut_off(3);
    for _ in 0..5 {
        cluster.tick(1, 2);
        cluster.settle();
    }
    assert_eq!(cluster.raft(1).transferee(), None);
    cluster.settle();
    assert_configured(&cluster, &voters(&[1, 2]), &[1, 2]);
}

/// A leadership cannot be handed to a server that lost its vote.
#[test]
fn a_transfer_to_a_server_that_is_removed_is_given_up() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, change(&[remove(3)]));
    cluster.act(1, |raft| raft.transfer_leadership(node(3))).expect("it leads");
    cluster.tell(1, 2, 1, matched(2));
    assert_eq!(cluster.raft(1).transferee(), None);
}

/// §4.2.1: a learner catches up before it votes.
#[test]
fn a_learner_is_promoted() {
    let mut cluster = leader_of(3);
    cluster.start_server(4, 3);
    cluster.propose_change(1, change(&[learn(4)]));
    cluster.settle();
    round(&mut cluster, 1);
    assert!(cluster.raft(1).configuration().is_learner(node(4)));
    cluster.propose_change(1, change(&[add(4)]));
    cluster.settle();
    round(&mut cluster, 1);
    assert_configured(&cluster, &voters(&[1, 2, 3, 4]), &[1, 2, 3, 4]);
}

/// A voter that is to be a learner votes in the outgoing half until that is left.
#[test]
fn a_voter_that_is_demoted_learns_when_the_joint_configuration_is_left() {
    let mut cluster = leader_of(3);
    cluster.propose_change(1, through_joint(Transition::JointExplicit, &[learn(3)]));
    cluster.settle();
    let configuration = cluster.raft(1).configuration().clone();
    assert_eq!(configuration.learners_next(), &[node(3)].into());
    assert!(configuration.is_voter(node(3)) && !configuration.is_learner(node(3)));
    cluster.propose_change(1, ConfChange::leave_joint());
    cluster.settle();
    assert!(cluster.raft(3).configuration().is_learner(node(3)));
    assert_eq!(cluster.act(3, Raft::campaign), Err(CampaignError::NotVoter { id: node(3) }));
}

/// A server that joins is probed from the end of the log, and counts as alive for an election timeout.
#[test]
fn a_server_that_joins_has_time_to_answer() {
    let mut cluster = leader_of(1);
    cluster.propose_change(1, change(&[add(2)]));
    let (id, progress) = cluster.raft(1).peers().next().expect("the new server");
    assert_eq!((id, progress.matched(), progress.next()), (node(2), LogIndex(0), LogIndex(2)));
    assert!(progress.is_recently_active() && *progress.state() == ProgressState::Probe);
    cluster.tick(1, 10);
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    cluster.tick(1, 10);
    assert_eq!(cluster.raft(1).role(), RoleKind::Follower);
}

/// Its log may hold the end of its own vote: a server does not stand while a committed change is not applied.
#[test]
fn a_server_with_a_change_to_apply_does_not_stand() {
    let mut raft = Cluster::plain(3).raft(2).clone();
    let entry = Entry { term: Term(1), payload: Payload::ConfChange(change(&[remove(2)]).into()) };
    let entries = LogSlice::new(at(0, 0), vec![entry]).expect("one entry");
    let append = Message::AppendEntries { entries, commit: LogIndex(1) };
    raft.step(envelope(1, 2, 1, append)).expect("a message of a peer");
    assert_eq!(raft.campaign(), Err(CampaignError::ConfChangeUnapplied { index: LogIndex(1) }));
    raft.step(envelope(1, 2, 1, Message::TimeoutNow)).expect("a message of a peer");
    assert_eq!((raft.role(), raft.term()), (RoleKind::Follower, Term(1)));
}

/// What a driver can get wrong when it applies a change.
#[test]
fn a_change_is_applied_in_its_turn_and_once() {
    let mut raft = Cluster::plain(3).raft(2).clone();
    let entries = [
        Payload::Noop,
        Payload::ConfChange(change(&[add(4)]).into()),
        Payload::ConfChange(change(&[add(5)]).into()),
    ]
    .map(|payload| Entry { term: Term(1), payload });
    let entries = LogSlice::new(at(0, 0), entries.to_vec()).expect("entries of one term");
    let append = Message::AppendEntries { entries, commit: LogIndex(3) };
    raft.step(envelope(1, 2, 1, append)).expect("a message of a peer");
    let not_handed_out = |index, applied, handed_out| {
        let [index, applied, handed_out] = [index, applied, handed_out].map(LogIndex);
        Err(ApplyConfChangeError::NotHandedOut { index, applied, handed_out })
    };
    assert_eq!(raft.apply_conf_change(LogIndex(2)), not_handed_out(2, 0, 0));
    while let Some(ready) = raft.ready() {
        if let Some(write) = ready.write {
            raft.on_persisted(write.durable().receipt).expect("the oldest");
        }
    }
    let no_change = ApplyConfChangeError::NoConfChange { index: LogIndex(1) };
    assert_eq!(raft.apply_conf_change(LogIndex(1)), Err(no_change));
    assert_eq!(raft.apply_conf_change(LogIndex(4)), not_handed_out(4, 0, 3));
    assert_eq!(raft.apply_conf_change(LogIndex(2)), Ok(voters(&[1, 2, 3, 4])));
    let in_force = ApplyConfChangeError::InForce { index: LogIndex(2), last: LogIndex(2) };
    assert_eq!(raft.apply_conf_change(LogIndex(2)), Err(in_force));
    assert_eq!(raft.apply_conf_change(LogIndex(3)), Ok(voters(&[1, 2, 3, 4, 5])));
    raft.on_applied(LogIndex(3)).expect("as handed out");
    assert_eq!(raft.apply_conf_change(LogIndex(3)), not_handed_out(3, 3, 3));
}

/// A server that does not know what its log began with would make a cluster of its own out of the first change.
#[test]
fn a_change_needs_a_configuration_to_begin_with() {
    let mut raft =
        Raft::new(Config::new(node(4)), Recovered::founding([]), Incarnation(1)).expect("it starts");
    let entry = Entry { term: Term(1), payload: Payload::ConfChange(change(&[add(4)]).into()) };
    let entries = LogSlice::new(at(0, 0), vec![entry]).expect("one entry");
    let append = Message::AppendEntries { entries, commit: LogIndex(1) };
    raft.step(envelope(1, 4, 1, append)).expect("a message of a peer");
    while let Some(ready) = raft.ready() {
        if let Some(write) = ready.write {
            raft.on_persisted(write.durable().receipt).expect("the oldest");
        }
    }
    let unfounded = ApplyConfChangeError::Unfounded { index: LogIndex(1) };
    assert_eq!(raft.apply_conf_change(LogIndex(1)), Err(unfounded));
}

/// §5.1: who takes a snapshot takes its configuration.
#[test]
fn a_snapshot_brings_its_configuration() {
    let mut cluster = leader_of(3);
    cluster.cut_off(3);
    cluster.propose_change(1, through_joint(Transition::JointExplicit, &[add(4)]));
    cluster.settle();
    cluster.compact(1);
    cluster.heal();
    round(&mut cluster, 1);
    let expected = joint(&[1, 2, 3, 4], &[1, 2, 3], Leave::Explicit);
    assert_configured(&cluster, &expected, &[1, 2, 3]);
    cluster.crash(3);
    cluster.restart(3);
    assert_configured(&cluster, &expected, &[3]);
}

/// In a snapshot from before it joined a server is no member, and it would not take it.
#[test]
fn a_server_that_joins_needs_a_snapshot_of_which_it_is_a_member() {
    let mut cluster = leader_of(3);
    cluster.compact(1);
    cluster.start_server(4, 3);
    cluster.propose_change(1, change(&[add(4)]));
    cluster.settle();
    assert!(cluster.raft(1).wants_snapshot());
    assert_eq!(cluster.raft(4).last(), at(0, 0));
    let (last, configuration) = (at(1, 2), cluster.raft(1).configuration().clone());
    let handle = cluster.take_snapshot(1).handle;
    assert_eq!(cluster.raft(1).snapshot(), Some(&SnapshotMeta { last, configuration, handle }));
    assert!(!cluster.raft(1).wants_snapshot());
    round(&mut cluster, 1);
    assert_eq!((cluster.raft(4).base(), cluster.commit(4)), (at(1, 2), 2));
}
