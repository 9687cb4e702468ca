//! scratch
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let program = &args[1];
    let seeds: u64 = args[2].parse().unwrap();
    let t = std::time::Instant::now();
    let s = wavetank::explore::explore(program, 0..seeds, |_| ()).unwrap();
    println!(
        "passed {} failed {} inc {} events {} in {:?}",
        s.passed,
        s.failed.len(),
        s.inconclusive.len(),
        s.events,
        t.elapsed()
    );
    println!("median {:?}", s.median());
    for o in s.failed.iter().chain(&s.inconclusive).take(12) {
        println!("{} {}", o.seed, o.verdict);
    }
    println!("{:#?}\n{:#?}", s.faults, s.checks);
}
