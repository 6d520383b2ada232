//! GPIO lines of the kernel's character device, uAPI version 2: bias, debounce and time stamps by the kernel.
//!
//! Source: the kernel's `Documentation/userspace-api/gpio/chardev.rst`.

use super::lines::{Edge, LineError, LineSpec, Role};
use crate::config::{Bias, LineAddress};
use crate::drivers::clock::Clock;
use gpiocdev::Request;
use gpiocdev::chip::{self, Chip};
use gpiocdev::line::{self, EdgeDetection, EdgeKind, EventClock, Offset, Value};
use gpiocdev::request::Config;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::task::Poll;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// Edges that are read at once.
const EDGES_AT_ONCE: usize = 16;

/// The lines of one device, by one request for each chip.
#[derive(Debug)]
pub(super) struct Lines {
    clock: Clock,
    requests: Vec<OpenRequest>,
    /// For each line its request and its offset there.
    places: Vec<Place>,
    /// For each line the kernel's number of its last edge.
    last_edges: Vec<u32>,
    /// Edges that were read and not handed out.
    edges: VecDeque<Edge>,
}

#[derive(Debug)]
struct OpenRequest {
    request: Request,
    /// Where the kernel reports edges: the request's own descriptor once more, for the runtime to wait on. The reader
    /// of pipes is the runtime's plain reader of any descriptor that can be waited for.
    edges: Receiver,
}

#[derive(Clone, Debug)]
struct Place {
    name: String,
    request: usize,
    offset: Offset,
}

