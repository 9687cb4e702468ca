//! Persist before send (§3.8), however slow the disk is and whenever the server crashes.

use raft_core::{
    Config, HardState, Incarnation, LogIndex, Message, NodeId, Raft, Receipt, ReceiptError, Recovered,
    RoleKind, Term, Write, WriteNumber,
};

use crate::cluster::{
    Cluster, append, at, envelope, heartbeat, heartbeat_reply, matched, mismatched, node, plain, pre_vote,
    request_pre_vote, request_vote, stale_term, vote,
};

/// Three servers, of which the first has a slow disk.
fn slow_cluster() -> Cluster {
    let mut cluster = Cluster::plain(3);
    cluster.slow_disk(1);
    cluster
}

/// The messages that wait for a write: to whom, in which term, and what they say.
fn gated(write: &Write) -> Vec<(NodeId, Term, Message)> {
    write.gated().map(|message| (message.to(), message.term(), message.message().clone())).collect()
}

mod promises {
    use super::*;

    #[test]
    fn a_vote_leaves_once_it_is_durable() {
        let mut cluster = slow_cluster();
        assert_eq!(cluster.tell(1, 2, 1, request_vote(at(0, 0))), []);
        assert_eq!(cluster.writes(1)[0].hard_state(), Some(HardState::recovered(Term(1), Some(node(2)))));
        assert_eq!(gated(&cluster.writes(1)[0]), [(node(2), Term(1), vote(true))]);
        cluster.flush(1);
        assert_eq!(cluster.disk(1).hard_state.vote(), Some(node(2)));
        assert_eq!(cluster.mail, [envelope(1, 2, 1, vote(true))]);
    }

    /// The term alone is durable already: the vote still is not.
    #[test]
    fn a_vote_in_a_term_that_is_durable_waits_all_the_same() {
        let mut cluster = slow_cluster();
        cluster.tell(1, 3, 1, vote(false));
        cluster.flush(1);
        assert_eq!(cluster.tell(1, 2, 1, request_vote(at(0, 0))), []);
        cluster.flush(1);
        assert_eq!(cluster.disk(1).hard_state.vote(), Some(node(2)));
        assert_eq!(cluster.mail, [envelope(1, 2, 1, vote(true))]);
    }

    /// A repeated grant rests on the same write as the first.
    #[test]
    fn a_repeated_vote_waits_for_the_same_write() {
        let mut cluster = slow_cluster();
        cluster.tell(1, 2, 1, request_vote(at(0, 0)));
        assert_eq!(cluster.tell(1, 2, 1, request_vote(at(0, 0))), []);
        cluster.flush(1);
        cluster.flush(1);
        assert_eq!(cluster.tell(1, 2, 1, request_vote(at(0, 0))), [envelope(1, 2, 1, vote(true))], "durable");
    }

    /// A candidate asks only when it cannot vote for anybody else any more.
    #[test]
    fn a_request_for_votes_leaves_once_the_own_vote_is_durable() {
        let mut cluster = slow_cluster();
        cluster.campaign(1);
        assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
        assert_eq!(cluster.mail, []);
        cluster.flush(1);
        assert_eq!(cluster.disk(1).hard_state.vote(), Some(node(1)));
        assert_eq!(cluster.mail.len(), 2);
    }

    #[test]
    fn the_own_vote_counts_once_it_is_durable() {
        let mut cluster = Cluster::plain(1);
        cluster.slow_disk(1);
        cluster.campaign(1);
        assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
        cluster.flush(1);
        assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    }

    /// Two elections under way: the receipt of the first does not vouch for the vote of the second.
    #[test]
    fn the_own_vote_waits_for_its_own_write() {
        let mut cluster = Cluster::plain(1);
        cluster.slow_disk(1);
        cluster.campaign(1);
        cluster.campaign(1);
        cluster.flush(1);
        assert_eq!((cluster.raft(1).role(), cluster.raft(1).term()), (RoleKind::Candidate, Term(2)));
        cluster.flush(1);
        assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    }

