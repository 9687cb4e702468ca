//! What is proposed: commands, and changes of membership.

use raft_core::{ConfChange, Transition};

use super::{Environment, first_id};
use crate::{datadriven::Directive, messages, wording};

impl Environment {
    pub(super) fn propose(&mut self, directive: &Directive) -> Result<(), String> {
        let [_, data] = directive.arguments.as_slice() else {
            return Err("a server and a command are needed".to_owned());
        };
        let command = data.key.clone().into_bytes().into();
        let proposed = self.node(first_id(directive)?)?.act(|raft| raft.propose(command));
        proposed.map(drop).map_err(|_| messages::PROPOSAL_DROPPED.to_owned())
    }

    pub(super) fn propose_conf_change(&mut self, directive: &Directive) -> Result<(), String> {
        let change = parse_conf_change(directive)?;
        let proposed = self.node(first_id(directive)?)?.act(|raft| raft.propose_conf_change(change));
        proposed.map(drop).map_err(|_| messages::PROPOSAL_DROPPED.to_owned())
    }
}

/// Reads the change that a directive proposes.
fn parse_conf_change(directive: &Directive) -> Result<ConfChange, String> {
    let value = |key| directive.values(key).and_then(<[_]>::first);
    let is_first_version = value("v1").map_or(Ok(false), |value| wording::parse_bool(value))?;
    let transition = match value("transition").map(String::as_str) {
        None | Some("auto") => Transition::Automatic,
        Some("implicit") => Transition::JointImplicit,
        Some("explicit") => Transition::JointExplicit,
        Some(other) => return Err(format!("unknown transition {other}")),
    };
    let steps = directive.input.split_whitespace().map(wording::parse_member_change);
    let changes = steps.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
    if is_first_version && (1 < changes.len() || transition != Transition::Automatic) {
        return Err("v1 conf change can only have one operation and no transition".to_owned());
    }
    let context = if is_first_version { messages::FIRST_VERSION.into() } else { bytes::Bytes::new() };
    Ok(ConfChange { transition, changes, context })
}
