//! What comes from before the start: commands that the broker may have sent before, and retained values.

use super::{Connect, Door, DriverError, Start};
use crate::client::{Client, Event, Message, Options};
use crate::device::{Action, Command, CommandResult, Request, Status};
use crate::mqtt::QoS;
use crate::mqtt::packet::SubscriptionOptions;
use std::collections::BTreeMap;

/// Why a command from before the start is not carried out.
const INTERRUPTED: &str = "interrupted";

impl Door {
    /// Decides about the commands that the broker may have sent before: it is not known how far they came.
    pub(super) fn recover(&mut self) -> Result<(), DriverError> {
        for message in std::mem::take(&mut self.arrived) {
            match self.request(&message.topic) {
                Some(Request::Set(property)) if message.dup && !message.retain => {
                    let property = property.to_owned();
                    self.recover_command(property, &message)?;
                }
                _ => self.arrived.push_back(message),
            }
        }
        self.acknowledge();
        Ok(())
    }

    fn recover_command(&mut self, property: String, message: &Message) -> Result<(), DriverError> {
        let Some((ticket, command)) = self.accept(&property, message)? else { return Ok(()) };
        let id = command.id.clone();
        let written_ttl = Command::parse(&message.payload).is_ok_and(|command| command.ttl.is_some());
        let may_be_repeated = match command.action {
            Action::Set(_) | Action::Number(_) | Action::Word(_) => command.pulse.is_none(),
            Action::Toggle => false,
        };
        if self.start == Start::AfterFault || !may_be_repeated {
            let reason = if self.start == Start::AfterFault { "restart" } else { INTERRUPTED };
            return self.result(&property, ticket, &CommandResult::because(id, Status::Failed, reason));
        }
        if written_ttl {
            // How old it is nobody knows, and its sender said that it must not be late.
            return self.result(&property, ticket, &CommandResult::because(id, Status::Expired, INTERRUPTED));
        }
        // Of several levels the last one counts: the others are history.
        if let Some(at) = self.early.iter().position(|(other, ..)| *other == property)
            && let Some((_, ticket, command)) = self.early.remove(at)
        {
            self.result(&property, ticket, &CommandResult::new(command.id, Status::Superseded))?;
        }
        self.early.push_back((property, ticket, command));
        Ok(())
    }

    /// Commands from before the start have waited long enough for the device.
    pub(super) fn give_up_early(&mut self) -> Result<(), DriverError> {
        while let Some((property, ticket, command)) = self.early.pop_front() {
            self.result(&property, ticket, &CommandResult::because(command.id, Status::Expired, "offline"))?;
        }
        Ok(())
    }
}

/// Reads what is retained on the topics that match, over a connection of its own. The server sends what is retained
/// before it answers the UNSUBSCRIBE that follows.
pub(in crate::drivers) async fn read_retained(
    connect: &Connect,
    filter: &str,
) -> Result<BTreeMap<String, Vec<u8>>, DriverError> {
    let (mut client, _) = Client::connect(connect.open().await?, &Options::new("")).await?;
    client.subscribe(&[(filter, SubscriptionOptions::plain(QoS::AtMostOnce))])?;
    let mut retained = BTreeMap::new();
    loop {
        match client.next().await? {
            Event::Subscribed { .. } => {
                client.unsubscribe(&[filter])?;
            }
            Event::Unsubscribed { .. } => break,
            Event::Message(message) => {
                retained.insert(message.topic, message.payload);
            }
            Event::Connected { .. } | Event::Published { .. } | Event::Released { .. } => {}
        }
    }
    client.disconnect().await?;
    Ok(retained)
}
