//! Tests of the runner: that it reads what is written, and that a wrong expectation fails.

use libtest_mimic::{Failed, Trial};

use crate::{
    datadriven::{self, Argument, Directive},
    expectation,
    quote::quoted,
    random_scripts,
    suite::{self, Language},
};

/// A test of the runner and its name.
type SelfTest = (&'static str, fn());

const SELF_TESTS: [SelfTest; 8] = [
    ("directives_are_read_as_they_are_written", directives_are_read_as_they_are_written),
    ("what_cannot_be_read_is_refused", what_cannot_be_read_is_refused),
    ("log_lines_of_the_expectation_do_not_count", log_lines_of_the_expectation_do_not_count),
    ("a_wrong_expectation_about_quorums_fails", a_wrong_expectation_about_quorums_fails),
    ("a_wrong_expectation_about_changes_fails", a_wrong_expectation_about_changes_fails),
    ("a_wrong_expectation_of_an_interaction_fails", a_wrong_expectation_of_an_interaction_fails),
    ("bytes_are_quoted", bytes_are_quoted),
    ("random_scripts_are_answered", random_scripts::random_scripts_are_answered),
];

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, test): SelfTest| {
        Trial::test(format!("runner/{name}"), move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    SELF_TESTS.into_iter().map(trial).collect()
}

fn argument(key: &str, values: &[&str]) -> Argument {
    Argument { key: key.to_owned(), values: values.iter().map(|value| (*value).to_owned()).collect() }
}

fn directives_are_read_as_they_are_written() {
    let text = "# a comment\n\n one a=(1, 2,(3,4)) b=x c d= \\\n  e=()\nin\n put\n----\nout\n\n----x\ntwo\n----\n----\n\nkept\n----\n----\n";
    let text = text.replace("----x\n", "");
    let directives = datadriven::parse(&text).expect("it is in order");
    let expected = [
        Directive {
            line: 3,
            command: "one".to_owned(),
            arguments: vec![
                argument("a", &["1", "2", "(3,4)"]),
                argument("b", &["x"]),
                argument("c", &[]),
                argument("d", &[""]),
                argument("e", &[]),
            ],
            input: "in\n put".to_owned(),
            expected: "out\n".to_owned(),
        },
        Directive {
            line: 10,
            command: "two".to_owned(),
            arguments: Vec::new(),
            input: String::new(),
            expected: "\nkept\n".to_owned(),
        },
    ];
    assert_eq!(directives, expected);
    assert_eq!(directives[0].values("b"), Some(&["x".to_owned()][..]));
    assert_eq!(directives[0].bare_keys().collect::<Vec<_>>(), ["c", "e"]);
}

fn what_cannot_be_read_is_refused() {
    assert_eq!(datadriven::parse("one\ntwo\n"), Err("line 1: no ---- follows".to_owned()));
    assert_eq!(datadriven::parse("\none a=(1\n----\n"), Err("line 2: no ) for (1".to_owned()));
    assert!(
        suite::run("# nothing\n", Language::Quorum).is_err(),
        "a script without directives proves nothing"
    );
}

fn log_lines_of_the_expectation_do_not_count() {
    let agreeing = [
        ("a\n  INFO 1 said something\nb\n", "a\nb\n"),
        ("a\n", "a"),
        ("", ""),
        ("ok\n", "ok"),
        ("WARN x\nERROR y\n", "ok"),
        ("DEBUG x\nFATAL y\n", ""),
    ];
    for (expected, actual) in agreeing {
        assert!(expectation::agrees(expected, actual), "{expected:?} {actual:?}");
    }
    let disagreeing = [
        ("a\n", ""),
        ("", "ok"),
        ("a\nb\n", "b\na\n"),
        ("a\n", "a\nINFO x\n"),
        ("a\n", "a\n\n"),
        ("  a\n", "a\n"),
        ("INFO x\na\n", "ok"),
        ("INFORM\n", ""),
    ];
    for (expected, actual) in disagreeing {
        assert!(!expectation::agrees(expected, actual), "{expected:?} {actual:?}");
    }
}

/// Runs a script as it is, and with each line of its expectations changed, left out, or doubled.
fn assert_each_line_counts(script: &str, language: Language) {
    suite::run(script, language).expect("it is right as it is");
    let lines: Vec<&str> = script.lines().collect();
    let mut changed = 0;
    let mut is_output = false;
    for (position, line) in lines.iter().enumerate() {
        let was_output = is_output && !line.is_empty();
        is_output = *line == "----" || was_output;
        if !was_output {
            continue;
        }
        for replacement in [vec![format!("{line}x")], vec![], vec![(*line).to_owned(), (*line).to_owned()]] {
            let mut copy: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            copy.splice(position..=position, replacement);
            let wrong = copy.join("\n");
            assert!(suite::run(&wrong, language).is_err(), "this passed:\n{wrong}");
            changed += 1;
        }
    }
    assert!(0 < changed, "there is no line of output in it");
}

fn a_wrong_expectation_about_quorums_fails() {
    let script = "\
committed cfg=(1,2) cfgj=(3) idx=(7,_,5)
----
       idx
xx>      7    (id=1)
?        0    (id=2)
x>       5    (id=3)
0

vote cfg=(1,2,3) votes=(y,n,_)
----
VotePending

vote cfg=(1) votes=(y,n)
----
error: mismatched input (explicit or _) for voters [1]: [2 1]
";
    assert_each_line_counts(script, Language::Quorum);
}

fn a_wrong_expectation_about_changes_fails() {
    let script = "\
simple
v1
----
voters=(1)
1: StateProbe match=0 next=1

enter-joint autoleave=true
v2 l1 l3 v0
----
voters=(2)&&(1) learners=(3) learners_next=(1) autoleave
1: StateProbe match=0 next=1
2: StateProbe match=0 next=1
3: StateProbe match=0 next=1 learner

simple
v9
----
can't apply simple config change in joint config
";
    assert_each_line_counts(script, Language::ConfChange);
}

fn a_wrong_expectation_of_an_interaction_fails() {
    let scripts = [
        include_str!("scripts/late_writes_vouch_for_nothing.txt"),
        include_str!("scripts/requests_and_refusals.txt"),
    ];
    for script in scripts {
        assert_each_line_counts(script, Language::Interaction);
    }
}

fn bytes_are_quoted() {
    let cases: [(&[u8], &str); 6] = [
        (b"", r#""""#),
        (b"\"foo\" \\", r#""\"foo\" \\""#),
        (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
        (b"\x00\x7f\xff\xc3", r#""\x00\x7f\xff\xc3""#),
        ("é世\u{1f600}".as_bytes(), "\"é世\u{1f600}\""),
        ("\u{a0}\u{200b}\u{10ffff}".as_bytes(), r#""\u00a0\u200b\U0010ffff""#),
    ];
    for (bytes, expected) in cases {
        assert_eq!(quoted(bytes), expected);
    }
}
