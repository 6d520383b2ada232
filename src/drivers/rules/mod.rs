//! The rules at the broker: a built-in client that hears what they read, says what they decide and keeps what they
//! must remember.
//!
//! A record is a retained message below `$gatehouse/`, which nobody but the gateway may read or write. It is published
//! with QoS 2, so that its acknowledgement says that it is on the disk.

mod records;
mod requests;
mod shown;

use super::clock::wall_now;
use super::{DriverError, House, stopped};
use crate::client::{Client, Event, Message, Options, Token};
use crate::mqtt::QoS;
use crate::mqtt::packet::SubscriptionOptions;
use crate::rules::Program;
use crate::rules::engine::{Engine, Input, Now, Output, Speech};
use shown::ToShow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Subscriptions in one packet.
const FILTERS_AT_ONCE: usize = 500;

/// How often the clock on the wall is looked at when nothing else happens.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(10);

/// Runs the rules until `stop` says so.
pub(super) async fn run(house: House, mut stop: watch::Receiver<bool>) -> Result<(), DriverError> {
    let program = house.settings.rules.clone();
    if program.rules.is_empty() && program.house.is_empty() {
        stopped(&mut stop).await;
        return Ok(());
    }
    let mut shell = Shell::open(&house, program).await?;
    shell.run(stop).await?;
    shell.engine.handle(now(&house), Input::Stop);
    while shell.carry_out()? {
        shell.client.settle().await?;
    }
    shell.client.settle().await?;
    Ok(shell.client.disconnect().await?)
}

struct Shell {
    client: Client<DuplexStream>,
    engine: Engine,
    house: House,
    /// Records under way to the disk.
    keeping: BTreeMap<Token, u64>,
    /// Answers that wait until a record is on the disk.
    answers: VecDeque<(u64, Message)>,
    /// Rules whose state has changed since it was published.
    to_show: ToShow,
    /// Commands that others sent for outputs, and answers to come, are none of its business.
    base: String,
}

impl Shell {
    /// Reads the records, then everything that is retained; from then on the rules live.
    async fn open(house: &House, program: Arc<Program>) -> Result<Self, DriverError> {
        let options = Options { keep_alive: 0, ..Options::new("$rules") };
        let (client, _) = Client::connect(house.connect.open().await?, &options).await?;
        let now = now(house);
        let base = program.base.clone();
        let to_show = ToShow::new(program.rules.len());
        let engine = Engine::new(program, now);
        let mut shell = Self {
            client,
            engine,
            house: house.clone(),
            keeping: BTreeMap::new(),
            answers: VecDeque::new(),
            to_show,
            base,
        };
        shell.read_records().await?;
        shell.read_house().await?;
        Ok(shell)
    }

    async fn read_house(&mut self) -> Result<(), DriverError> {
        let mut topics: Vec<String> = self.engine.topics().collect();
        topics.extend(requests::filters(&self.base));
        self.subscribe(&topics)?;
        let last = self.client.unsubscribe(&[records::ALL])?;
        loop {
            match self.client.next().await? {
                Event::Message(message) => self.message(&message),
                Event::Unsubscribed { token } if token == last => break,
                _ => {}
            }
        }
        self.engine.handle(now(&self.house), Input::Started);
        self.carry_out()?;
        Ok(())
    }

    fn subscribe(&mut self, topics: &[String]) -> Result<(), DriverError> {
        let options = SubscriptionOptions::plain(QoS::AtLeastOnce);
        for topics in topics.chunks(FILTERS_AT_ONCE) {
            let filters: Vec<_> = topics.iter().map(|topic| (topic.as_str(), options)).collect();
            self.client.subscribe(&filters)?;
        }
        Ok(())
    }

