//! How entries flow from a leader to one follower: probing, streaming, and the way back after a loss.

use raft_core::{ByteCount, Config, LogIndex, Message, Progress, ProgressState, ReportError};

use crate::cluster::{
    Cluster, append, at, envelope, heartbeat, heartbeat_reply, matched, mismatched, node, plain, vote,
};

/// What the leader, server 1, knows of a follower.
fn progress(cluster: &Cluster, follower: u64) -> Progress {
    let mut peers = cluster.raft(1).peers();
    peers.find(|(id, _)| *id == node(follower)).expect("a leader knows its followers").1.clone()
}

fn is_probing(cluster: &Cluster, follower: u64) -> bool {
    *progress(cluster, follower).state() == ProgressState::Probe
}

/// Server 1 has just been elected and knows nothing of its followers. Its first entries
/// have been sent and lost.
fn new_leader(configure: impl Fn(&mut Config)) -> Cluster {
    let mut cluster = Cluster::configured(3, |config| {
        plain(config);
        configure(config);
    });
    cluster.campaign(1);
    cluster.tell(1, 2, 1, vote(true));
    cluster.mail.clear();
    cluster
}

/// Server 1 leads, and everybody holds its first entry.
fn settled_leader(configure: impl Fn(&mut Config)) -> Cluster {
    let mut cluster = new_leader(configure);
    for follower in [2, 3] {
        cluster.tell(1, follower, 1, matched(1));
    }
    assert!(!is_probing(&cluster, 2) && !is_probing(&cluster, 3));
    cluster
}

/// The messages to server 2.
fn sent_to_2(cluster: &mut Cluster) -> Vec<Message> {
    let mail = std::mem::take(&mut cluster.mail);
    mail.into_iter().filter(|mail| mail.to == node(2)).map(|mail| mail.message).collect()
}

#[test]
fn an_unknown_follower_is_sent_one_message_at_a_time() {
    let mut cluster = new_leader(|_| ());
    cluster.propose(1, "1@2");
    cluster.propose(1, "1@3");
    assert_eq!(cluster.mail, []);
    assert!(is_probing(&cluster, 2) && progress(&cluster, 2).is_paused());
    let rest = envelope(1, 2, 1, append(at(1, 1), &[1, 1], 0));
    let sent = cluster.tell(1, 2, 1, matched(1));
    assert!(sent.iter().any(|mail| mail.message.kind() == "AppendEntries"), "{sent:?}");
    assert!(!is_probing(&cluster, 2));
    let Message::AppendEntries { entries, .. } = &rest.message else { unreachable!() };
    assert!(
        sent.iter().any(
            |mail| matches!(&mail.message, Message::AppendEntries { entries: got, .. } if got == entries)
        ),
        "{sent:?}"
    );
}

#[test]
fn a_known_follower_is_sent_entries_ahead_of_its_answers() {
    let mut cluster = settled_leader(|_| ());
    for command in ["1@2", "1@3", "1@4"] {
        cluster.propose(1, command);
    }
    let stream = [1, 2, 3].map(|prev| append(at(1, prev), &[1], 1));
    assert_eq!(sent_to_2(&mut cluster), stream);
    assert_eq!(progress(&cluster, 2).next(), LogIndex(5));
    assert_eq!(progress(&cluster, 2).matched(), LogIndex(1));
}

mod windows {
    use super::*;

    #[test]
    fn a_full_window_stops_the_stream_until_an_answer_makes_room() {
        let mut cluster = settled_leader(|config| config.max_inflight_messages = 2);
        for command in ["1@2", "1@3", "1@4", "1@5"] {
            cluster.propose(1, command);
        }
        assert_eq!(sent_to_2(&mut cluster), [1, 2].map(|prev| append(at(1, prev), &[1], 1)));
        cluster.tell(1, 3, 1, matched(1)); // of somebody else, and old
        let sent = cluster.tell(1, 2, 1, matched(2));
        assert!(sent.contains(&envelope(1, 2, 1, append(at(1, 3), &[1, 1], 2))), "all that fits: {sent:?}");
        let ProgressState::Replicate(inflights) = progress(&cluster, 2).state().clone() else { panic!() };
        assert_eq!(inflights.len(), 2);
        cluster.tell(1, 2, 1, matched(5));
        let ProgressState::Replicate(inflights) = progress(&cluster, 2).state().clone() else { panic!() };
        assert!(inflights.is_empty(), "the last place is freed too");
    }

