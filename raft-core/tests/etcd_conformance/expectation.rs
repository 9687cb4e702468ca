//! Whether what was printed is what was expected, once etcd's own log lines are left out.

/// The first words of the lines that etcd's logger writes: its wording is no behaviour.
const LOG_LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

fn is_log_line(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|word| LOG_LEVELS.contains(&word))
}

/// Whether `actual` is `expected`, byte for byte but for two things: a line feed may be missing at its very end, and
/// log lines of the expectation do not count. Where nothing but log lines was expected, nothing or `ok` will do:
/// with its logger silent etcd prints `ok` there.
pub(crate) fn agrees(expected: &str, actual: &str) -> bool {
    let mut actual = actual.to_owned();
    if !actual.is_empty() && !actual.ends_with('\n') {
        actual.push('\n');
    }
    let (logged, kept): (Vec<&str>, Vec<&str>) =
        expected.split_inclusive('\n').partition(|line| is_log_line(line));
    let kept = kept.concat();
    actual == kept || (kept.is_empty() && !logged.is_empty() && actual == "ok\n")
}

/// The two side by side, line by line, from the first that differs on.
pub(crate) fn difference(expected: &str, actual: &str) -> String {
    let mut expected = expected.lines().filter(|line| !is_log_line(line));
    let mut actual = actual.lines();
    let mut text = String::new();
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return text,
            (Some(left), Some(right)) if left == right => text.push_str(&format!("    {left}\n")),
            (left, right) => {
                text.push_str(&left.map_or_else(String::new, |line| format!("  - {line}\n")));
                text.push_str(&right.map_or_else(String::new, |line| format!("  + {line}\n")));
            }
        }
    }
}
