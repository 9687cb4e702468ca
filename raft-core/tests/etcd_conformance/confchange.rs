//! The files about changes of membership: a configuration and its table of progress, changed step by step.

use raft_core::{
    Configuration, Leave, LogIndex, MemberChange, ProgressTable, Reconfiguration, Rejection,
    conf_change::{enter_joint, leave_joint, simple},
};

use crate::{
    datadriven::Directive,
    wording::{self, Standing},
};

/// What a file's directives act upon.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    configuration: Configuration,
    progress: ProgressTable,
    /// It grows by one with each directive, so that newcomers can be told apart.
    last: LogIndex,
}

impl Environment {
    /// Answers one directive.
    pub(crate) fn run(&mut self, directive: &Directive) -> Result<String, String> {
        let last = self.last;
        self.last = last.next();
        let changes = match parse_changes(&directive.input) {
            Ok(changes) => changes,
            Err(problem) => return Ok(problem),
        };
        let before = &self.configuration;
        let outcome = match directive.command.as_str() {
            "simple" => simple(before, &changes),
            "enter-joint" => enter_joint(before, leave(directive)?, &changes),
            "leave-joint" if directive.input.is_empty() => leave_joint(before),
            "leave-joint" => return Ok("this command takes no input\n".to_owned()),
            _ => return Ok("unknown command".to_owned()),
        };
        Ok(match outcome {
            Ok(next) => self.switch_to(next, last),
            Err(rejection) => format!("{}\n", describe_rejection(rejection)),
        })
    }

    fn switch_to(&mut self, next: Reconfiguration, last: LogIndex) -> String {
        self.progress.reconfigure(&next, last);
        self.configuration = next.configuration;
        let mut text = format!("{}\n", wording::configuration(&self.configuration));
        for (id, progress) in self.progress.iter() {
            let is_learner = self.configuration.is_learner(id);
            let standing = Standing { is_learner, is_window_full: false };
            text.push_str(&wording::progress(id, progress, standing));
        }
        text
    }
}

fn leave(directive: &Directive) -> Result<Leave, String> {
    match directive.values("autoleave") {
        None => Ok(Leave::Explicit),
        Some([value]) if wording::parse_bool(value)? => Ok(Leave::Automatic),
        Some([_]) => Ok(Leave::Explicit),
        Some(values) => Err(format!("one value for autoleave, not {values:?}")),
    }
}

/// A step on the member 0, which no member is, does nothing.
fn parse_changes(input: &str) -> Result<Vec<MemberChange>, String> {
    let steps = input.split_whitespace().map(wording::parse_member_change);
    steps.filter_map(Result::transpose).collect()
}

fn describe_rejection(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::AlreadyJoint => "config is already joint",
        Rejection::NotJoint => "can't leave a non-joint config",
        Rejection::SimpleWhileJoint => "can't apply simple config change in joint config",
        Rejection::NoVotersBefore => "can't make a zero-voter config joint",
        Rejection::NoVotersAfter => "removed all voters",
        Rejection::TooManyVotersChanged { .. } => "more than one voter changed without entering joint config",
    }
}
