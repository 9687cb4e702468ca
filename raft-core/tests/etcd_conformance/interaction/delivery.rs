//! Mail that arrives, or does not.

use raft_core::NodeId;

use super::{
    Environment,
    mail::{Mail, Selection},
    parse_id,
};
use crate::{datadriven::Directive, messages};

impl Environment {
    pub(super) fn deliver_messages(&mut self, directive: &Directive) -> Result<(), String> {
        let mut kind = None;
        let mut recipients: Vec<(NodeId, bool)> = Vec::new();
        for argument in &directive.arguments {
            match argument.key.as_str() {
                "drop" => {
                    for value in &argument.values {
                        recipients.push((parse_id(value)?, true));
                    }
                }
                "type" => {
                    let name = argument.values.first().ok_or("a type is missing")?;
                    let known = messages::KINDS.into_iter().find(|known| known == name);
                    kind = Some(known.ok_or_else(|| format!("unknown message type {name}"))?);
                }
                id => recipients.push((parse_id(id)?, false)),
            }
        }
        let mut handled = 0;
        for (to, is_loss) in recipients {
            handled += self.deliver(Selection { to, kind, is_loss })?;
        }
        if handled == 0 {
            self.output.push_line("no messages");
        }
        Ok(())
    }

    /// Delivers what is selected, or lets it get lost. How much there was of it.
    pub(super) fn deliver(&mut self, selection: Selection<'_>) -> Result<usize, String> {
        let selected = self.mailbox.take(selection);
        let count = selected.len();
        for mail in selected {
            let lost = if selection.is_loss { "dropped: " } else { "" };
            let text = mail.shape().describe("");
            self.output.push_line(&format!("{lost}{text}"));
            if !selection.is_loss {
                self.hand_over(selection.to, mail)?;
            }
        }
        Ok(count)
    }

    fn hand_over(&mut self, to: NodeId, mail: Mail) -> Result<(), String> {
        let node = self.node(to)?;
        let refusal = match mail {
            Mail::Peer(envelope) => node.act(|raft| raft.step(envelope)).err().map(messages::step_error),
            Mail::Written { number, notice } => node.on_written(number, &notice)?,
            Mail::Applied { node: _, entries } => {
                node.on_applied(&entries)?;
                None
            }
        };
        if let Some(refusal) = refusal {
            self.output.push_line(&refusal);
        }
        Ok(())
    }
}
