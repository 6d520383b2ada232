//! What a device's door would publish, as lines. Pure.

use crate::config::DeviceSettings;
use crate::device::{DeviceTopics, Troubles};
use crate::drivers::say::Say;

/// One device's voice: it knows what was told before, as the door does.
pub(super) struct Voice {
    id: String,
    topics: DeviceTopics,
    troubles: Troubles,
    is_online: bool,
}

/// Stands before the topics of all devices; it is not written.
const BASE: &str = "base";

impl Voice {
    pub(super) fn new(device: &DeviceSettings) -> Self {
        let topics = DeviceTopics::new(BASE, &device.id);
        Self { id: device.id.clone(), topics, troubles: Troubles::default(), is_online: false }
    }

    /// The lines for one thing that is told.
    pub(super) fn lines(&mut self, say: Say) -> Vec<String> {
        match say {
            Say::State { property, value } | Say::Passing { property, value } => {
                vec![line(&self.topics.property(&property), &value.to_string())]
            }
            Say::Click { property, click } => vec![line(&self.topics.property(&property), click.name())],
            Say::Target { property, on } => {
                let on = on.map_or(String::new(), |on| on.to_string());
                vec![line(&self.topics.target(&property), &on)]
            }
            Say::Heartbeat { property, lost } => {
                let (part, text) = (format!("{property}/heartbeat"), "the controller is silent");
                let is_news =
                    if lost { self.troubles.set(&part, "heartbeat", text, None) } else { self.troubles.clear(&part) };
                self.problem(is_news)
            }
            Say::Result { property, result, .. } => vec![line(&self.topics.result(&property), &result.to_json())],
            Say::Describe(meta) => {
                let properties: Vec<&str> = meta.properties.keys().map(String::as_str).collect();
                vec![format!("PUBLISH {}/$meta … {}", self.id, properties.join(" "))]
            }
            Say::Online => self.availability(true),
            Say::Offline => self.availability(false),
            Say::Trouble { part, kind, text } => {
                let is_news = self.troubles.set(&part, kind, &text, None);
                self.problem(is_news)
            }
            Say::Well { part } => {
                let is_news = self.troubles.clear(&part);
                self.problem(is_news)
            }
        }
    }

    fn availability(&mut self, online: bool) -> Vec<String> {
        if std::mem::replace(&mut self.is_online, online) == online {
            return Vec::new();
        }
        vec![line(&self.topics.availability(), if online { "online" } else { "offline" })]
    }

    fn problem(&self, is_news: bool) -> Vec<String> {
        if is_news { vec![line(&self.topics.problem(), &self.troubles.to_json())] } else { Vec::new() }
    }
}

fn line(topic: &str, payload: &str) -> String {
    let topic = topic.strip_prefix(BASE).map_or(topic, |topic| topic.trim_start_matches('/'));
    format!("PUBLISH {topic} {payload}").trim_end().to_owned()
}
