//! What a directive prints.

/// From the most talkative on. Log lines themselves are left out; what remains of a level is that the last of them
/// silences the harness, too.
const LEVELS: [&str; 6] = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL", SILENT];
const SILENT: &str = "NONE";

/// The text of one directive, as far as it is to be seen.
#[derive(Debug)]
pub(super) struct Output {
    text: String,
    level: &'static str,
}

impl Default for Output {
    fn default() -> Self {
        Self { text: String::new(), level: LEVELS[0] }
    }
}

impl Output {
    pub(super) fn clear(&mut self) {
        self.text.clear();
    }

    pub(super) fn level(&self) -> &'static str {
        self.level
    }

    /// Reads the name of a level, in any case.
    pub(super) fn set_level(&mut self, name: &str) -> Result<(), String> {
        let known = LEVELS.into_iter().find(|level| level.eq_ignore_ascii_case(name));
        let levels = LEVELS.join(" ");
        self.level = known.ok_or_else(|| format!("log levels must be either of [{levels}]"))?;
        Ok(())
    }

    pub(super) fn push(&mut self, text: &str) {
        if self.level != SILENT {
            self.text.push_str(text);
        }
    }

    pub(super) fn push_line(&mut self, line: &str) {
        self.push(line);
        self.push("\n");
    }

    /// Moves what was printed behind `begin` two to the right.
    pub(super) fn indent_from(&mut self, begin: usize) {
        let indented = self.text[begin..].lines().map(|line| format!("  {line}\n")).collect::<String>();
        self.text.replace_range(begin.., &indented);
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Errors are heard in silence.
    pub(super) fn push_error(&mut self, problem: &str) {
        self.text.push_str(problem);
    }

    /// What the directive is answered with.
    pub(super) fn finish(&self) -> String {
        if self.text.is_empty() { "ok".to_owned() } else { self.text.clone() }
    }
}