    #[test]
    fn an_acknowledgement_leaves_once_the_entries_are_durable() {
        let mut cluster = slow_cluster();
        assert_eq!(cluster.tell(1, 2, 1, append(at(0, 0), &[1, 1], 0)), []);
        assert_eq!(gated(&cluster.writes(1)[0]), [(node(2), Term(1), matched(2))]);
        cluster.flush(1);
        assert_eq!(cluster.disk(1).log.last(), at(1, 2));
        assert_eq!(cluster.mail, [envelope(1, 2, 1, matched(2))]);
    }

    /// Entries that are held already, but only in memory, are no reason to acknowledge.
    #[test]
    fn an_acknowledgement_of_entries_under_way_waits_for_them() {
        let mut cluster = slow_cluster();
        cluster.tell(1, 2, 1, heartbeat(0, None));
        cluster.flush(1);
        cluster.mail.clear();
        cluster.tell(1, 2, 1, append(at(0, 0), &[1, 1], 0));
        assert_eq!(cluster.tell(1, 2, 1, append(at(0, 0), &[1, 1], 0)), [], "repeated");
        assert_eq!(cluster.tell(1, 2, 1, append(at(1, 2), &[], 2)), [], "nothing new");
        assert_eq!(cluster.tell(1, 2, 1, append(at(0, 0), &[], 0)), [], "before the commit index");
        let waiting: Vec<_> = cluster.writes(1).iter().map(|write| write.is_empty()).collect();
        assert_eq!(waiting, [false, true, true, true], "empty writes, only to keep the order");
        cluster.flush(1);
        assert_eq!(cluster.mail, [envelope(1, 2, 1, matched(2))]);
        let now = cluster.tell(1, 2, 1, append(at(1, 2), &[], 2));
        assert_eq!(now, [envelope(1, 2, 1, matched(2))], "durable by now");
    }

    /// Whoever names a term has entered it for ever.
    #[test]
    fn an_answer_in_a_new_term_waits_for_the_term() {
        let answers = [
            (append(at(1, 9), &[], 0), mismatched(9, at(0, 0))),
            (append(at(0, 0), &[], 0), matched(0)),
            (heartbeat(0, None), heartbeat_reply(None)),
            (request_vote(at(0, 0)), vote(true)),
        ];
        for (question, answer) in answers {
            let mut cluster = slow_cluster();
            assert_eq!(cluster.tell(1, 2, 1, question), []);
            assert_eq!(gated(&cluster.writes(1)[0]), [(node(2), Term(1), answer)]);
        }
    }

    #[test]
    fn an_answer_to_the_past_waits_for_the_present_term() {
        for (question, answer) in
            [(heartbeat(0, None), stale_term()), (request_pre_vote(at(0, 0)), pre_vote(false))]
        {
            let mut cluster = Cluster::new(3);
            cluster.slow_disk(1);
            cluster.tell(1, 2, 3, vote(false));
            assert_eq!(cluster.tell(1, 3, 1, question), []);
            cluster.flush(1);
            cluster.flush(1);
            assert_eq!(cluster.mail, [envelope(1, 3, 3, answer)]);
        }
    }

    /// The term of a survey is the next one, which is nobody's before the present one is durable.
    #[test]
    fn a_survey_waits_for_the_present_term() {
        let mut cluster = Cluster::new(3);
        cluster.slow_disk(1);
        cluster.tell(1, 2, 3, vote(false));
        cluster.campaign(1);
        assert_eq!(cluster.tell(1, 2, 4, request_pre_vote(at(0, 0))), []);
        assert_eq!(cluster.mail, []);
    }

    /// A driver that drops its writes does no harm. It cannot even be noticed.
    #[test]
    fn a_server_whose_writes_are_ignored_is_silent() {
        let mut cluster = slow_cluster();
        for term in (1..10).map(|round| 3 * round) {
            cluster.tell(1, 2, term, request_vote(at(0, 0)));
            cluster.tell(1, 3, term, request_vote(at(0, 0)));
            cluster.tell(1, 2, term, heartbeat(0, None));
            cluster.tell(1, 2, term, append(at(0, 0), &[1], 1));
            cluster.tell(1, 2, term, append(at(1, 9), &[1], 1));
            cluster.campaign(1);
            cluster.tick(1, 25);
            assert_eq!(cluster.mail, []);
        }
    }
}

mod pipelines {
    use super::*;

