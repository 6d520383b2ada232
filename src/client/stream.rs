//! The client on a stream of bytes.

use super::{ClientError, Event, Machine, Message, Options, Token};
use crate::base::Moment;
use crate::mqtt::Properties;
use crate::mqtt::packet::SubscriptionOptions;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;

/// How long a server may take to answer a CONNECT.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes read at once.
const READ_SIZE: usize = 8 << 10;

/// An MQTT client on any stream.
///
/// Publishing and subscribing only queue; [`next`](Client::next), [`flush`](Client::flush) and
/// [`settle`](Client::settle) write what is queued in one go. All of them may be dropped half-way without harm.
#[derive(Debug)]
pub struct Client<S> {
    stream: S,
    machine: Machine,
    received: Vec<u8>,
    start: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Connects over a stream; ends when the server has taken or refused the connection.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn connect(stream: S, options: &Options) -> Result<(Self, bool), ClientError> {
        let machine = Machine::new(Moment::START, options)?;
        let mut client = Self { stream, machine, received: Vec::new(), start: Instant::now() };
        let first = tokio::time::timeout(CONNECT_TIMEOUT, client.next()).await;
        match first.map_err(|_| ClientError::Timeout)?? {
            Event::Connected { session_present } => Ok((client, session_present)),
            Event::Message(_)
            | Event::Released { .. }
            | Event::Published { .. }
            | Event::Subscribed { .. }
            | Event::Unsubscribed { .. } => {
                unreachable!("the machine tells nothing before the connection")
            }
        }
    }

    /// Queues a message. QoS 1 and 2 are answered by [`Event::Published`].
    ///
    /// # Errors
    /// See [`Machine::publish`].
    pub fn publish(&mut self, message: Message) -> Result<Token, ClientError> {
        self.machine.publish(message)
    }

    /// Queues a SUBSCRIBE, answered by [`Event::Subscribed`].
    ///
    /// # Errors
    /// See [`Machine::subscribe`].
    pub fn subscribe(&mut self, filters: &[(&str, SubscriptionOptions)]) -> Result<Token, ClientError> {
        self.machine.subscribe(filters)
    }

    /// Queues a SUBSCRIBE with properties of 5.0, answered by [`Event::Subscribed`].
    ///
    /// # Errors
    /// See [`Machine::subscribe_with`].
    pub fn subscribe_with(
        &mut self,
        filters: &[(&str, SubscriptionOptions)],
        properties: Properties<'_>,
    ) -> Result<Token, ClientError> {
        self.machine.subscribe_with(filters, properties)
    }

    /// Queues the acknowledgement of a message, see [`Machine::acknowledge`].
    pub fn acknowledge(&mut self, packet_id: u16) {
        self.machine.acknowledge(packet_id);
    }

    /// Whether a message of QoS 1 or 2 could be sent now, instead of waiting for an acknowledgement.
    pub fn has_room(&self) -> bool {
        self.machine.has_room()
    }

    /// Queues an UNSUBSCRIBE, answered by [`Event::Unsubscribed`].
    ///
    /// # Errors
    /// See [`Machine::unsubscribe`].
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Result<Token, ClientError> {
        self.machine.unsubscribe(filters)
    }

    /// The next event; sends what is queued while it waits.
    ///
    /// # Errors
    /// See [`ClientError`]; the connection is of no more use then.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.machine.poll_output() {
                return Ok(event);
            }
            self.turn().await?;
        }
    }

    /// Sends what is queued.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        while !self.machine.to_send().is_empty() {
            self.turn().await?;
        }
        Ok(())
    }

    /// What happened already, without waiting.
    pub fn poll_output(&mut self) -> Option<Event> {
        self.machine.poll_output()
    }

    /// Sends what is queued and waits until the server has answered every message of QoS 1 and 2.
    /// Events of that time stay to be asked for.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn settle(&mut self) -> Result<(), ClientError> {
        while !self.machine.is_settled() {
            self.turn().await?;
        }
        self.flush().await
    }

    /// Ends the connection without the will.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn disconnect(mut self) -> Result<(), ClientError> {
        self.machine.disconnect();
        self.stream.write_all(self.machine.to_send()).await?;
        self.stream.shutdown().await?;
        Ok(())
    }

    /// Sends and receives until something has moved, or time has to be passed.
    async fn turn(&mut self) -> Result<(), ClientError> {
        let deadline = self.machine.next_deadline();
        let deadline = deadline.map(|deadline| self.start + Duration::from_micros(deadline.as_micros()));
        let moved = poll_fn(|context| self.poll_stream(context));
        match deadline {
            Some(deadline) => match tokio::time::timeout_at(deadline, moved).await {
                Ok(moved) => moved,
                Err(_) => self.machine.pass(self.now()),
            },
            None => moved.await,
        }
    }

    fn poll_stream(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        let mut moved = false;
        while !self.machine.to_send().is_empty() {
            let now = self.now();
            match Pin::new(&mut self.stream).poll_write(context, self.machine.to_send()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                Poll::Ready(Ok(count)) => self.machine.sent(now, count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => break,
            }
            moved = true;
        }
        if moved {
            return Poll::Ready(Ok(()));
        }
        // TLS and WebSocket may keep back what they were given.
        if let Poll::Ready(Err(error)) = Pin::new(&mut self.stream).poll_flush(context) {
            return Poll::Ready(Err(error.into()));
        }
        let mut space = [0; READ_SIZE];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(ClientError::Closed));
        }
        self.received.extend_from_slice(buffer.filled());
        let handled = self.machine.handle(&self.received)?;
        self.received.drain(..handled);
        Poll::Ready(Ok(()))
    }

    fn now(&self) -> Moment {
        let passed = self.start.elapsed();
        Moment::START + passed
    }
}
