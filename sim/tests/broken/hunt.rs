//! Running histories of a broken program until a check finds it.

use std::{collections::BTreeMap, ops::Range, slice, sync::Arc};

use wavetank::{
    chance::{Door, Random},
    checks::{self, Check},
    program::Program,
    run::{self, Keep, Report, Verdict},
    storm::Storm,
    swarm::RunOptions,
    tank::Tank,
    trace::Trace,
};

/// The whole history of a program that a seed stands for, judged by all checks.
pub(crate) fn run(program: &Arc<dyn Program>, seed: u64) -> Report {
    run::run(&options(program, seed), slice::from_ref(program), Door::new(Random::new(seed)), Keep::default())
}

fn options(program: &Arc<dyn Program>, seed: u64) -> RunOptions {
    RunOptions::draw(program.name(), &mut Door::new(Random::new(seed)))
}

/// Asserts that in one of the seeds this check is the first of all to fire.
pub(crate) fn first(program: &Arc<dyn Program>, check: &str, seeds: Range<u64>) {
    hunt(check, seeds, |seed| match run(program, seed).verdict {
        Verdict::Pass => "(pass)".to_owned(),
        Verdict::Fail(violation) => violation.check,
        Verdict::Inconclusive(_) => "(inconclusive)".to_owned(),
    });
}

/// Asserts that in the storm of one of the seeds this check fires when no other check watches the inner state.
pub(crate) fn alone(program: &Arc<dyn Program>, check: &str, seeds: Range<u64>) {
    hunt(check, seeds, |seed| {
        let only = checks::built_in().into_iter().filter(|built_in| built_in.name() == check).collect();
        let tank = storm(program, only, Trace::default(), seed);
        tank.violation().map_or("(none)".to_owned(), |violation| violation.check.clone())
    });
}

/// The storm of the history that a seed stands for, judged by these checks.
pub(crate) fn storm(
    program: &Arc<dyn Program>,
    checks: Vec<Box<dyn Check>>,
    trace: Trace,
    seed: u64,
) -> Tank {
    let options = options(program, seed);
    let door = Door::new(Random::new(seed));
    let mut tank = Tank::new(options.tank, slice::from_ref(program), checks, door, trace);
    let mut storm = Storm::plan(&options.faults, &mut tank);
    while tank.events() < options.faults.events && storm.step(&mut tank) {}
    tank
}

/// Asks for one seed after the other what was found, until it is what is looked for.
fn hunt(check: &str, seeds: Range<u64>, find: impl Fn(u64) -> String) {
    let mut instead = BTreeMap::<String, u64>::new();
    for seed in seeds.clone() {
        let found = find(seed);
        if found == check {
            return;
        }
        *instead.entry(found).or_default() += 1;
    }
    panic!("{check} was not found in the seeds {seeds:?}. What was found instead, how often: {instead:?}");
}