    /// Each receipt vouches for its own write and those before it, and for none behind it.
    #[test]
    fn a_receipt_vouches_for_its_own_write() {
        let mut cluster = Cluster::plain(3);
        cluster.elect(1);
        cluster.slow_disk(1);
        cluster.propose(1, "a");
        cluster.propose(1, "b");
        cluster.propose(1, "c");
        cluster.tell(1, 2, 1, matched(4));
        for commit in 1..4 {
            assert_eq!(cluster.commit(1), commit);
            cluster.flush(1);
        }
        assert_eq!(cluster.commit(1), 4);
    }

    /// The ABA problem. Entries are replaced while the first ones are still being written. Their receipt,
    /// when it comes, must not be taken for one of the new entries at the same indexes:
    ///
    /// ```text
    /// leader 2, term 1:  1@1 1@2   write 1 .................. durable
    /// leader 3, term 2:              write 2 (the term) ............. durable
    ///                    2@1 2@2               write 3 ....................... not yet
    /// ```
    #[test]
    fn a_late_receipt_does_not_vouch_for_entries_that_were_replaced_meanwhile() {
        let mut cluster = slow_cluster();
        cluster.tell(1, 2, 1, append(at(0, 0), &[1, 1], 0));
        cluster.tell(1, 3, 2, heartbeat(0, None));
        cluster.tell(1, 3, 2, append(at(0, 0), &[2, 2], 2));
        cluster.flush(1);
        cluster.flush(1);
        cluster.mail.clear();
        assert_eq!(cluster.disk(1).log.last(), at(1, 2), "the old entries are what is durable");
        assert_eq!(cluster.applied(1), []);
        assert_eq!(cluster.tell(1, 3, 2, append(at(2, 2), &[], 2)), []);
        cluster.flush(1);
        assert_eq!(cluster.disk(1).log.last(), at(2, 2));
        assert_eq!(cluster.mail, [envelope(1, 3, 2, matched(2))]);
        assert_eq!(cluster.applied(1).len(), 2);
    }

    /// The same, when the log has become shorter.
    #[test]
    fn a_late_receipt_does_not_vouch_for_more_than_is_left() {
        let mut cluster = slow_cluster();
        cluster.tell(1, 2, 1, append(at(0, 0), &[1, 1, 1], 0));
        cluster.tell(1, 3, 2, append(at(1, 1), &[2], 0));
        cluster.flush(1);
        cluster.mail.clear();
        cluster.tell(1, 3, 2, append(at(2, 2), &[], 2));
        let applied: Vec<_> = cluster.applied(1).iter().map(|(id, _)| *id).collect();
        assert_eq!(applied, [at(1, 1)], "what both have in common is durable");
        cluster.flush(1);
        assert_eq!(cluster.applied(1).len(), 2);
        assert_eq!(cluster.disk(1).log.last(), at(2, 2));
    }

    /// Entries that were durable are not any more when others take their place.
    #[test]
    fn replaced_entries_are_acknowledged_only_when_they_are_durable_themselves() {
        let mut cluster = Cluster::with_logs(1, &[&[1, 1, 1], &[], &[]], plain);
        cluster.slow_disk(1);
        cluster.tell(1, 2, 2, heartbeat(0, None));
        cluster.flush(1);
        cluster.mail.clear();
        assert_eq!(cluster.tell(1, 2, 2, append(at(1, 1), &[2, 2], 0)), []);
        cluster.flush(1);
        assert_eq!(cluster.mail, [envelope(1, 2, 2, matched(3))]);
    }

    /// A leader whose old entries were replaced before it led counts none of them.
    #[test]
    fn a_leader_does_not_count_its_replaced_entries() {
        let mut cluster = Cluster::plain(2);
        cluster.slow_disk(1);
        cluster.tell(1, 2, 1, append(at(0, 0), &[1, 1, 1], 0));
        cluster.tell(1, 2, 2, append(at(0, 0), &[2], 0));
        cluster.campaign(1);
        cluster.flush(1);
        cluster.flush(1);
        cluster.flush(1);
        cluster.tell(1, 2, 3, vote(true));
        cluster.tell(1, 2, 3, matched(2));
        assert_eq!(cluster.commit(1), 0, "its own first entry is not durable");
        cluster.flush(1);
        assert_eq!(cluster.commit(1), 2);
    }

