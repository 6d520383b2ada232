//! What a message that reached the device asks for, and which commands are let in.

use super::{Asked, Door, DriverError, failpoint};
use crate::client::Message;
use crate::device::{Action, BIRTH_TOPIC, Command, CommandError, CommandResult, Request, Status, Ticket};
use std::time::Duration;

impl Door {
    /// What a message means for the driver, if anything.
    pub(super) fn understand(&mut self, message: &Message) -> Result<Option<Asked>, DriverError> {
        let alive = self.heartbeats.iter().filter(|(topic, _)| *topic == message.topic);
        let outputs: Vec<String> = alive.map(|(_, output)| output.clone()).collect();
        if !outputs.is_empty() {
            return Ok((!message.retain).then_some(Asked::Alive { outputs }));
        }
        if message.topic == BIRTH_TOPIC && self.discovery.is_some() {
            if message.payload == b"online" {
                self.introduce()?;
            }
            return Ok(None);
        }
        match self.request(&message.topic) {
            Some(Request::Set(property)) => {
                failpoint::reach("received");
                let property = property.to_owned();
                let accepted = self.accept(&property, message)?;
                Ok(accepted.map(|(ticket, command)| Asked::Set { property, ticket, command }))
            }
            Some(Request::Get(property)) if !message.retain => Ok(Some(Asked::Get { property: property.to_owned() })),
            Some(Request::Get(_) | Request::Last(_)) | None => Ok(None),
        }
    }

    /// Enters a command into the journal; refuses what is none.
    pub(super) fn accept(
        &mut self,
        property: &str,
        message: &Message,
    ) -> Result<Option<(Ticket, Command)>, DriverError> {
        let is_full = self.journal.is_full();
        let ticket = self.journal.enter(message);
        if message.retain && message.payload.is_empty() {
            // Someone clears what was retained: nothing to do, and nobody to answer.
            self.journal.answered(ticket, &CommandResult::new(None, Status::Done));
            return Ok(None);
        }
        let parsed = if message.retain {
            Err("retained".to_owned())
        } else if self.settable.as_ref().is_some_and(|settable| !settable.contains_key(property)) {
            Err("not-settable".to_owned())
        } else if is_full {
            Err("too-many-commands".to_owned())
        } else {
            self.parse(property, &message.payload).map_err(|error| error.to_string())
        };
        match parsed {
            Ok(mut command) => {
                // Whoever is least patient decides: the command itself, or its message's expiry.
                let expiry = message.expiry().map(|seconds| Duration::from_secs(seconds.into()));
                let ttl = [command.ttl, expiry].into_iter().flatten().min();
                command.ttl = Some(ttl.unwrap_or(self.command_ttl));
                Ok(Some((ticket, command)))
            }
            Err(reason) => {
                if message.retain {
                    self.remember(Message::new(message.topic.clone(), "").retained())?;
                }
                let id = Command::parse(&message.payload).ok().and_then(|command| command.id);
                self.result(property, ticket, &CommandResult::because(id, Status::Rejected, reason))?;
                Ok(None)
            }
        }
    }

    /// What a message asks for, on the device's own topics or on those of its mirror.
    pub(super) fn request<'t>(&self, topic: &'t str) -> Option<Request<'t>> {
        let mirrored = || self.mirror.as_ref()?.request(topic);
        self.topics.request(topic).or_else(mirrored)
    }

    /// A command; names are for properties that have them.
    fn parse(&self, property: &str, payload: &[u8]) -> Result<Command, CommandError> {
        let command = Command::parse(payload)?;
        let has_names = self.settable.as_ref().is_none_or(|settable| settable.get(property) == Some(&true));
        if matches!(command.action, Action::Word(_)) && !has_names {
            return Err(CommandError::Malformed);
        }
        Ok(command)
    }
}
