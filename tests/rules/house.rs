//! A house without devices: what is commanded is noted and becomes so at once.

use gatehouse::base::Moment;
use gatehouse::config::{Source, check};
use gatehouse::rules::Program;
use gatehouse::rules::engine::{Engine, Input, Kept, Now, Output};
use std::collections::BTreeMap;
use std::sync::Arc;

const HEAD: &str = r#"
schema = 1
[gateway]
id = "gw1"
timezone = "Europe/Amsterdam"
location = { lat = 52.09, lon = 5.12 }
[device.d]
in.a.line = "I1"
in.b.line = "I2"
in.c.line = "I3"
out.x.line = "O1"
out.y.line = "O2"
out.z.line = "O3"
button.press.line = "B1"
"#;

pub const MINUTE: i64 = 60_000;

pub fn program(rules: &str) -> Arc<Program> {
    match check(&[Source::new("house.toml", format!("{HEAD}{rules}"))]) {
        Ok(settings) => settings.rules,
        Err(problems) => panic!("{problems:#?}"),
    }
}

pub struct House {
    pub program: Arc<Program>,
    pub engine: Engine,
    /// Milliseconds on the monotonic clock.
    pub moment: i64,
    pub wall: i64,
    pub trusted: bool,
    pub values: Vec<(String, String)>,
    pub records: BTreeMap<Kept, String>,
    /// Writes of traces.
    pub pages: usize,
    /// Topic and payload of all that was said.
    pub said: Vec<(String, String)>,
    /// Records that are not safe yet; none if all are at once.
    pub unsafe_records: Option<Vec<u64>>,
}

impl House {
    /// The engine starts at a civil time with everything off.
    pub fn new(rules: &str, at: &str) -> Self {
        let program = program(rules);
        let wall = program.zone.moment(at).expect("a time");
        Self::start(program, wall, true)
    }

    pub fn start(program: Arc<Program>, wall: i64, trusted: bool) -> Self {
        let now = Now { moment: Moment::START, wall: Some(wall), trusted };
        let values = ["a", "b", "c", "x", "y", "z"].map(|name| (name.to_owned(), "false".to_owned()));
        let mut house = Self {
            engine: Engine::new(program.clone(), now),
            program,
            moment: 0,
            wall,
            trusted,
            values: values.to_vec(),
            records: BTreeMap::new(),
            pages: 0,
            said: Vec::new(),
            unsafe_records: None,
        };
        house.wake();
        house.said.clear();
        house
    }

    pub fn now(&self) -> Now {
        let micros = u64::try_from(self.moment).expect("time goes on") * 1_000;
        Now { moment: Moment::from_micros(micros), wall: Some(self.wall), trusted: self.trusted }
    }

    fn wake(&mut self) {
        self.tell("home/d/$availability", "online", true);
        for (name, value) in self.values.clone() {
            self.tell(&format!("home/d/{name}"), &value, true);
        }
        self.handle(Input::Started);
    }

    pub fn tell(&mut self, topic: &str, payload: &str, replayed: bool) {
        self.handle(Input::Message { topic, payload: payload.as_bytes(), replayed });
    }

    pub fn set(&mut self, name: &str, value: &str) {
        for entry in self.values.iter_mut().filter(|(known, _)| known == name) {
            value.clone_into(&mut entry.1);
        }
        self.tell(&format!("home/d/{name}"), value, false);
    }

    pub fn value(&self, name: &str) -> &str {
        &self.values.iter().find(|(known, _)| known == name).expect("it is there").1
    }

    pub fn handle(&mut self, input: Input<'_>) {
        self.engine.handle(self.now(), input);
        for _ in 0..10_000 {
            let Some(output) = self.engine.poll_output() else { return };
            match output {
                Output::Keep { number, of, record } => {
                    self.pages += usize::from(matches!(of, Kept::Traces(_)));
                    self.records.insert(of, record);
                    match &mut self.unsafe_records {
                        Some(numbers) => numbers.push(number),
                        None => self.engine.handle(self.now(), Input::Kept(number)),
                    }
                }
                Output::Publish(speech) => {
                    self.said.push((speech.topic.clone(), speech.payload.clone()));
                    let name = speech.topic.strip_prefix("home/d/").and_then(|rest| rest.strip_suffix("/set"));
                    if let Some(name) = name.map(str::to_owned) {
                        let on = speech.payload.contains("true");
                        let value = if speech.payload.contains("toggle") { self.value(&name) == "false" } else { on };
                        for entry in self.values.iter_mut().filter(|(known, _)| *known == name) {
                            entry.1 = value.to_string();
                        }
                        let (topic, payload) = (format!("home/d/{name}"), value.to_string());
                        let payload = payload.as_bytes();
                        self.engine.handle(self.now(), Input::Message { topic: &topic, payload, replayed: false });
                    } else if speech.topic.starts_with("foreign/") {
                        let (topic, payload) = (speech.topic.as_str(), speech.payload.as_bytes());
                        self.engine.handle(self.now(), Input::Message { topic, payload, replayed: false });
                    }
                }
                Output::Shown(_) => {}
            }
        }
        panic!("the engine speaks without end");
    }

    /// Time passes on both clocks.
    pub fn pass(&mut self, millis: i64) {
        self.pass_at_most(millis, usize::MAX);
    }

    /// The same, up to so many deadlines.
    pub fn pass_at_most(&mut self, millis: i64, deadlines: usize) {
        let end = self.moment + millis;
        for _ in 0..deadlines {
            if self.moment >= end {
                return;
            }
            let due = self.engine.next_deadline().map(|due| due.as_micros().div_ceil(1_000).cast_signed());
            let to = due.unwrap_or(end).clamp(self.moment + 1, end);
            self.wall += to - self.moment;
            self.moment = to;
            self.handle(Input::Tick);
        }
    }

    /// The power is off for so long, and the clock shows `wall` afterwards.
    pub fn restart(&mut self, wall: i64, trusted: bool) {
        (self.moment, self.wall, self.trusted) = (0, wall, trusted);
        self.engine = Engine::new(self.program.clone(), self.now());
        for (of, record) in self.records.iter().filter(|(_, record)| !record.is_empty()) {
            assert!(self.engine.restore(*of, record), "{record}");
        }
        self.unsafe_records = None;
        self.wake();
    }

    /// How often something was said on a topic.
    pub fn count(&self, topic: &str) -> usize {
        self.said.iter().filter(|(said, _)| said == topic).count()
    }

    pub fn clock(&self) -> String {
        self.program.zone.text(self.wall)
    }
}
