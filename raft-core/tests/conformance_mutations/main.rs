//! What etcd's files notice: bugs are put into a copy of the core, one at a time, and named files must fail.
//!
//! The copy is built and tested once per bug, which takes some minutes, so that test is asked for by name:
//!
//! ```text
//! ETCD_RAFT_DIR=/absolute/path cargo test -p raft-core --test conformance_mutations -- --ignored --nocapture
//! ```
//!
//! With `MUTATION` set, only bugs whose names contain it are tried.
//!
//! That each bug can still be put in is checked every time.

mod catalogue;
mod laboratory;

use catalogue::Mutation;

fn mutations() -> Vec<Mutation> {
    catalogue::parse(include_str!("mutations.txt")).expect("the catalogue can be read")
}

#[test]
fn every_mutation_can_be_put_in() {
    let mutations = mutations();
    for mutation in &mutations {
        let path = laboratory::core().join(&mutation.file);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        mutation.apply_to(&text).unwrap_or_else(|problem| panic!("{}: {problem}", mutation.name));
        assert!(!mutation.red.is_empty(), "{} names no file that fails", mutation.name);
    }
    assert!(20 <= mutations.len(), "{} mutations are few", mutations.len());
}

#[test]
#[ignore = "it builds the core once per mutation, and needs ETCD_RAFT_DIR"]
fn every_mutation_turns_its_files_red() {
    assert!(std::env::var("ETCD_RAFT_DIR").is_ok(), "ETCD_RAFT_DIR must say where etcd's files are");
    let laboratory = laboratory::Laboratory::set_up();
    let failing = laboratory.failing_files();
    assert_eq!(failing, Ok(Vec::new()), "without a mutation nothing fails");
    let mut unnoticed = Vec::new();
    let mut mutations = mutations();
    let wanted = std::env::var("MUTATION").unwrap_or_default();
    mutations.retain(|mutation| mutation.name.contains(&wanted));
    for mutation in &mutations {
        let outcome = laboratory.with(mutation, laboratory::Laboratory::failing_files);
        let missing = match &outcome {
            Ok(failing) => mutation.red.iter().filter(|file| !failing.contains(file)).cloned().collect(),
            Err(problem) => vec![problem.clone()],
        };
        println!("{}: {}", mutation.name, outcome.unwrap_or_default().join(" "));
        if !missing.is_empty() {
            unnoticed.push(format!("{}: not failing: {}", mutation.name, missing.join(" ")));
        }
    }
    let noticed = mutations.len() - unnoticed.len();
    println!("{noticed} of {} mutations turn their files red", mutations.len());
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}
