//! Every scenario has its golden trace, and every golden trace its scenario.

use std::collections::BTreeSet;

use crate::tree::File;

pub(crate) fn unpaired(files: &[File]) -> Vec<String> {
    let scenarios = names(files, "scenarios/", ".ron");
    let snapshots = names(files, "snapshots/", ".snap");
    let without_snapshot = scenarios
        .difference(&snapshots)
        .map(|name| format!("scenarios/{name}.ron has no snapshots/{name}.snap"));
    let without_scenario = snapshots
        .difference(&scenarios)
        .map(|name| format!("snapshots/{name}.snap has no scenarios/{name}.ron"));
    without_snapshot.chain(without_scenario).collect()
}

/// The names of the files in this directory that end so.
fn names<'a>(files: &'a [File], directory: &str, extension: &str) -> BTreeSet<&'a str> {
    let name = |file: &'a File| file.path.strip_prefix(directory)?.strip_suffix(extension);
    files.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_or_a_snapshot_alone_is_found() {
        let scenario = || File::new("scenarios/a.ron", "");
        let snapshot = || File::new("snapshots/a.snap", "");
        assert_eq!(unpaired(&[scenario(), snapshot()]), [""; 0]);
        assert_eq!(unpaired(&[scenario()]), ["scenarios/a.ron has no snapshots/a.snap"]);
        assert_eq!(unpaired(&[snapshot()]), ["snapshots/a.snap has no scenarios/a.ron"]);
        assert_eq!(unpaired(&[scenario(), File::new("snapshots/b.snap", "")]).len(), 2);
    }
}
