//! Layer 4: the gateway put together, here and only here.
//!
//! Three threads: the heart (broker and sockets), the store, and a side runtime for everything that may take its time
//! (drivers, signals). Start order: store, broker, listeners, drivers. Stop order: drivers (so that outputs get into
//! their failsafe states and tell it), then the heart settles with the store.

mod access;
mod alarm;
mod control;
mod error;
mod files;
mod heart;
mod heartbeat;
mod limits;
mod listen;
mod preface;
mod reload;

pub use access::{UsersError, UsersFile};
pub use control::socket as control_socket;
pub use error::DaemonError;
pub use files::{ConfigurationError, ConfigurationFiles, check_sources, read_sources};
pub use listen::Listening;

use crate::access::Access;
use crate::broker::{Broker, Input, Origin, Restored};
use crate::config::{ListenAddress, ListenerSettings, Protocol, Settings};
use crate::drivers::{self, Connect, Plan};
use crate::net::{Linger, Listener, Ready, Visitors};
use crate::store::Store;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{error, info};

/// Built-in clients whose connection may wait to be accepted.
const DOOR_WAITING: usize = 64;

/// Answers of the store that may wait for the heart.
const REPLIES_WAITING: usize = 64;

/// What the command line and the configuration come to.
#[derive(Debug)]
pub struct Options {
    /// The house.
    pub settings: Settings,
    /// Where the house is described; without it this is a plain broker.
    pub files: Option<ConfigurationFiles>,
    /// What is wrong with the files, if the house is the last good one in their place.
    pub problems: Vec<String>,
    /// Where the store lies.
    pub data_directory: PathBuf,
    /// Users and rules, and the file to read them from again; without them everyone may do everything.
    pub access: Option<(UsersFile, Access)>,
    /// Where clients come in.
    pub listeners: Vec<ListenerSettings>,
    /// The file that the heart beats into, if somebody looks at it.
    pub heartbeat: Option<PathBuf>,
}

/// What is there when the gateway is ready.
#[derive(Debug)]
pub struct Started {
    /// Where clients come in.
    pub listening: Vec<Listening>,
    /// What the store remembered.
    pub restored: Restored,
}

impl Started {
    /// The first address for MQTT over TCP with nothing else.
    pub fn plain_address(&self) -> Option<SocketAddr> {
        self.listening.iter().find_map(|listening| match listening {
            Listening { address: ListenAddress::Tcp(address), protocol: Protocol::Mqtt, has_tls: false } => {
                Some(*address)
            }
            _ => None,
        })
    }
}

/// Runs the gateway until it is told to stop by SIGINT or SIGTERM; SIGHUP reads configuration, users and
/// certificates again. `started` is called once clients can connect.
///
/// # Errors
/// See [`DaemonError`].
pub fn run(mut options: Options, started: impl FnOnce(&Started)) -> Result<(), DaemonError> {
    let limits = limits::of(&options.settings.broker.limits);
    limits::raise_file_limit(&limits, options.listeners.len());
    let ready = Arc::new(Ready::default());
    let (store, replies, memory) = open_store(&options, limits.inflight, &ready)?;
    let begin = Instant::now();
    let (mut broker, restored) = Broker::restore(limits, crate::base::Moment::START, memory);
    if options.files.is_some() {
        preface::speak(&mut broker, &options.settings);
    }
    let heart = Builder::new_current_thread().enable_io().build().map_err(DaemonError::Runtime)?;
    let side = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("side")
        .enable_all()
        .build()
        .map_err(DaemonError::Runtime)?;
    let visitors = Visitors::new(limits);
    let open = listen::open(&heart, &side, options.listeners, &limits, &visitors)?;
    let listen::Open { mut listeners, rules, listening, certificates, files } = open;
    broker.set_listeners(rules);
    let (door, inside) = mpsc::channel(DOOR_WAITING);
    listeners.push((Listener::Door(inside), Origin::BuiltIn));
    let stop = Arc::new(AtomicBool::new(false));
    let (inlet, inputs) = access::Inlet::new(ready.clone());
    let users = options.access.take().map(|(file, access)| {
        broker.handle(crate::base::Moment::START, Input::AccessChanged(Box::new(access)));
        file
    });
    let passwords = access::Passwords::new(side.handle().clone(), inlet.clone());
    let life = Life { stop: stop.clone(), ready: ready.clone() };
    let plan = Plan { settings: Arc::new(options.settings), problems: options.problems };
    let (plans, plan) = watch::channel(plan);
    life.begin(&side, options.files.is_some().then_some(plan), Connect::new(door))?;
    let house = options.files.map(|files| reload::House { files, plans });
    reload::begin(&side, reload::Reloaded { certificates, users, house }, inlet)?;
    if let Some(file) = options.heartbeat {
        heartbeat::begin(&heart, &side, file);
    }
    control::begin(&side, &options.data_directory, store.backups());
    started(&Started { listening, restored });
    let sockets_max = limits::sockets(&limits);
    let parts = heart::Parts {
        broker,
        store,
        replies,
        inputs,
        passwords,
        listeners,
        linger: Linger::new(side.handle().clone()),
        visitors,
        ready,
        stop,
        sockets_max,
        started: begin,
    };
    let is_settled = heart.block_on(heart::run(parts)).map_err(DaemonError::Runtime)?;
    side.shutdown_background();
    drop(files);
    if is_settled { Ok(()) } else { Err(DaemonError::Unsettled) }
}

type Replies = std::sync::mpsc::Receiver<crate::store::Reply>;

fn open_store(
    options: &Options,
    inflight: u16,
    ready: &Arc<Ready>,
) -> Result<(Store, Replies, crate::broker::change::Memory), DaemonError> {
    let (answers, replies) = sync_channel(REPLIES_WAITING);
    let wake = ready.clone();
    let (store, memory) = Store::open(&options.data_directory, inflight, move |reply| {
        // The only error is that the heart has ended; then nobody waits for the answer.
        let _ = answers.send(reply);
        wake.wake();
    })?;
    Ok((store, replies, memory))
}

/// What runs beside the heart, and how its end is told to the heart.
struct Life {
    stop: Arc<AtomicBool>,
    ready: Arc<Ready>,
}

impl Life {
    /// Starts drivers and waits, beside the heart, for a signal to stop: first the drivers, then the heart.
    fn begin(self, side: &Runtime, plan: Option<watch::Receiver<Plan>>, connect: Connect) -> Result<(), DaemonError> {
        let guard = side.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Runtime)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Runtime)?;
        drop(guard);
        let (tell, told) = watch::channel(false);
        let drivers = side.spawn(async move {
            if let Some(plan) = plan {
                drivers::run(plan, connect, told).await;
            }
        });
        side.spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => info!("interrupted: stopping"),
                _ = terminate.recv() => info!("terminated: stopping"),
            }
            // The only error is that the drivers have ended already.
            let _ = tell.send(true);
            if let Err(failure) = drivers.await {
                error!(%failure, "the drivers did not stop in order");
            }
            self.stop.store(true, Ordering::Release);
            self.ready.wake();
        });
        Ok(())
    }
}