impl Lines {
    pub(super) fn open(clock: Clock, owner: &str, specs: &[LineSpec<'_>]) -> Result<Self, LineError> {
        let mut configs: BTreeMap<PathBuf, Config> = BTreeMap::new();
        let mut found = Vec::new();
        for spec in specs {
            let (chip, offset) = find(&spec.line.address)?;
            let config = configs.entry(chip.clone()).or_default();
            configure(config.with_line(offset), spec);
            found.push((chip, offset));
        }
        let paths: Vec<PathBuf> = configs.keys().cloned().collect();
        let mut requests = Vec::new();
        for (chip, config) in configs {
            let named = |error| LineError::Kernel { line: names_on(&chip, &found, specs), error };
            let mut builder = Request::from_config(config);
            let request = builder.on_chip(&chip).with_consumer(owner).request().map_err(named)?;
            requests.push(OpenRequest::new(request)?);
        }
        let place = |(spec, (chip, offset)): (&LineSpec<'_>, &(PathBuf, Offset))| Place {
            name: spec.line.address.to_string(),
            request: paths.iter().position(|known| known == chip).expect("every chip was requested"),
            offset: *offset,
        };
        let places: Vec<Place> = specs.iter().zip(&found).map(place).collect();
        let last_edges = vec![0; places.len()];
        let mut lines = Self { clock, requests, places, last_edges, edges: VecDeque::new() };
        lines.keep_found_levels(specs)?;
        Ok(lines)
    }

    /// Drives outputs without an initial level to the level they were found at.
    fn keep_found_levels(&mut self, specs: &[LineSpec<'_>]) -> Result<(), LineError> {
        for (line, spec) in specs.iter().enumerate() {
            if spec.role == (Role::Output { initial: None }) {
                let level = Value::from(self.read(line)?);
                let place = &self.places[line];
                let request = &self.requests[place.request].request;
                let mut config = request.config();
                config.with_line(place.offset).as_output(level);
                request.reconfigure(&config).map_err(|error| place.error(error))?;
            }
        }
        Ok(())
    }

    pub(super) fn write(&mut self, line: usize, on: bool) -> Result<(), LineError> {
        let place = &self.places[line];
        let request = &self.requests[place.request].request;
        request.set_value(place.offset, Value::from(on)).map_err(|error| place.error(error))
    }

    pub(super) fn read(&self, line: usize) -> Result<bool, LineError> {
        let place = &self.places[line];
        let value = self.requests[place.request].request.value(place.offset);
        value.map(bool::from).map_err(|error| place.error(error))
    }

    pub(super) async fn edge(&mut self) -> Result<Edge, LineError> {
        loop {
            if let Some(edge) = self.edges.pop_front() {
                return Ok(edge);
            }
            for request in 0..self.requests.len() {
                for event in self.requests[request].try_read()? {
                    let edge = self.edge_of(request, &event);
                    self.edges.extend(edge);
                }
            }
            if self.edges.is_empty() {
                self.readable().await?;
            }
        }
    }

    /// Waits until one of the requests has something to read.
    async fn readable(&self) -> std::io::Result<()> {
        let mut waiting: Vec<_> = self.requests.iter().map(|request| Box::pin(request.edges.readable())).collect();
        poll_fn(|context| {
            let ready = waiting.iter_mut().find_map(|edges| match edges.as_mut().poll(context) {
                Poll::Ready(ready) => Some(ready),
                Poll::Pending => None,
            });
            ready.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn edge_of(&mut self, request: usize, event: &line::EdgeEvent) -> Option<Edge> {
        let is_it = |place: &Place| place.request == request && place.offset == event.offset;
        let line = self.places.iter().position(is_it)?;
        let at = self.clock.moment_of_kernel(Duration::from_nanos(event.timestamp_ns));
        // The kernel numbers the edges of each line from 1, those that found no room too.
        let lost = event.line_seqno.wrapping_sub(self.last_edges[line]).saturating_sub(1);
        self.last_edges[line] = event.line_seqno;
        Some(Edge { line, level: event.kind == EdgeKind::Rising, at, lost })
    }
}

impl OpenRequest {
    fn new(request: Request) -> std::io::Result<Self> {
        let descriptor = request.as_fd().try_clone_to_owned()?;
        let flags = OFlag::from_bits_retain(fcntl(&descriptor, FcntlArg::F_GETFL)?);
        fcntl(&descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self { edges: Receiver::from_owned_fd_unchecked(descriptor)?, request })
    }

    /// The edges that the kernel has to report, if any.
    fn try_read(&self) -> std::io::Result<Vec<line::EdgeEvent>> {
        let size = self.request.edge_event_size();
        let mut bytes = vec![0; size * EDGES_AT_ONCE];
        let count = match self.edges.try_read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        let events = bytes[..count].chunks_exact(size).map(|event| {
            let words: Vec<u64> = event.as_chunks().0.iter().copied().map(u64::from_ne_bytes).collect();
            self.request.edge_event_from_slice(&words).map_err(std::io::Error::other)
        });
        events.collect()
    }
}

impl Place {
    fn error(&self, error: gpiocdev::Error) -> LineError {
        LineError::Kernel { line: self.name.clone(), error }
    }
}

fn configure(config: &mut Config, spec: &LineSpec<'_>) {
    if spec.line.active_low {
        config.as_active_low();
    }
    match spec.line.bias {
        Bias::Unchanged => {}
        Bias::Disabled => drop(config.with_bias(line::Bias::Disabled)),
        Bias::PullUp => drop(config.with_bias(line::Bias::PullUp)),
        Bias::PullDown => drop(config.with_bias(line::Bias::PullDown)),
    }
    match spec.role {
        Role::Output { initial: Some(on) } => drop(config.as_output(Value::from(on))),
        Role::Output { initial: None } => drop(config.as_is()),
        Role::Input { debounce } => {
            config.as_input().with_edge_detection(EdgeDetection::BothEdges);
            config.with_event_clock(EventClock::Monotonic);
            if !debounce.is_zero() {
                config.with_debounce_period(debounce);
            }
        }
    }
}

fn find(address: &LineAddress) -> Result<(PathBuf, Offset), LineError> {
    let unknown = || LineError::Unknown(address.to_string());
    let kernel = |error| LineError::Kernel { line: address.to_string(), error };
    let chips = chip::chips().map_err(kernel)?;
    if chips.is_empty() {
        return Err(LineError::NoChip(address.to_string()));
    }
    match address {
        LineAddress::Name(name) => match gpiocdev::find_named_lines(&[name], true) {
            Ok(mut found) => found.remove(name.as_str()).map(|line| (line.chip, line.info.offset)).ok_or_else(unknown),
            Err(gpiocdev::Error::NonuniqueLineName(name)) => Err(LineError::Ambiguous(name)),
            Err(error) => Err(kernel(error)),
        },
        LineAddress::Offset { label, offset } => {
            for path in chips {
                let info = Chip::from_path(&path).and_then(|chip| chip.info());
                if info.is_ok_and(|info| info.label == *label && *offset < info.num_lines) {
                    return Ok((path, *offset));
                }
            }
            Err(unknown())
        }
    }
}

fn names_on(chip: &PathBuf, found: &[(PathBuf, Offset)], specs: &[LineSpec<'_>]) -> String {
    let names = found.iter().zip(specs).filter(|((path, _), _)| path == chip);
    names.map(|(_, spec)| spec.line.address.to_string()).collect::<Vec<_>>().join(", ")
}
