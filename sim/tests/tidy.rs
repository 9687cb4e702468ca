//! House rules that no compiler checks, applied to every file of the workspace.
//!
//! A rule is a function from files to complaints, so each is tried on files made up to break it before it is believed
//! about the real ones.

#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/reading_order.rs"]
mod reading_order;
#[path = "tidy/sources.rs"]
mod sources;
#[path = "tidy/scenarios.rs"]
mod scenarios;
#[path = "tidy/documents.rs"]
mod documents;

use tree::File;

/// Applies a rule to the workspace.
fn assert_tidy(rule: fn(&[File]) -> Vec<String>) {
    let files = tree::workspace();
    assert!(files.iter().any(|file| file.path == "sim/src/lib.rs"), "this is not the workspace");
    let complaints = rule(&files);
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn modules_use_only_what_stands_above_them() {
    assert_tidy(reading_order::complaints);
}

#[test]
fn nothing_is_left_over() {
    assert_tidy(sources::leftovers);
}

#[test]
fn every_source_file_begins_with_a_page() {
    assert_tidy(sources::missing_pages);
}

#[test]
fn no_file_is_too_long() {
    assert_tidy(sources::long_files);
}

#[test]
fn no_path_of_one_machine_is_mentioned() {
    assert_tidy(sources::absolute_paths);
}

#[test]
fn every_member_inherits_the_lints() {
    assert_tidy(sources::members_without_lints);
}

#[test]
fn scenarios_and_snapshots_come_in_pairs() {
    assert_tidy(scenarios::unpaired);
}

#[test]
fn documents_point_to_files_that_exist() {
    assert_tidy(documents::dead_links);
}

#[test]
fn documents_mention_files_that_exist() {
    assert_tidy(documents::unknown_paths);
}