    /// Each write takes what the earlier ones have not.
    #[test]
    fn nothing_is_written_twice() {
        let mut cluster = slow_cluster();
        cluster.tell(1, 2, 1, append(at(0, 0), &[1, 1], 0));
        cluster.tell(1, 2, 1, append(at(1, 2), &[1], 2));
        let writes = cluster.writes(1);
        assert_eq!(writes.iter().map(|write| write.number()).collect::<Vec<_>>(), [1, 2].map(WriteNumber));
        assert!(writes[0].hard_state().is_some() && writes[1].hard_state().is_none());
        let first: Vec<_> = writes.iter().map(|write| write.entries().unwrap().first_index()).collect();
        assert_eq!(first, [1, 3].map(LogIndex));
        assert_eq!(writes[1].commit(), LogIndex(2));
    }
}

mod receipts {
    use super::*;

    fn replica(id: u64, incarnation: u64) -> Raft {
        let mut config = Config::new(node(id));
        plain(&mut config);
        Raft::new(config, Recovered::founding([1, 2, 3].map(node)), Incarnation(incarnation)).unwrap()
    }

    /// The receipt of the write with which an election begins.
    fn receipt(raft: &mut Raft) -> Receipt {
        raft.campaign().unwrap();
        raft.ready().unwrap().write.unwrap().durable().receipt
    }

    #[test]
    fn receipts_are_taken_in_the_order_of_the_writes() {
        let mut raft = replica(1, 1);
        let receipts = [receipt(&mut raft), receipt(&mut raft)];
        let before = raft.clone();
        let [first, second] = receipts;
        let error = ReceiptError::OutOfOrder { given: WriteNumber(2), due: WriteNumber(1) };
        assert_eq!(raft.on_persisted(second), Err(error));
        assert_eq!(raft, before);
        assert_eq!(raft.on_persisted(first), Ok(()));
    }

    #[test]
    fn the_receipt_of_another_replica_is_refused() {
        let mut raft = replica(1, 1);
        drop(receipt(&mut raft));
        let before = raft.clone();
        let error = ReceiptError::Foreign { node: node(2), incarnation: Incarnation(1) };
        assert_eq!(raft.on_persisted(receipt(&mut replica(2, 1))), Err(error));
        assert_eq!(raft, before);
    }

    /// A write may end after the crash that it survived: what it meant, the recovered state says already.
    #[test]
    fn the_receipt_of_an_earlier_life_is_refused() {
        let mut raft = replica(1, 2);
        drop(receipt(&mut raft));
        let before = raft.clone();
        let error = ReceiptError::Foreign { node: node(1), incarnation: Incarnation(1) };
        assert_eq!(raft.on_persisted(receipt(&mut replica(1, 1))), Err(error));
        assert_eq!(raft, before);
    }

    #[test]
    fn a_receipt_without_a_write_is_refused() {
        let mut raft = replica(1, 1);
        let before = raft.clone();
        let error = ReceiptError::OutOfOrder { given: WriteNumber(1), due: WriteNumber(1) };
        assert_eq!(raft.on_persisted(receipt(&mut replica(1, 1))), Err(error));
        assert_eq!(raft, before);
    }
}

mod crashes {
    use super::*;

    /// §3.8: with its vote a server would forget what keeps it from voting again in the same term.
    #[test]
    fn a_vote_survives_a_crash() {
        let mut cluster = Cluster::plain(3);
        assert_eq!(cluster.tell(1, 2, 4, request_vote(at(0, 0))), [envelope(1, 2, 4, vote(true))]);
        cluster.crash(1);
        cluster.restart(1);
        assert_eq!(cluster.raft(1).term(), Term(4));
        assert_eq!(cluster.tell(1, 3, 4, request_vote(at(9, 9))), [envelope(1, 3, 4, vote(false))]);
        assert_eq!(cluster.tell(1, 2, 4, request_vote(at(0, 0))), [envelope(1, 2, 4, vote(true))]);
    }

