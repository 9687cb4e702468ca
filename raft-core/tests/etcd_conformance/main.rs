//! etcd's own data-driven tests, run against this core: the interaction tests, and those of quorums and of changes
//! of membership.
//!
//! They are read from where `ETCD_RAFT_DIR` points to, laid out as the repository of etcd-io/raft is: a clone of it
//! serves. Every `.txt` file there is one test, named after it. Without the variable there is nothing to run, which is
//! said, and is a failure where `CI` is `true`. A variable that names no such directory is one anywhere.
//!
//! Some scripts of ours in the same language stand beside this file, for what etcd's leave open. They are run always.
//!
//! A script is a list of directives with what each is to print. What is printed must be the same byte for byte, but
//! for the lines that etcd's logger writes: its wording is no behaviour, and they are left out of what is expected.
//! The words of etcd's harness live here and nowhere in the core; and nothing in here knows of terms, quorums or
//! progress but what the core says of them.

mod datadriven;
mod expectation;
mod quote;
mod wording;
mod messages;
mod quorum;
mod confchange;
mod interaction;
mod suite;
mod random_scripts;
mod self_tests;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (files, problem) = match suite::discover() {
        Ok(files) => (files, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let found = files.len();
    let mut trials = self_tests::trials();
    let own = suite::own_scripts().expect("they stand beside this file");
    trials.extend(own.into_iter().map(suite::File::into_trial));
    trials.extend(files.into_iter().map(suite::File::into_trial));
    let is_listing = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !is_listing {
        println!("{} of {found} files of etcd-io/raft agree", suite::agreeing());
    }
    match problem {
        None => conclusion.exit_code(),
        Some(problem) => {
            eprintln!("{problem}");
            if suite::is_required() { ExitCode::FAILURE } else { conclusion.exit_code() }
        }
    }
}
