//! A smart meter: telegrams in, values out. Pure.

use super::objects::facts;
use super::parse::objects;
use super::telegram::{Damage, Reader};
use crate::base::Moment;
use crate::config::{DsmrDevice, PropertySettings};
use crate::device::{Meta, ReportSettings};
use crate::drivers::door::Asked;
use crate::drivers::say::Say;
use crate::drivers::serial::{Machine, PORT, PortInput, PortOutput};
use crate::drivers::values::{self, Values};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a meter may be silent. DSMR 5 speaks every second, earlier ones every ten.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// Damaged telegrams in a row before it is told: one now and then is usual on a long cable.
const DAMAGED_MAX: u32 = 3;

/// Properties that a meter may have.
const PROPERTIES_MAX: usize = 100;

/// One meter.
#[derive(Debug)]
pub(in crate::drivers) struct DsmrMachine {
    settings: DsmrDevice,
    reader: Reader,
    meta: Meta,
    values: Values,
    damaged: u32,
    is_online: bool,
    /// When the meter has been silent for too long.
    silent_at: Option<Moment>,
    outputs: VecDeque<PortOutput>,
}

impl DsmrMachine {
    /// A meter that has not spoken.
    pub(in crate::drivers) fn new(settings: &DsmrDevice, meta: Meta) -> Self {
        Self {
            reader: Reader::new(settings.checksum),
            meta,
            values: Values::new([]),
            damaged: 0,
            is_online: false,
            silent_at: None,
            outputs: VecDeque::new(),
            settings: settings.clone(),
        }
    }

    fn say(&mut self, say: Say) {
        self.outputs.push_back(PortOutput::Say(say));
    }

    fn trouble(&mut self, kind: &'static str, text: impl Into<String>) {
        self.say(Say::Trouble { part: PORT.to_owned(), kind, text: text.into() });
    }

    /// What was read is not to be trusted any more.
    fn lose(&mut self) {
        self.values.lose();
        self.silent_at = None;
        if std::mem::take(&mut self.is_online) {
            self.say(Say::Offline);
        }
    }

    fn received(&mut self, now: Moment, bytes: &[u8]) {
        for telegram in self.reader.read(bytes) {
            match telegram {
                Ok(telegram) => self.telegram(now, &telegram),
                Err(damage) => self.damaged(damage),
            }
        }
    }

    fn telegram(&mut self, now: Moment, telegram: &str) {
        let facts = facts(&objects(telegram));
        if facts.is_empty() {
            return self.damaged(Damage::NotText);
        }
        self.damaged = 0;
        self.silent_at = Some(now + SILENCE_MAX);
        let is_news = facts.iter().any(|fact| self.values.index_of(&fact.property.id).is_none());
        for fact in &facts {
            let is_known = self.values.index_of(&fact.property.id).is_some();
            if !is_known && self.values.len() < PROPERTIES_MAX {
                let is_number = fact.datatype == "float";
                let report = if is_number { self.settings.report } else { self.rate_only() };
                let property = PropertySettings { report, ..fact.property.clone() };
                values::describe(&mut self.meta, &property, fact.datatype);
                self.values.add(&property);
            }
        }
        if is_news {
            self.say(Say::Describe(Box::new(self.meta.clone())));
        }
        for fact in facts {
            if let Some(index) = self.values.index_of(&fact.property.id) {
                self.values.take(now, index, fact.value);
            }
        }
        self.collect();
        self.say(Say::Well { part: PORT.to_owned() });
        if !std::mem::replace(&mut self.is_online, true) {
            self.say(Say::Online);
        }
    }

    fn rate_only(&self) -> ReportSettings {
        ReportSettings { max_rate: self.settings.report.max_rate, ..ReportSettings::default() }
    }

    /// A telegram that is not whole. The text does not change, so that a bad cable does not fill the log.
    fn damaged(&mut self, damage: Damage) {
        self.damaged += 1;
        if self.damaged == DAMAGED_MAX {
            let text = match damage {
                Damage::Checksum | Damage::Cut => {
                    "telegrams come in damaged: check the cable, the mode and the inverter"
                }
                Damage::NoChecksum => "telegrams have no checksum any more",
                Damage::TooLong | Damage::NotText => "what comes in is no telegram: check the mode",
            };
            self.trouble("read", text);
        }
    }

    fn collect(&mut self) {
        while let Some(say) = self.values.poll_output() {
            self.say(say);
        }
    }
}

impl Machine for DsmrMachine {
    fn handle(&mut self, now: Moment, input: PortInput) {
        match input {
            PortInput::Opened => {
                self.reader.restart();
                self.silent_at = Some(now + SILENCE_MAX);
            }
            PortInput::Closed { kind, text } => {
                self.trouble(kind, text);
                self.lose();
            }
            PortInput::Received(bytes) => self.received(now, bytes),
            PortInput::Asked(Asked::Get { property }) => {
                if let Some(index) = self.values.index_of(&property) {
                    self.values.again(index);
                }
            }
            PortInput::Asked(Asked::Set { .. } | Asked::Alive { .. }) | PortInput::Failsafe => {}
            PortInput::Time => {
                if self.silent_at.is_some_and(|at| at <= now) {
                    self.trouble("read", "the meter has not sent a telegram for a minute");
                    self.lose();
                }
                self.values.pass(now);
            }
        }
        self.collect();
    }

    fn poll_output(&mut self) -> Option<PortOutput> {
        self.outputs.pop_front()
    }

    fn next_deadline(&self) -> Option<Moment> {
        [self.silent_at, self.values.next_deadline()].into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        true
    }
}
