//! The names of where replicas seldom come, for counting.

/// A restart found a snapshot.
pub const RECOVERED: &str = "snapshot_recovered";
/// A snapshot of the replica's own state machine was taken and is durable.
pub const TAKEN: &str = "snapshot_taken";
/// The log on the disk was compacted.
pub const COMPACTED: &str = "log_compacted";
/// The first chunk of a snapshot was sent.
pub const SENDING: &str = "snapshot_sending";
/// A chunk was sent again.
pub const REPEATED: &str = "snapshot_chunk_repeated";
/// The peer has the snapshot, and its implementation has got the message.
pub const SENT: &str = "snapshot_sent";
/// Sending was given up.
pub const FAILED: &str = "snapshot_failed";
/// A snapshot was given up for a newer one while it was being received.
pub const SUPERSEDED: &str = "snapshot_superseded";
/// A snapshot was received, and the implementation had no use for it.
pub const UNWANTED: &str = "snapshot_unwanted";
/// A snapshot has taken the place of the log and of the state machine's state.
pub const INSTALLED: &str = "snapshot_installed";

/// What happens to snapshots.
pub const SNAPSHOTS: [&str; 10] =
    [RECOVERED, TAKEN, COMPACTED, SENDING, REPEATED, SENT, FAILED, SUPERSEDED, UNWANTED, INSTALLED];

/// A change of a single voter or of learners took effect at once.
pub const CHANGED_AT_ONCE: &str = "members_changed_at_once";
/// A joint configuration came into force.
pub const JOINT_ENTERED: &str = "joint_entered";
/// A joint configuration ended by itself.
pub const JOINT_LEFT_AUTOMATICALLY: &str = "joint_left_automatically";
/// A joint configuration was ended by a request.
pub const JOINT_LEFT_ON_REQUEST: &str = "joint_left_on_request";
/// A server that was no member is a learner.
pub const LEARNER_ADDED: &str = "learner_added";
/// A learner votes.
pub const LEARNER_PROMOTED: &str = "learner_promoted";
/// A voter is a learner.
pub const VOTER_DEMOTED: &str = "voter_demoted";
/// A server that was no member votes.
pub const VOTER_ADDED: &str = "voter_added";
/// A server is a member no more.
pub const MEMBER_REMOVED: &str = "member_removed";
/// A leader has put a change in force by which it lost its own vote.
pub const LEADER_REMOVED_ITSELF: &str = "leader_removed_itself";
/// A change was refused because another one may be under way.
pub const CHANGE_PENDING: &str = "change_refused_as_pending";
/// A change was refused for another reason.
pub const CHANGE_REFUSED: &str = "change_refused";
/// A server that had not known that it was a member learned so by a snapshot.
pub const CAUGHT_UP_BY_SNAPSHOT: &str = "member_caught_up_by_snapshot";
/// A snapshot was taken ahead of its time, for a member that the latest one does not know.
pub const TAKEN_FOR_A_NEWCOMER: &str = "snapshot_taken_for_a_newcomer";

/// What happens to members.
pub const MEMBERS: [&str; 14] = [
    CHANGED_AT_ONCE,
    JOINT_ENTERED,
    JOINT_LEFT_AUTOMATICALLY,
    JOINT_LEFT_ON_REQUEST,
    LEARNER_ADDED,
    LEARNER_PROMOTED,
    VOTER_DEMOTED,
    VOTER_ADDED,
    MEMBER_REMOVED,
    LEADER_REMOVED_ITSELF,
    CHANGE_PENDING,
    CHANGE_REFUSED,
    CAUGHT_UP_BY_SNAPSHOT,
    TAKEN_FOR_A_NEWCOMER,
];