    #[test]
    fn a_vote_that_a_crash_loses_was_never_sent() {
        let mut cluster = slow_cluster();
        assert_eq!(cluster.tell(1, 2, 4, request_vote(at(0, 0))), []);
        cluster.crash(1);
        cluster.restart(1);
        cluster.tell(1, 3, 4, request_vote(at(0, 0)));
        cluster.flush(1);
        assert_eq!(cluster.mail, [envelope(1, 3, 4, vote(true))]);
    }

    #[test]
    fn acknowledged_entries_survive_a_crash_and_others_need_not() {
        let mut cluster = slow_cluster();
        cluster.tell(1, 2, 1, append(at(0, 0), &[1, 1], 1));
        cluster.flush(1);
        cluster.tell(1, 2, 1, append(at(1, 2), &[1], 3));
        cluster.crash(1);
        cluster.restart(1);
        assert_eq!(cluster.log(1), [1, 1]);
        assert_eq!(cluster.commit(1), 1);
        assert_eq!(cluster.applied(1).len(), 1, "the state machine begins again");
        assert_eq!(cluster.tell(1, 2, 1, append(at(1, 2), &[1], 3)), []);
    }

    /// A whole cluster that loses its power keeps what it has committed.
    #[test]
    fn a_committed_entry_survives_the_crash_of_all() {
        let mut cluster = Cluster::plain(3);
        cluster.elect(1);
        cluster.propose(1, "x");
        cluster.settle();
        for id in [1, 2, 3] {
            cluster.crash(id);
        }
        for id in [1, 2, 3] {
            cluster.restart(id);
        }
        cluster.elect(2);
        assert_eq!(cluster.log(2), [1, 1, 2]);
        assert_eq!(cluster.commit(2), 3);
    }
}

mod applying {
    use super::*;
    use raft_core::AppliedError;

    #[test]
    fn committed_entries_are_applied_once_they_are_durable_here() {
        let mut cluster = slow_cluster();
        cluster.tell(1, 2, 1, append(at(0, 0), &[1, 1], 1));
        assert_eq!(cluster.commit(1), 1);
        assert_eq!(cluster.applied(1), []);
        cluster.flush(1);
        assert_eq!(cluster.applied(1).len(), 1, "durable are two, but one is committed");
    }

    #[test]
    fn the_driver_may_ask_for_them_before() {
        let mut cluster = Cluster::configured(3, |config| config.apply_before_durable = true);
        cluster.slow_disk(1);
        cluster.tell(1, 2, 1, append(at(0, 0), &[1, 1], 1));
        assert_eq!(cluster.applied(1).len(), 1);
        assert_eq!(cluster.writes(1).len(), 1);
    }

    /// A driver that is slow to apply is handed each entry once, and says how far it has
    /// come, step by step.
    #[test]
    fn entries_are_handed_out_once_and_applied_in_order() {
        let mut raft = Cluster::with_logs(1, &[&[1, 1, 1], &[], &[]], |_| ()).raft(1).clone();
        raft.step(envelope(2, 1, 1, append(at(1, 3), &[], 2))).unwrap();
        assert_eq!(raft.ready().unwrap().committed.unwrap().last(), at(1, 2));
        raft.step(envelope(2, 1, 1, append(at(1, 3), &[], 3))).unwrap();
        assert_eq!(raft.ready().unwrap().committed.unwrap().entries().len(), 1);
        let refused = |given, applied| {
            let [given, applied, handed_out] = [given, applied, 3].map(LogIndex);
            Err(AppliedError { given, applied, handed_out })
        };
        assert_eq!(raft.on_applied(LogIndex(4)), refused(4, 0));
        assert_eq!(raft.on_applied(LogIndex(2)), Ok(()));
        assert_eq!(raft.on_applied(LogIndex(1)), refused(1, 2));
        assert_eq!(raft.on_applied(LogIndex(3)), Ok(()));
        assert_eq!(raft.applied(), LogIndex(3));
    }

    #[test]
    fn without_anything_to_do_there_is_no_output() {
        let mut raft = Cluster::new(3).raft(1).clone();
        assert!(!raft.has_ready());
        assert_eq!(raft.ready(), None);
        raft.step(envelope(2, 1, 1, Message::TimeoutNow)).unwrap();
        assert!(raft.has_ready());
        drop(raft.ready());
        assert!(!raft.has_ready());
    }
}
