//! The page that `wavetank check --html` draws, in a real browser without a network: what shows, and what a pointer finds.
//!
//! Without a Chromium on the machine the test is skipped, but never where it counts: with `CI=true` it fails.

#![cfg(feature = "cli")]

use std::{
    env, fs,
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
};

/// The names under which Chromium is installed.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A stale read, and a write whose outcome is unknown.
const HISTORY: &str = r#"{"event":"invoke","op":1,"client":1,"time_ns":1,"input":{"put":{"key":"x","value":"<1>"}}}
{"event":"complete","op":1,"time_ns":2,"output":"written"}
{"event":"invoke","op":2,"client":3,"time_ns":3,"input":{"put":{"key":"y","value":"2"}}}
{"event":"abandon","op":2}
{"event":"invoke","op":3,"client":2,"time_ns":4,"input":{"get":{"key":"x"}}}
{"event":"complete","op":3,"time_ns":5,"output":{"value":null}}
"#;

/// Moves a pointer over every bar, and writes down what shows: whether the bar can be reached and has room for its text,
/// what is told about it, and what fades meanwhile.
const PROBE: &str = r#"<script>
const chosen = document.querySelector(".chosen");
const lanes = document.querySelector(".lanes").getBoundingClientRect();
const sight = chosen && chosen.querySelector(".bar").getBoundingClientRect();
const seen = sight && lanes.left <= sight.left && sight.right <= lanes.right ? "in sight" : "out of sight";
const report = ["chosen|" + (chosen ? chosen.id : "none") + "|" + seen];
for (const operation of document.querySelectorAll(".operation")) {
  const bar = operation.querySelector(".bar");
  const box = bar.getBoundingClientRect();
  const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  operation.dispatchEvent(new MouseEvent("mouseenter"));
  const room = bar.getBBox().width - operation.querySelector("text").getBBox().width;
  report.push([
    operation.id,
    hit && operation.contains(hit) ? "reachable" : "hidden",
    7 < room ? "legible" : "cut",
    operation.classList.contains("in-core") ? "core" : "other",
    getComputedStyle(bar).fill,
    document.getElementById("detail").textContent.split("\n")[0],
    "fades " + Array.from(document.querySelectorAll(".faded"), faded => faded.id).join(),
  ].join("|"));
}
const probe = document.createElement("pre");
probe.id = "probe";
probe.textContent = "PROBE\n" + report.join("\n") + "\nEND";
document.body.append(probe);
</script></body>"#;

fn browser() -> Option<&'static str> {
    let starts = |name: &&str| {
        let started =
            Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        started.is_ok_and(|status| status.success())
    };
    let found = BROWSERS.into_iter().find(|name| starts(name));
    if found.is_none() {
        let in_ci = env::var_os("CI").is_some_and(|value| value == "true");
        assert!(
            !in_ci,
            "no browser: the page must be looked at in CI; on Debian, `apt-get install chromium`"
        );
        // Not printed but written, or it would be kept back from who should read it.
        let told =
            writeln!(io::stderr(), "skipped the page in a browser: there is none of {BROWSERS:?} here");
        told.expect("standard error is open");
    }
    found
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The page as a browser has it after its scripts have run. No name can be looked up, so that nothing is loaded.
fn rendered(browser: &str, page: &str) -> String {
    let profile = path("browser");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1200,900"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--dump-dom", page])
        .output()
        .expect("the browser starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a page in UTF-8")
}

#[test]
fn a_browser_shows_every_operation_and_what_is_known_about_it() {
    let Some(browser) = browser() else { return };
    let (history, page) = (path("drawn.jsonl"), path("drawn.html"));
    fs::write(&history, HISTORY).expect("the directory for temporary files can be written");
    let check = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(["check", "--html"])
        .args([&page, &history])
        .stdout(Stdio::null())
        .status()
        .expect("the command starts");
    assert_eq!(check.code(), Some(1), "the history has a violation");
    let text = fs::read_to_string(&page).expect("the page was written");
    fs::write(&page, text.replace("</body>", PROBE)).expect("the page can be written");
    let expected = [
        "op-1|reachable|legible|core|rgb(247, 201, 197)|op 1, client 1: put x=&lt;1&gt;|fades op-2",
        "op-2|reachable|legible|other|rgb(238, 240, 243)|op 2, client 3: put y=2|fades op-1,op-3",
        "op-3|reachable|legible|core|rgb(179, 38, 30)|op 3, client 2: get x|fades op-2",
    ];
    // Unless another one is named, the answer that is wrong is what one sees first.
    for (fragment, chosen) in [("", "op-3"), ("#op-2", "op-2")] {
        let dom = rendered(browser, &format!("file://{}{fragment}", page.display()));
        // The script that looks is part of the page as well; what it found stands last.
        let found = dom.rsplit_once("PROBE\n").and_then(|(_, rest)| rest.split_once("\nEND"));
        let found: Vec<_> = found.unwrap_or_else(|| panic!("{dom}")).0.lines().collect();
        assert_eq!(found[0], format!("chosen|{chosen}|in sight"), "{dom}");
        assert_eq!(found[1..], expected, "{dom}");
    }
}
