//! Recovery: a restarted process starts from exactly what its disk holds.

use super::{Check, Fact, Finding, Watched};

/// Term, vote and log of a recovered process equal an independent reading of its disk.
#[derive(Debug)]
pub struct Recovery;

impl Check for Recovery {
    fn name(&self) -> &'static str {
        "Recovery"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        let (Fact::Recovered { now }, Some(disk)) = (fact, machine.written()) else {
            return Finding::Unconcerned;
        };
        let on_disk = (disk.term, disk.vote, disk.last());
        let recovered = (now.term, now.vote, now.last);
        if recovered != on_disk {
            return Finding::Violated(format!(
                "{} recovered (term, vote, last entry) {recovered:?}, but its disk holds {on_disk:?}",
                machine.id
            ));
        }
        if disk.log.is_empty() { Finding::Trivial } else { Finding::Holds }
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::{Observation, Role, raft_core::EntryId};

    use super::*;
    use crate::checks::testing::{cluster, durable, node, observation};

    #[test]
    fn recovering_anything_else_than_the_disk_holds_is_a_violation() {
        let mut cluster = cluster(1);
        durable(&mut cluster[0], 3, Some(2), &[1, 3]);
        let right =
            Observation { vote: Some(node(2)), last: EntryId::new(3, 2), ..observation(Role::Follower, 3) };
        assert_eq!(Recovery.check(&Fact::Recovered { now: &right }, 0, &cluster), Finding::Holds);
        let wrong = [
            Observation { term: right.term, vote: None, ..right },
            Observation { last: EntryId::new(1, 1), ..right },
            Observation { last: EntryId::new(2, 2), ..right },
        ];
        for now in &wrong {
            let finding = Recovery.check(&Fact::Recovered { now }, 0, &cluster);
            assert!(matches!(finding, Finding::Violated(_)), "{now:?}");
        }
    }
}
