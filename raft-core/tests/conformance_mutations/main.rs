//! What etcd's files notice: bugs are put into a copy of the core, one at a time, and named files must fail.
//!
//! The copy is built and tested once per bug, which takes some minutes, so it is done only on request:
//!
//! ```text
//! CONFORMANCE_MUTATIONS=all ETCD_RAFT_DIR=... cargo test -p raft-core --test conformance_mutations -- --nocapture
//! ```
//!
//! In place of `all` a part of their names selects some of the bugs. That each of them can still be put in is checked
//! every time.

mod catalogue;
mod laboratory;

use std::env;

use catalogue::Mutation;

/// The variable by which the long test is asked for.
const REQUEST: &str = "CONFORMANCE_MUTATIONS";

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
fn every_mutation_turns_its_files_red() {
    let Ok(wanted) = env::var(REQUEST) else {
        println!("skipped, for it builds the core once per mutation; to run it set {REQUEST}=all");
        return;
    };
    let files = env::var("ETCD_RAFT_DIR").expect("ETCD_RAFT_DIR says where etcd's files are");
    let files = std::fs::canonicalize(files).expect("etcd's files are there");
    let mut mutations = mutations();
    mutations.retain(|mutation| wanted == "all" || mutation.name.contains(&wanted));
    assert!(!mutations.is_empty(), "no mutation is called {wanted}");
    let laboratory = laboratory::Laboratory::set_up(files);
    let failing = laboratory.failing_files();
    assert_eq!(failing, Ok(Vec::new()), "without a mutation nothing fails");
    let mut unnoticed = Vec::new();
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