    async fn run(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), DriverError> {
        loop {
            let now_here = self.house.clock.now();
            let deadline =
                self.engine.next_deadline().map_or(now_here + LOOK_AT_CLOCK, |at| at.min(now_here + LOOK_AT_CLOCK));
            let wake = self
                .house
                .clock
                .instant(deadline)
                .min(self.next_show().unwrap_or_else(|| Instant::now() + LOOK_AT_CLOCK));
            let event = tokio::select! {
                () = stopped(&mut stop) => return Ok(()),
                () = sleep_until(wake) => None,
                event = self.client.next() => Some(event?),
            };
            match event {
                None => self.engine.handle(now(&self.house), Input::Tick),
                Some(event) => self.event(event)?,
            }
            // Whatever came in at once is decided at once.
            while let Some(event) = self.client.poll_output() {
                self.event(event)?;
            }
            self.carry_out()?;
            self.show()?;
        }
    }

    fn event(&mut self, event: Event) -> Result<(), DriverError> {
        match event {
            Event::Message(message) => match requests::of(&self.base, &message) {
                Some(request) => self.answer(&message, &request)?,
                None => self.message(&message),
            },
            Event::Published { token, reason } => {
                let Some(number) = self.keeping.remove(&token) else { return Ok(()) };
                if reason.is_error() {
                    tracing::error!(reason = reason.text(), "what a rule must remember could not be kept");
                    return self.kept(number, false);
                }
                self.engine.handle(now(&self.house), Input::Kept(number));
                self.kept(number, true)?;
            }
            Event::Connected { .. }
            | Event::Released { .. }
            | Event::Subscribed { .. }
            | Event::Unsubscribed { .. } => {}
        }
        Ok(())
    }

    fn message(&mut self, message: &Message) {
        let (topic, payload, replayed) = (message.topic.as_str(), message.payload.as_slice(), message.retain);
        self.engine.handle(now(&self.house), Input::Message { topic, payload, replayed });
    }

    /// Does what the engine says, as far as the broker takes it now; whether something is left for later.
    fn carry_out(&mut self) -> Result<bool, DriverError> {
        while self.client.has_room() {
            let Some(output) = self.engine.poll_output() else { return Ok(false) };
            match output {
                Output::Publish(speech) => self.speak(speech)?,
                Output::Keep { number, of, record } => {
                    let topic = records::topic(self.engine.program(), of);
                    let message = Message::new(topic, record).qos(QoS::ExactlyOnce).retained();
                    let token = self.client.publish(message)?;
                    self.keeping.insert(token, number);
                }
                Output::Shown(rule) => self.to_show.note(rule, self.engine.glance(rule), Instant::now()),
            }
        }
        Ok(true)
    }

    fn speak(&mut self, speech: Speech) -> Result<(), DriverError> {
        let mut message = Message::new(speech.topic, speech.payload);
        // Of the gateway's own retained messages the broker stores those of QoS 2: the house's properties are such.
        let is_lasting = speech.retain && message.topic.starts_with(&format!("{}/house/", self.base));
        message = message.qos(if is_lasting || speech.is_command { QoS::ExactlyOnce } else { QoS::AtLeastOnce });
        if speech.retain {
            message = message.retained();
        }
        self.client.publish(message)?;
        Ok(())
    }

    /// When a rule is to be shown; an answer of the broker wakes it first if there is no room.
    fn next_show(&self) -> Option<Instant> {
        self.to_show.next_due().filter(|_| self.client.has_room())
    }

    /// Publishes what rules show of themselves.
    fn show(&mut self) -> Result<(), DriverError> {
        while self.client.has_room()
            && let Some(rule) = self.to_show.take(Instant::now(), |rule| self.engine.glance(rule))
        {
            let entry = self.engine.entry(rule);
            let payload = serde_json::to_string(&entry).unwrap_or_default();
            let topic = format!("{}/$gw/rule/{}", self.base, entry.id);
            self.client.publish(Message::new(topic, payload).qos(QoS::AtLeastOnce).retained())?;
        }
        Ok(())
    }
}

fn now(house: &House) -> Now {
    let (wall, trusted) = wall_now();
    Now { moment: house.clock.now(), wall, trusted }
}