    #[test]
    fn a_window_is_full_by_bytes_too() {
        let mut cluster = settled_leader(|config| config.max_inflight_bytes = ByteCount(5));
        for command in ["1@2", "1@3", "1@4"] {
            cluster.propose(1, command);
        }
        assert_eq!(sent_to_2(&mut cluster).len(), 2, "6 bytes: the last message overshoots");
        cluster.tell(1, 2, 1, matched(2));
        cluster.propose(1, "1@5");
        assert_eq!(progress(&cluster, 2).next(), LogIndex(5));
    }

    /// With a full window an empty message asks how far the follower is: its acknowledgements may be lost.
    #[test]
    fn behind_a_full_window_an_empty_message_still_goes_out() {
        let mut cluster = settled_leader(|config| config.max_inflight_messages = 1);
        cluster.propose(1, "1@2");
        cluster.propose(1, "1@3");
        cluster.mail.clear();
        let question = envelope(1, 2, 1, append(at(1, 2), &[], 1));
        assert_eq!(cluster.tell(1, 2, 1, heartbeat_reply(None)), [question]);
        assert!(progress(&cluster, 2).is_paused());
        let sent = cluster.tell(1, 2, 1, matched(2));
        assert!(sent.contains(&envelope(1, 2, 1, append(at(1, 2), &[1], 2))), "{sent:?}");
    }

    #[test]
    fn a_message_holds_what_fits_and_one_entry_in_any_case() {
        for (limit, first) in [(0, 1), (2, 1), (3, 1), (6, 2), (8, 2), (9, 3), (100, 3)] {
            let mut cluster = new_leader(|config| config.max_message_bytes = ByteCount(limit));
            for command in ["1@2", "1@3", "1@4"] {
                cluster.propose(1, command);
            }
            cluster.tell(1, 3, 1, matched(1)); // commits the first entry, so that only entries are sent below
            let sent = cluster.tell(1, 2, 1, matched(1));
            let with_entries = sent.iter().filter_map(|mail| match &mail.message {
                Message::AppendEntries { entries, .. } if !entries.is_empty() => Some(entries.len()),
                _ => None,
            });
            let lengths: Vec<_> = with_entries.collect();
            assert_eq!(lengths[0], first, "limit {limit}");
            assert_eq!(lengths.iter().sum::<usize>(), 3, "limit {limit}: all are sent");
        }
    }

    /// One follower that cannot take anything does not keep the others waiting.
    #[test]
    fn a_paused_follower_holds_nobody_else_up() {
        let mut cluster = new_leader(|_| ());
        cluster.tell(1, 3, 1, matched(1));
        cluster.propose(1, "1@2");
        assert!(progress(&cluster, 2).is_paused());
        assert_eq!(cluster.mail, [envelope(1, 3, 1, append(at(1, 1), &[1], 1))]);
    }
}

mod losses {
    use super::*;

    #[test]
    fn a_lost_probe_is_sent_again_when_the_follower_answers_a_heartbeat() {
        let mut cluster = new_leader(|_| ());
        let sent = cluster.tell(1, 2, 1, heartbeat_reply(None));
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].message.kind(), "AppendEntries");
        assert!(progress(&cluster, 2).is_paused());
    }

    /// A follower that lacks nothing, but refuses it: it is asked, with nothing to send,
    /// until it says that it matches.
    #[test]
    fn a_probe_goes_on_until_it_is_answered_even_with_nothing_to_send() {
        let mut cluster = settled_leader(|_| ());
        let probe = envelope(1, 2, 1, append(at(1, 1), &[], 1));
        for answer in [mismatched(9, at(0, 0)), heartbeat_reply(None)] {
            assert_eq!(cluster.tell(1, 2, 1, answer), std::slice::from_ref(&probe));
            assert!(is_probing(&cluster, 2));
        }
        cluster.tell(1, 2, 1, matched(1));
        assert!(!is_probing(&cluster, 2));
    }

    #[test]
    fn a_follower_that_has_everything_is_left_in_peace() {
        let mut cluster = settled_leader(|_| ());
        assert_eq!(cluster.tell(1, 2, 1, heartbeat_reply(None)), []);
    }

    /// A gap in the stream is refused, and everything behind it is sent again.
    #[test]
    fn lost_entries_are_sent_again() {
        let mut cluster = Cluster::plain(3);
        cluster.elect(1);
        cluster.propose(1, "a");
        cluster.take(1, 2, "AppendEntries");
        cluster.propose(1, "b");
        cluster.settle();
        assert_eq!(cluster.log(2), [1, 1, 1]);
        assert!(!is_probing(&cluster, 2));
    }

    /// The driver knows it at once, an answer to a heartbeat tells it later.
    #[test]
    fn a_peer_that_cannot_be_reached_is_probed_from_what_it_has_acknowledged() {
        let mut cluster = settled_leader(|_| ());
        cluster.propose(1, "1@2");
        cluster.mail.clear();
        assert_eq!(progress(&cluster, 2).next(), LogIndex(3));
        cluster.act(1, |raft| raft.report_unreachable(node(2))).expect("it follows");
        assert!(is_probing(&cluster, 2) && progress(&cluster, 2).next() == LogIndex(2));
        let report = |cluster: &mut Cluster, id: u64, peer| {
            cluster.act(id, |raft| raft.report_unreachable(node(peer)))
        };
        for stranger in [1, 9] {
            let no_member = ReportError::NoMember { peer: node(stranger) };
            assert_eq!(report(&mut cluster, 1, stranger), Err(no_member));
        }
        cluster.settle();
        let not_leader = ReportError::NotLeader { leader: cluster.raft(2).leader() };
        assert_eq!(report(&mut cluster, 2, 3), Err(not_leader));
    }

    #[test]
    fn lost_acknowledgements_are_asked_for_with_the_heartbeats() {
        let mut cluster = Cluster::configured(2, |config| {
            plain(config);
            config.max_inflight_messages = 1;
        });
        cluster.elect(1);
        cluster.propose(1, "a");
        cluster.deliver_to(2);
        cluster.take(2, 1, "AppendEntriesReply");
        cluster.propose(1, "b");
        assert_eq!(cluster.mail, []);
        cluster.tick(1, 2);
        cluster.settle();
        assert_eq!(cluster.commit(1), 3);
        assert_eq!(cluster.commit(2), 3);
    }
}

