//! What is published: numbered messages of one publisher on one topic.

use crate::support::wire::Message;

/// Messages of one publisher to one topic, numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    pub publisher: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// For every subscriber, at this QoS: some of them are away.
    Far(u8),
    /// For those who are always there, so that it need not be written.
    Near(u8),
    /// Retained at QoS 1; only the last one counts. Every eighth clears it.
    Retained,
}

impl Stream {
    pub fn retained(publisher: usize) -> Self {
        Self { publisher, kind: Kind::Retained }
    }

    pub fn qos(self) -> u8 {
        match self.kind {
            Kind::Far(qos) | Kind::Near(qos) => qos,
            Kind::Retained => 1,
        }
    }

    fn topic(self) -> String {
        match self.kind {
            Kind::Far(qos) => format!("far/{}/{qos}", self.publisher),
            Kind::Near(qos) => format!("near/{}/{qos}", self.publisher),
            Kind::Retained => format!("state/{}", self.publisher),
        }
    }

    pub fn clears(self, number: u32) -> bool {
        self.kind == Kind::Retained && number.is_multiple_of(8)
    }

    pub fn message(self, number: u32) -> Message {
        let payload = if self.clears(number) { String::new() } else { payload(number) };
        let message = Message::new(&self.topic(), payload, self.qos());
        if self.kind == Kind::Retained { message.retained() } else { message }
    }

    /// The stream and number of a message that arrived; none when it is nobody's, or mangled.
    pub fn parse(message: &Message) -> Option<(Self, u32)> {
        let levels: Vec<&str> = message.topic.split('/').collect();
        let kind = match levels[..] {
            ["far", _, qos] => Kind::Far(qos.parse().ok()?),
            ["near", _, qos] => Kind::Near(qos.parse().ok()?),
            ["state", _] => Kind::Retained,
            _ => return None,
        };
        let text = message.text();
        let number = text.split(' ').next()?.parse().ok()?;
        (text == payload(number)).then_some((Self { publisher: levels[1].parse().ok()?, kind }, number))
    }
}

/// The number and bytes that follow from it: mostly a hundred or so, sometimes several pages of the database.
fn payload(number: u32) -> String {
    let length = if number.is_multiple_of(41) { 3_000 } else { number as usize * 7_919 % 200 };
    let filler: String = (0..length).map(|at| char::from(b'a' + ((number as usize * 31 + at) % 26) as u8)).collect();
    format!("{number} {filler}")
}
