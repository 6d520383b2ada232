//! The list of connections that became ready.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Connections that became ready since the last turn, and the task that works through them.
#[derive(Debug, Default)]
pub struct Ready(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    connections: Vec<u32>,
    has_mail: bool,
    task: Option<Waker>,
}

/// Wakes the task for one connection.
struct ConnectionWaker {
    connection: u32,
    ready: Arc<Ready>,
}

impl Ready {
    /// The task that is to be woken from now on.
    pub fn set_task(&self, task: &Waker) {
        let mut list = self.lock();
        if !list.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            list.task = Some(task.clone());
        }
    }

    /// Exchanges the list for an empty one. Tells whether there is mail too, see [`Ready::wake`].
    #[inline]
    pub fn take(&self, work: &mut Vec<u32>) -> bool {
        let mut list = self.lock();
        std::mem::swap(&mut list.connections, work);
        std::mem::take(&mut list.has_mail)
    }

    /// Puts a connection on the list.
    #[inline]
    pub fn push(&self, connection: u32) {
        let mut list = self.lock();
        list.connections.push(connection);
        // The first one wakes; those that follow find the task awake already.
        if list.connections.len() == 1
            && let Some(task) = &list.task
        {
            task.wake_by_ref();
        }
    }

    /// Wakes the task for something that is no connection and was left where the task looks for it.
    pub fn wake(&self) {
        let mut list = self.lock();
        list.has_mail = true;
        if let Some(task) = &list.task {
            task.wake_by_ref();
        }
    }

    /// What wakes the task for a connection.
    pub fn waker(self: &Arc<Self>, connection: u32) -> Waker {
        Waker::from(Arc::new(ConnectionWaker { connection, ready: self.clone() }))
    }

    /// Nothing that is done under the lock can leave the list half changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for ConnectionWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.push(self.connection);
    }
}