mod refusals {
    use super::*;

    #[test]
    fn a_refusal_turns_the_stream_into_a_probe_behind_what_is_known() {
        let mut cluster = settled_leader(|_| ());
        for command in ["1@2", "1@3"] {
            cluster.propose(1, command);
        }
        cluster.mail.clear();
        let probe = envelope(1, 2, 1, append(at(1, 1), &[1, 1], 1));
        assert_eq!(cluster.tell(1, 2, 1, mismatched(2, at(1, 1))), [probe]);
        assert!(is_probing(&cluster, 2));
        cluster.tell(1, 2, 1, matched(3));
        assert!(!is_probing(&cluster, 2));
    }

    #[test]
    fn a_refusal_is_answered_even_if_the_window_was_full() {
        let mut cluster = settled_leader(|config| config.max_inflight_messages = 1);
        cluster.propose(1, "1@2");
        cluster.mail.clear();
        assert!(progress(&cluster, 2).is_paused());
        let probe = envelope(1, 2, 1, append(at(1, 1), &[1], 1));
        assert_eq!(cluster.tell(1, 2, 1, mismatched(2, at(1, 1))), [probe]);
    }

    /// What was acknowledged cannot be refused any more: such a refusal was overtaken on its way.
    #[test]
    fn a_refusal_of_what_is_acknowledged_is_stale() {
        let mut cluster = settled_leader(|_| ());
        cluster.propose(1, "a");
        cluster.tell(1, 2, 1, matched(2));
        let before = progress(&cluster, 2);
        for probed in [0, 1, 2] {
            assert_eq!(cluster.tell(1, 2, 1, mismatched(probed, at(0, 0))), []);
        }
        assert_eq!(progress(&cluster, 2), Progress::clone(&before));
    }

    #[test]
    fn a_probe_takes_only_the_refusal_of_itself() {
        let mut cluster = Cluster::with_logs(1, &[&[1, 1, 1], &[], &[]], plain);
        cluster.campaign(1);
        cluster.tell(1, 3, 2, vote(true));
        for other in [0, 1, 2, 4] {
            assert_eq!(cluster.tell(1, 2, 2, mismatched(other, at(0, 0))), []);
            assert_eq!(progress(&cluster, 2).next(), LogIndex(4));
        }
        assert_eq!(cluster.tell(1, 2, 2, mismatched(3, at(1, 1))).len(), 1);
        assert_eq!(progress(&cluster, 2).next(), LogIndex(2));
        assert_eq!(cluster.tell(1, 2, 2, mismatched(3, at(1, 1))), [], "repeated");
    }

    /// A follower may not lose what it has acknowledged, whatever it says.
    #[test]
    fn a_probe_never_goes_back_behind_what_is_acknowledged() {
        let mut cluster = settled_leader(|_| ());
        cluster.propose(1, "a");
        cluster.tell(1, 2, 1, mismatched(2, at(0, 0)));
        cluster.tell(1, 2, 1, mismatched(1, at(0, 0)));
        assert_eq!(progress(&cluster, 2).matched(), LogIndex(1));
        assert_eq!(progress(&cluster, 2).next(), LogIndex(2));
    }

