//! A broker in memory: the real machine, with streams instead of sockets and a store that keeps everything at once.

use gatehouse::base::Moment;
use gatehouse::base::limits::Limits;
use gatehouse::broker::{Arrival, Broker, ConnectionId, Input, Origin, Output};
use gatehouse::drivers::Connect;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

/// Bytes from a connection, or its end.
type Arrived = (ConnectionId, Option<Vec<u8>>);

struct Hub {
    broker: Broker,
    start: Instant,
    writers: BTreeMap<u32, mpsc::UnboundedSender<Vec<u8>>>,
    received: BTreeMap<u32, Vec<u8>>,
    next: u32,
}

/// Starts a broker; ends with the runtime.
pub fn start() -> Connect {
    let (door, mut opened) = mpsc::channel::<DuplexStream>(16);
    let (arrived, mut arrivals) = mpsc::channel::<Arrived>(64);
    let broker = Broker::new(Limits::default());
    let writers = BTreeMap::new();
    let mut hub = Hub { broker, start: Instant::now(), writers, received: BTreeMap::new(), next: 0 };
    tokio::spawn(async move {
        loop {
            let deadline = hub.broker.next_deadline();
            tokio::select! {
                Some(stream) = opened.recv() => hub.open(stream, arrived.clone()),
                Some((connection, bytes)) = arrivals.recv() => hub.arrive(connection, bytes),
                () = tokio::time::sleep(hub.until(deadline)) => {
                    let now = hub.now();
                    hub.broker.handle(now, Input::Tick);
                }
            }
            hub.turn();
        }
    });
    Connect::new(door)
}

impl Hub {
    fn now(&self) -> Moment {
        Moment::START + self.start.elapsed()
    }

    fn until(&self, deadline: Option<Moment>) -> Duration {
        deadline.map_or(Duration::from_hours(1), |deadline| deadline.saturating_since(self.now()))
    }

    fn open(&mut self, stream: DuplexStream, arrived: mpsc::Sender<Arrived>) {
        let id = ConnectionId(self.next);
        self.next += 1;
        let (reader, writer) = tokio::io::split(stream);
        let (outbox, to_write) = mpsc::unbounded_channel();
        self.writers.insert(id.0, outbox);
        self.received.insert(id.0, Vec::new());
        self.broker.handle(self.now(), Input::Opened(id, Arrival::new(Origin::BuiltIn, self.now())));
        tokio::spawn(read(id, reader, arrived));
        tokio::spawn(write(writer, to_write));
    }

    fn arrive(&mut self, connection: ConnectionId, bytes: Option<Vec<u8>>) {
        let now = self.now();
        let Some(received) = self.received.get_mut(&connection.0) else { return };
        match bytes {
            Some(bytes) => {
                received.extend_from_slice(&bytes);
                let used = self.broker.receive(now, connection, received);
                received.drain(..used);
            }
            None => self.close(connection),
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        if self.received.remove(&connection.0).is_some() {
            self.writers.remove(&connection.0);
            self.broker.handle(self.now(), Input::Closed(connection));
        }
    }

    fn turn(&mut self) {
        self.broker.handle(self.now(), Input::TurnEnd);
        while let Some(output) = self.broker.poll_output() {
            match output {
                Output::Flush(connection) => self.flush(connection),
                Output::Close(connection) => {
                    self.flush(connection);
                    self.close(connection);
                }
                Output::Commit(group) => self.broker.handle(self.now(), Input::Committed(group)),
                Output::Authenticate(_) | Output::Exchange(_) | Output::Resume(_) => panic!("the hub has no users"),
                Output::Load { .. } => panic!("no session of this test is stored"),
            }
        }
    }

    fn flush(&mut self, connection: ConnectionId) {
        let bytes = self.broker.outbox(connection).to_vec();
        self.broker.written(connection, bytes.len());
        if let Some(writer) = self.writers.get(&connection.0) {
            let _ = writer.send(bytes);
        }
    }
}

async fn read(id: ConnectionId, mut reader: ReadHalf<DuplexStream>, arrived: mpsc::Sender<Arrived>) {
    let mut bytes = vec![0; 4096];
    loop {
        let count = reader.read(&mut bytes).await.unwrap_or(0);
        let message = if count == 0 { None } else { Some(bytes[..count].to_vec()) };
        if arrived.send((id, message)).await.is_err() || count == 0 {
            return;
        }
    }
}

async fn write(mut writer: WriteHalf<DuplexStream>, mut to_write: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = to_write.recv().await {
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}
