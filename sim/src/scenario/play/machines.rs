//! Verbs about servers, the links between them, and their disks.

use wavetank_process::{Control, raft_core::NodeId};

use super::{Failure, Played, Player, possible};
use crate::{
    disk::{DiskFault, DiskOptions},
    network::Endpoint,
    scenario::{Fate, Server},
    tank::Status,
    time::Span,
};

const MILLION: i64 = 1_000_000;

impl Player<'_> {
    pub(super) fn campaign(&mut self, server: Server) -> Played {
        self.control(server, Control::Campaign)
    }

    pub(super) fn transfer(&mut self, from: Server, to: Server) -> Played {
        let to = self.id(to)?;
        self.control(from, Control::Transfer(to))
    }

    /// Asks something of a server as its operator. Whoever refuses makes the step one that cannot be taken.
    pub(super) fn control(&mut self, server: Server, control: Control) -> Played {
        let position = self.find(server)?;
        possible(*self.tank.status(position) == Status::Up, "it is not running")?;
        let id = self.tank.cluster()[position].id;
        self.refusal = None;
        let refusal = self.tank.control(position, control);
        refusal.map_or(Ok(()), |reason| Err(Failure::Step(format!("{id} refuses: {reason}"))))
    }

    pub(super) fn crash(&mut self, server: Server, fate: Option<Fate>) -> Played {
        let position = self.find(server)?;
        self.fate.set(fate);
        let crashed = self.tank.crash(position, fate.is_some()).is_some();
        self.fate.set(None);
        self.last_crashed = Some(position);
        possible(crashed, "it is down already")
    }

    pub(super) fn restart(&mut self, server: Server) -> Played {
        let position = self.find(server)?;
        possible(self.tank.restart(position), "it is running")
    }

    pub(super) fn pause(&mut self, server: Server) -> Played {
        let position = self.find(server)?;
        possible(self.tank.pause(position), "it is not running")
    }

    pub(super) fn resume(&mut self, server: Server) -> Played {
        let position = self.find(server)?;
        possible(self.tank.resume(position).is_some(), "it is not paused")
    }

    pub(super) fn slow(&mut self, server: Server, latency: Span) -> Played {
        let position = self.find(server)?;
        let options = DiskOptions { latency_min: latency, latency_mean: latency, ..DiskOptions::default() };
        self.tank.set_disk(position, options);
        Ok(())
    }

    pub(super) fn skew(&mut self, server: Server, ppm: Option<i64>, forward: Span) -> Played {
        let position = self.find(server)?;
        let ppm = ppm.unwrap_or_else(|| self.tank.drift_ppm(position));
        let runs = -MILLION < ppm && ppm <= MILLION;
        possible(runs, "such a clock stands still, or is more than twice as fast as time")?;
        possible(self.tank.skew(position, forward, ppm), "its clock runs so already")
    }

    /// Orders a fault of a disk, and remembers to ask whether it has struck.
    pub(super) fn order(&mut self, server: Server, fault: DiskFault) -> Played {
        let position = self.find(server)?;
        self.ordered.push((position, fault, self.place));
        possible(self.tank.order_disk_fault(position, fault), "this waits already")
    }

    pub(super) fn make_room(&mut self, server: Server) -> Played {
        let position = self.find(server)?;
        possible(self.tank.make_room(position), "its disk is not full")
    }

    pub(super) fn partition(&mut self, groups: &[Vec<Server>]) -> Played {
        let mut group_of = vec![None; self.tank.cluster().len()];
        for (group, servers) in groups.iter().enumerate() {
            for server in servers {
                let position = self.find(*server)?;
                if group_of[position].replace(group).is_some() {
                    let id = self.tank.cluster()[position].id;
                    return Err(Failure::Step(format!("{id} is in two groups")));
                }
            }
        }
        let ids: Vec<_> = self.tank.cluster().iter().map(|machine| machine.id).zip(group_of).collect();
        let pairs = ids.iter().flat_map(|from| ids.iter().map(move |to| (*from, *to)));
        let mut cut = false;
        for ((from, from_group), (to, to_group)) in pairs {
            cut |= from_group != to_group && self.cut_link(from, to);
        }
        possible(cut, "no link is cut by this")
    }

    pub(super) fn cut(&mut self, from: Server, to: Server) -> Played {
        let (from, to) = (self.id(from)?, self.id(to)?);
        possible(self.cut_link(from, to), "there is no such link, or it is cut already")
    }

    /// Cuts one direction of a link. `false` if there is no such link, or if it is cut already.
    fn cut_link(&mut self, from: NodeId, to: NodeId) -> bool {
        let whole = from != to && !self.is_cut(from, to);
        if whole {
            self.tank.cut(from, to);
        }
        whole
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.tank.network().is_cut(Endpoint::Server(from), Endpoint::Server(to))
    }

    pub(super) fn heal(&mut self) -> Played {
        let ids: Vec<_> = self.tank.cluster().iter().map(|machine| machine.id).collect();
        let any_cut = ids.iter().any(|from| ids.iter().any(|to| self.is_cut(*from, *to)));
        possible(any_cut, "every link is whole")?;
        self.tank.mend_all();
        Ok(())
    }
}