    /// The hint says what may match, not what does.
    #[test]
    fn a_hint_is_no_acknowledgement() {
        let mut cluster = Cluster::with_logs(1, &[&[1, 1, 1], &[], &[]], plain);
        cluster.campaign(1);
        cluster.tell(1, 3, 2, vote(true));
        cluster.tell(1, 2, 2, mismatched(3, at(1, 2)));
        assert_eq!(progress(&cluster, 2).matched(), LogIndex(0));
    }

    /// A hint beyond the probe or the log leads no further than the probe.
    #[test]
    fn a_probe_only_goes_back() {
        let mut cluster = Cluster::with_logs(1, &[&[1, 1, 1], &[], &[]], plain);
        cluster.campaign(1);
        cluster.tell(1, 3, 2, vote(true));
        cluster.tell(1, 2, 2, mismatched(3, at(1, 9)));
        assert_eq!(progress(&cluster, 2).next(), LogIndex(3));
    }
}

mod acknowledgements {
    use super::*;

    #[test]
    fn what_is_acknowledged_only_grows() {
        let mut cluster = settled_leader(|_| ());
        cluster.propose(1, "a");
        cluster.propose(1, "b");
        cluster.tell(1, 2, 1, matched(3));
        cluster.tell(1, 2, 1, matched(2));
        assert_eq!(progress(&cluster, 2).matched(), LogIndex(3));
        assert_eq!(progress(&cluster, 2).next(), LogIndex(4));
    }

    /// It may be the answer to an empty message, which says that the follower is there and matches so far.
    #[test]
    fn an_acknowledgement_of_what_is_known_ends_a_probe() {
        let mut cluster = settled_leader(|_| ());
        cluster.propose(1, "1@2");
        cluster.tell(1, 2, 1, mismatched(2, at(1, 1)));
        assert!(is_probing(&cluster, 2) && progress(&cluster, 2).is_paused());
        let stream = envelope(1, 2, 1, append(at(1, 1), &[1], 1));
        assert_eq!(cluster.tell(1, 2, 1, matched(1)), [stream]);
        assert!(!is_probing(&cluster, 2));
    }

    /// An acknowledgement of an old probe may pass what has been sent since.
    #[test]
    fn an_acknowledgement_moves_the_stream_forward() {
        let mut cluster = settled_leader(|_| ());
        cluster.propose(1, "a");
        cluster.propose(1, "b");
        cluster.tell(1, 2, 1, mismatched(3, at(1, 1)));
        cluster.tell(1, 2, 1, matched(3));
        assert_eq!(progress(&cluster, 2).next(), LogIndex(4));
    }
}

mod commits {
    use super::*;

    #[test]
    fn a_commit_is_told_at_once() {
        let mut cluster = settled_leader(|_| ());
        cluster.propose(1, "a");
        cluster.mail.clear();
        let news = |to| envelope(1, to, 1, append(at(1, 2), &[], 2));
        assert_eq!(cluster.tell(1, 2, 1, matched(2)), [news(2), news(3)]);
    }

    #[test]
    fn a_follower_that_could_not_be_told_learns_it_with_its_next_answer() {
        let mut cluster = new_leader(|_| ());
        cluster.tell(1, 3, 1, matched(1));
        assert_eq!(cluster.commit(1), 1);
        assert_eq!(cluster.tell(1, 2, 1, matched(1)), [envelope(1, 2, 1, append(at(1, 1), &[], 1))]);
        assert_eq!(cluster.tell(1, 2, 1, matched(1)), [], "it has been told");
    }

    /// A follower's log may hold anything behind what it has acknowledged.
    #[test]
    fn a_heartbeat_commits_only_what_is_acknowledged() {
        let mut cluster = settled_leader(|_| ());
        cluster.propose(1, "a");
        cluster.tell(1, 2, 1, matched(2));
        cluster.mail.clear();
        cluster.tick(1, 2);
        let expected = [envelope(1, 2, 1, heartbeat(2, None)), envelope(1, 3, 1, heartbeat(1, None))];
        assert_eq!(cluster.mail, expected);
    }

    #[test]
    fn a_heartbeat_moves_the_commit_index() {
        let mut cluster = Cluster::with_logs(1, &[&[1, 1], &[], &[]], plain);
        cluster.tell(1, 2, 1, heartbeat(1, None));
        assert_eq!(cluster.commit(1), 1);
    }
}
