//! The bugs, as they are written down in `mutations.txt`.

/// A bug: lines of a file, and what takes their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mutation {
    pub(crate) name: String,
    /// Relative to the core's directory.
    pub(crate) file: String,
    before: String,
    after: String,
    /// The files of etcd that fail with it. Others may, too.
    pub(crate) red: Vec<String>,
}

/// Reads the catalogue: `mutation`, `file`, lines that begin with `-` and `+`, and `red`.
///
/// # Errors
/// The line that is none of these, with its number.
pub(crate) fn parse(text: &str) -> Result<Vec<Mutation>, String> {
    let mut mutations: Vec<Mutation> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("mutation ") {
            mutations.push(Mutation { name: name.to_owned(), ..Mutation::default() });
            continue;
        }
        let mutation =
            mutations.last_mut().ok_or_else(|| format!("line {number}: no mutation begins here"))?;
        if let Some(line) = line.strip_prefix('-') {
            mutation.before.push_str(&format!("{line}\n"));
        } else if let Some(line) = line.strip_prefix('+') {
            mutation.after.push_str(&format!("{line}\n"));
        } else if let Some(file) = line.strip_prefix("file ") {
            file.clone_into(&mut mutation.file);
        } else if let Some(file) = line.strip_prefix("red ") {
            mutation.red.push(file.to_owned());
        } else {
            return Err(format!("line {number}: {line}"));
        }
    }
    Ok(mutations)
}

impl Mutation {
    /// The text with the bug in it.
    ///
    /// # Errors
    /// When its lines do not stand there exactly once, or nothing would change.
    pub(crate) fn apply_to(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.before).count() {
            _ if self.before.is_empty() || self.before == self.after => Err("it changes nothing".to_owned()),
            1 => Ok(text.replacen(&self.before, &self.after, 1)),
            count => Err(format!("its lines stand {count} times in {}", self.file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutation_changes_lines_that_stand_there_once() {
        let text = "# bugs\n\nmutation one\nfile a.rs\n-x\n-y\n+z\nred b.txt\nred c.txt\n";
        let mutations = parse(text).expect("it is in order");
        let [one] = mutations.as_slice() else { panic!("{mutations:?}") };
        assert_eq!((one.name.as_str(), one.file.as_str()), ("one", "a.rs"));
        assert_eq!(one.red, ["b.txt", "c.txt"]);
        assert_eq!(one.apply_to("w\nx\ny\n"), Ok("w\nz\n".to_owned()));
        assert!(one.apply_to("x\nx\n").is_err());
        assert!(one.apply_to("x\ny\nx\ny\n").is_err());
        assert!(parse("red a.txt\n").is_err());
        assert!(parse("mutation one\nnonsense\n").is_err());
    }
}
