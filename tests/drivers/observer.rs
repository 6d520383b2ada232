//! A client that watches a house, and does to it what a person would do.

use gatehouse::client::{Client, Event, Message, Options};
use gatehouse::config::{Settings, Source, check};
use gatehouse::drivers::{self, Connect, Plan};
use gatehouse::mqtt::QoS;
use gatehouse::mqtt::packet::SubscriptionOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_secs(10);

/// A house that runs, and someone who watches it.
pub struct Observer {
    client: Client<DuplexStream>,
    connect: Connect,
    base: String,
    stop: watch::Sender<bool>,
    plans: watch::Sender<Plan>,
    drivers: JoinHandle<()>,
    /// Everything that was seen, one line each.
    pub transcript: Vec<String>,
}

/// The settings of a house, whose file must be without problems.
pub fn settings(text: &str) -> Arc<Settings> {
    Arc::new(check(&[Source::new("house.toml", text)]).expect("a good file"))
}

/// A client of its own on the hub.
pub async fn client(connect: &Connect, id: &str) -> Client<DuplexStream> {
    let stream = connect.open().await.expect("the hub runs");
    Client::connect(stream, &Options::new(id)).await.expect("a connection").0
}

impl Observer {
    /// Watches first, so that nothing is missed; then starts the drivers.
    pub async fn start(connect: &Connect, settings: Arc<Settings>) -> Self {
        let mut client = client(connect, "observer").await;
        let base = settings.gateway.base.clone();
        let filter = format!("{base}/#");
        let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::plain(QoS::ExactlyOnce) };
        client.subscribe(&[(filter.as_str(), options)]).expect("a filter");
        while !matches!(client.next().await.expect("an event"), Event::Subscribed { .. }) {}
        let (stop, stopped) = watch::channel(false);
        let (plans, plan) = watch::channel(Plan { settings, problems: Vec::new() });
        let drivers = tokio::spawn(drivers::run(plan, connect.clone(), stopped));
        Self { client, connect: connect.clone(), base, stop, plans, drivers, transcript: Vec::new() }
    }

    /// Waits until a message with this topic below the base and this payload is seen.
    pub async fn see(&mut self, topic: &str, payload: &str) {
        self.see_where(topic, |seen| seen == payload, payload).await;
    }

    /// The same, unless it was seen before.
    pub async fn see_once(&mut self, topic: &str, payload: &str) {
        if !self.has_seen(&format!("{topic} {payload}")) {
            self.see(topic, payload).await;
        }
    }

    /// Waits until a message whose payload contains a text is seen; returns the payload.
    pub async fn see_part(&mut self, topic: &str, part: &str) -> String {
        self.see_where(topic, |seen| seen.contains(part), part).await
    }

    async fn see_where(&mut self, topic: &str, is_it: impl Fn(&str) -> bool, wanted: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let Ok(event) = tokio::time::timeout_at(end, self.client.next()).await else {
                panic!("{topic} {wanted} was not seen, but:\n{}", self.transcript.join("\n"));
            };
            let Event::Message(message) = event.expect("the connection stays") else { continue };
            let payload = message.text().expect("text").to_owned();
            let name = message.topic[self.base.len() + 1..].to_owned();
            self.transcript.push(format!("{name} {payload}"));
            if name == topic && is_it(&payload) {
                return payload;
            }
        }
    }

    /// Publishes something below the base.
    pub async fn say(&mut self, topic: &str, payload: &str) {
        self.send(Message::new(format!("{}/{topic}", self.base), payload)).await;
    }

    /// Publishes many things below the base in one go.
    pub async fn say_all<'t>(&mut self, all: impl Iterator<Item = (&'t str, &'t str)>) {
        for (topic, payload) in all {
            let message = Message::new(format!("{}/{topic}", self.base), payload).qos(QoS::AtLeastOnce);
            self.client.publish(message).expect("room");
        }
        self.client.settle().await.expect("an answer");
    }

    /// Publishes a message as it is.
    pub async fn send(&mut self, message: Message) {
        self.client.publish(message.qos(QoS::ExactlyOnce)).expect("room");
        self.client.settle().await.expect("an answer");
    }

    /// What is retained below the base, topic by topic.
    pub async fn retained(&self, topic: &str) -> Option<String> {
        let mut client = client(&self.connect, "reader").await;
        let filter = format!("{}/{topic}", self.base);
        let options = SubscriptionOptions::plain(QoS::AtMostOnce);
        client.subscribe(&[(filter.as_str(), options)]).expect("a filter");
        let mut found = None;
        loop {
            match client.next().await.expect("an event") {
                Event::Subscribed { .. } => drop(client.unsubscribe(&[filter.as_str()]).expect("a filter")),
                Event::Unsubscribed { .. } => return found,
                Event::Message(message) => found = message.text().map(str::to_owned),
                Event::Connected { .. } | Event::Published { .. } | Event::Released { .. } => {}
            }
        }
    }

    /// Whether something was seen.
    pub fn has_seen(&self, line: &str) -> bool {
        self.transcript.iter().any(|seen| seen == line)
    }

    /// Gives the drivers another configuration.
    pub fn reload(&self, settings: Arc<Settings>) {
        self.plans.send_replace(Plan { settings, problems: Vec::new() });
    }

    /// Stops the drivers and waits until they have.
    pub async fn stop(&mut self) {
        self.stop.send(true).expect("the drivers run");
        tokio::time::timeout(DEADLINE, &mut self.drivers).await.expect("the drivers stop").expect("without a panic");
    }
}
