//! The switched outputs of one device among those of the house: interlocks reach over devices.

use crate::base::Moment;
use crate::device::{Interlock, Interlocks, OutputEvent, OutputInput, OutputSpec, Outputs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The interlocks that all drivers share. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct SharedInterlocks {
    interlocks: Arc<Mutex<Interlocks>>,
    eased: Arc<watch::Sender<()>>,
}

impl SharedInterlocks {
    pub(super) fn new(groups: Vec<Interlock>) -> Self {
        let eased = Arc::new(watch::Sender::new(()));
        Self { interlocks: Arc::new(Mutex::new(Interlocks::new(groups))), eased }
    }

    /// Puts other interlocks in the place of these; see [`Interlocks::replace`].
    pub(super) fn replace(&self, groups: Vec<Interlock>) {
        self.lock().replace(groups);
    }

    /// Who excludes an output, `DEVICE/OUTPUT` all.
    pub(super) fn excluded_by(&self, output: &str) -> Vec<String> {
        self.lock().excluded_by(output).into_iter().map(str::to_owned).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Interlocks> {
        // A machine that panicked in between has told of no output that it is off: what it left excludes others.
        self.interlocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outputs of one device: [`Outputs`] with the interlocks of the house.
#[derive(Debug)]
pub(super) struct Switches {
    outputs: Outputs,
    shared: SharedInterlocks,
    eased: watch::Receiver<()>,
}

impl Switches {
    pub(super) fn new(shared: &SharedInterlocks, device: &str, specs: Vec<OutputSpec>) -> Self {
        let shared = shared.clone();
        let eased = shared.eased.subscribe();
        Self { outputs: Outputs::new(device, specs), shared, eased }
    }

    /// See [`Outputs::start_states`].
    pub(super) fn start_states(&self, last: &[Option<bool>]) -> Vec<Option<bool>> {
        self.outputs.start_states(last, &self.shared.lock())
    }

    /// See [`Outputs::failsafe_states`].
    pub(super) fn failsafe_states(&self) -> Vec<Option<bool>> {
        self.outputs.failsafe_states(&self.shared.lock())
    }

    /// See [`Outputs::first_levels`].
    pub(super) fn first_levels(&self, states: &[Option<bool>]) -> Vec<Option<bool>> {
        self.outputs.first_levels(states)
    }

    /// The verified state of an output.
    pub(super) fn state(&self, output: usize) -> Option<bool> {
        self.outputs.state(output)
    }

    /// Whether nothing is being written and nothing waits to be.
    pub(super) fn is_idle(&self) -> bool {
        self.outputs.is_idle()
    }

    /// Takes in what happened; poll for what is to be done.
    pub(super) fn handle(&mut self, now: Moment, input: OutputInput) {
        if self.outputs.handle(now, input, &mut self.shared.lock()) {
            self.shared.eased.send_replace(());
            self.eased.mark_unchanged();
        }
    }

    /// The next thing to do, if there is any.
    pub(super) fn poll_output(&mut self) -> Option<OutputEvent> {
        self.outputs.poll_output()
    }

    /// When [`OutputInput::Time`] is due.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.outputs.next_deadline(&self.shared.lock())
    }

    /// Waits until outputs of other devices let go what they excluded; then [`OutputInput::Time`] is due.
    pub(super) async fn eased(&mut self) {
        // The sender lives as long as this.
        let _ = self.eased.changed().await;
    }
}
