//! The shapes in which a network falls apart, as lists of directed links to cut.

use crate::{
    chance::{Site, labels},
    client::Workload,
    tank::Tank,
};

/// Links from one machine to another, by their places in the cluster.
type Links = Vec<(usize, usize)>;

/// Both directions between everybody in `left` and everybody else, unless `both` hears both sides.
fn between(machines: usize, left: &[usize], both: Option<usize>) -> Links {
    let right = (0..machines).filter(|machine| !left.contains(machine) && Some(*machine) != both);
    right
        .flat_map(|r| left.iter().filter(move |l| Some(**l) != both).flat_map(move |&l| [(l, r), (r, l)]))
        .collect()
}

/// A partition around `victim`.
pub(super) fn parts<W: Workload>(victim: usize, tank: &mut Tank<W>) -> Links {
    let machines = tank.cluster().len();
    let site = Site::global(labels::FAULT_PARTITION);
    match tank.door().choose(site, 5) {
        // It is alone.
        0 => between(machines, &[victim], None),
        // Two parts, drawn machine by machine.
        1 => {
            let left = (0..machines).filter(|_| tank.door().chance(site, 1, 2)).collect::<Vec<_>>();
            between(machines, &left, None)
        }
        // It is in the smaller part; if it leads, it goes on for a while and commits nothing.
        2 => between(machines, &neighbours(victim, (machines - 1) / 2, machines), None),
        // Two parts, and one machine that hears both.
        3 => between(
            machines,
            &neighbours(victim, machines / 2, machines),
            Some((victim + machines - 1) % machines),
        ),
        // A ring: everybody hears the two machines beside it, and no majority hears anybody when there are five
        // or more.
        _ => {
            let apart = |a: usize, b: usize| (a + machines - b) % machines;
            let pairs = (0..machines).flat_map(|a| (0..machines).map(move |b| (a, b)));
            pairs.filter(|&(a, b)| a != b && 1 < apart(a, b) && 1 < apart(b, a)).collect()
        }
    }
}

/// So many machines, beginning with `first`.
fn neighbours(first: usize, count: usize, machines: usize) -> Vec<usize> {
    (0..count.max(1)).map(|offset| (first + offset) % machines).collect()
}

/// One direction of everything between `victim` and the others.
pub(super) fn one_way<W: Workload>(victim: usize, tank: &mut Tank<W>) -> Links {
    let others = (0..tank.cluster().len()).filter(|&other| other != victim);
    if tank.door().chance(Site::global(labels::FAULT_PARTITION), 1, 2) {
        others.map(|other| (victim, other)).collect()
    } else {
        others.map(|other| (other, victim)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_hears_itself_and_nobody_else() {
        let mut links = between(4, &[0, 1], None);
        links.sort_unstable();
        assert_eq!(links, [(0, 2), (0, 3), (1, 2), (1, 3), (2, 0), (2, 1), (3, 0), (3, 1)]);
    }

    #[test]
    fn a_bridge_hears_both_parts() {
        let links = between(5, &[0, 1], Some(4));
        assert!(links.iter().all(|&(from, to)| from != 4 && to != 4));
        assert_eq!(links.len(), 8);
    }
}
