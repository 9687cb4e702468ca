//! Trouble by order: clocks that are off, disks that fail. Scripts bring it.

use super::Tank;
use crate::{
    client::Workload,
    disk::{Damage, DiskFault, DiskOperation},
    time::Span,
    trace::LineKind,
};

impl<W: Workload> Tank<W> {
    /// Puts a machine's clock forward, and has it gain so many parts per million from now on, or lose them if negative.
    /// `false` if it does so already.
    ///
    /// # Panics
    /// When the clock would stand still or run backwards.
    pub fn skew(&mut self, position: usize, forward: Span, parts_per_million: i64) -> bool {
        let now = self.now;
        let machine = &mut self.machines[position];
        if !machine.skew_clock(now, forward, parts_per_million) {
            return false;
        }
        let id = self.cluster[position].id;
        self.count_fault([15, id.number(), forward.0]);
        self.line(LineKind::Fault, None, || {
            let pace = match parts_per_million {
                0 => "keeps time".to_owned(),
                1.. => format!("gains {parts_per_million} parts in a million"),
                _ => format!("loses {} parts in a million", parts_per_million.unsigned_abs()),
            };
            match forward {
                Span::ZERO => format!("the clock of {id} {pace}"),
                _ => format!("the clock of {id} is put forward by {forward} and {pace}"),
            }
        });
        self.reschedule(position);
        true
    }

    /// How many parts per million a machine's clock gains.
    pub fn drift_ppm(&self, position: usize) -> i64 {
        self.machines[position].drift_ppm()
    }

    /// Orders a fault of a machine's disk. `false` if it waits already.
    pub fn order_disk_fault(&mut self, position: usize, fault: DiskFault) -> bool {
        if !self.machines[position].disk_mut().order(fault) {
            return false;
        }
        let id = self.cluster[position].id;
        let [kind, detail] = match fault {
            DiskFault::Fail(operation) => [0, operation as u64],
            DiskFault::Full => [1, 0],
            DiskFault::Tear { bytes } => [2, bytes],
            DiskFault::Rot(Damage::Bit(byte)) => [3, byte],
            DiskFault::Rot(Damage::Sector(sector)) => [4, sector],
        };
        self.count_event(6, [16, id.number(), kind, detail]);
        self.line(LineKind::Fault, None, || format!("the disk of {id} {}", describe(fault)));
        true
    }

    /// Whether a fault of a machine's disk was ordered and has made no difference yet.
    pub fn disk_fault_waits(&self, position: usize, fault: DiskFault) -> bool {
        self.machines[position].disk().waits(fault)
    }

    /// Makes room on a full disk. `false` if it is not full.
    pub fn make_room(&mut self, position: usize) -> bool {
        if !self.machines[position].disk_mut().make_room() {
            return false;
        }
        let id = self.cluster[position].id;
        self.count_fault([17, id.number(), 0]);
        self.line(LineKind::Fault, None, || format!("the disk of {id} has room again"));
        true
    }
}

/// What a fault does to a disk.
fn describe(fault: DiskFault) -> String {
    match fault {
        DiskFault::Fail(DiskOperation::Read) => "fails at its next read".to_owned(),
        DiskFault::Fail(DiskOperation::Write) => "fails at its next write".to_owned(),
        DiskFault::Fail(DiskOperation::Sync) => "fails at its next sync".to_owned(),
        DiskFault::Full => "is full".to_owned(),
        DiskFault::Tear { bytes } => {
            format!("tears its last write behind {bytes} bytes when the power fails")
        }
        DiskFault::Rot(Damage::Bit(byte)) => format!("has a flipped bit in byte {byte}"),
        DiskFault::Rot(Damage::Sector(sector)) => format!("has lost sector {sector}"),
    }
}
