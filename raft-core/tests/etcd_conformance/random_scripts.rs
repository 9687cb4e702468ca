//! Scripts made up at random: whatever they ask for, servers answer, and refuse no message of one another.
//!
//! They say nothing of what is printed. They are for what no script that somebody thought of runs into.

use crate::{datadriven, interaction};

/// How many scripts, and how many directives in each.
const SCRIPTS: u64 = 300;
const DIRECTIVES: u64 = 60;

/// What some answer must hold, lest the scripts be too tame.
const RICHES: [&str; 12] = [
    "MsgSnap",
    "MsgTimeoutNow",
    "MsgTransferLeader",
    "MsgProp",
    "MsgPreVote",
    "Rejected",
    "MsgStorageAppendResp",
    "StateCandidate",
    "AutoLeave:true",
    "LearnersNext:[1",
    "raft proposal dropped",
    "cannot step as peer not found",
];

/// Runs them all.
pub(crate) fn random_scripts_are_answered() {
    let mut met = [0_u64; RICHES.len()];
    for seed in 0..SCRIPTS {
        let script = Author { state: seed }.script();
        let mut environment = interaction::Environment::default();
        for directive in datadriven::parse(&script).expect("it is well made") {
            let answer = environment.run(&directive).expect("it is answered");
            let is_refused = answer.contains("refused:") || answer.contains("does not come to rest");
            for (count, word) in met.iter_mut().zip(RICHES) {
                *count += u64::from(answer.contains(word));
            }
            assert!(!is_refused, "seed {seed}, line {}: {answer}\n{script}", directive.line);
        }
    }
    for (count, word) in met.into_iter().zip(RICHES) {
        assert!(0 < count, "{word} never occurs in {SCRIPTS} scripts");
    }
}

/// Who makes a script up, and remembers nothing of it but a number.
struct Author {
    state: u64,
}

impl Author {
    /// A number from 0 to `bound` - 1.
    fn roll(&mut self, bound: u64) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % bound
    }

    fn server(&mut self) -> u64 {
        1 + self.roll(4)
    }

    fn script(&mut self) -> String {
        let flags = ["prevote", "checkquorum", "async-storage-writes", "step-down-on-removal"];
        let flags = flags.map(|flag| format!(" {flag}={}", self.roll(2) == 0)).concat();
        let limit = ["", " inflight=1", " inflight=2 max-committed-size-per-ready=1"][self.roll(3) as usize];
        let mut script = format!("add-nodes 3 voters=(1,2,3) index=3{flags}{limit}\n----\n\n");
        script
            .push_str(&format!("add-nodes 1{flags}{limit}\n----\n\ncampaign 1\n----\n\nstabilize\n----\n\n"));
        for _ in 0..DIRECTIVES {
            script.push_str(&format!("{}\n----\n\n", self.directive()));
        }
        script + "stabilize\n----\n"
    }

    fn directive(&mut self) -> String {
        let (one, other) = (self.server(), self.server());
        match self.roll(24) {
            0 => format!("campaign {one}"),
            1..4 => format!("propose {one} x"),
            4 => format!("propose-conf-change {one}{}\n{}", self.transition(), self.changes()),
            5 => format!("propose-conf-change {one}"),
            6..9 => format!("process-ready {one}"),
            9..12 => format!("deliver-msgs {one}"),
            12 => format!("deliver-msgs drop={one}"),
            13 => format!("deliver-msgs {one} type=MsgApp"),
            14 => format!("process-append-thread {one}"),
            15 => format!("process-apply-thread {one}"),
            16 => format!("tick-heartbeat {one}"),
            17 => format!("tick-election {one}"),
            18 => format!("transfer-leadership from={one} to={other}"),
            19 => format!("forget-leader {one}"),
            20 => format!("report-unreachable {one} {other}"),
            21 => format!("compact {one} {}", 3 + self.roll(12)),
            22 => format!("stabilize {one} {other}"),
            _ => "stabilize".to_owned(),
        }
    }

    fn transition(&mut self) -> &'static str {
        ["", " transition=implicit", " transition=explicit"][self.roll(3) as usize]
    }

    fn changes(&mut self) -> String {
        let count = 1 + self.roll(3);
        let change = |_| format!("{}{}", ["v", "l", "r"][self.roll(3) as usize], self.server());
        (0..count).map(change).collect::<Vec<_>>().join(" ")
    }
}
