//! §3.7: crashes, and the repetitions that they cause.

use super::*;

/// A lost answer makes the sender repeat its request, so repetition must do no harm.
#[test]
fn repeated_entries_are_answered_again_and_change_nothing() {
    let mut cluster = Cluster::new(3);
    let message = append(at(0, 0), &[1, 1], 1);
    let first = cluster.tell(1, 2, 1, message.clone());
    let before = cluster.raft(1).clone();
    let waiting = cluster.tell(1, 2, 1, append(at(1, 1), &[1], 1));
    assert_eq!(waiting, first);
    assert_eq!(*cluster.raft(1), before);
    cluster.tell(1, 2, 1, message);
    assert_eq!(*cluster.raft(1), before);
}
