//! What carries a client's bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A blocking stream of bytes, in both directions.
pub trait Stream: Read + Write {
    /// How long reading may take before it fails.
    fn wait_at_most(&mut self, patience: Duration);

    /// Sends no more; what the broker sends can still be read.
    fn shut_down(&mut self);
}

impl Stream for TcpStream {
    fn wait_at_most(&mut self, patience: Duration) {
        self.set_read_timeout(Some(patience)).expect("a socket option");
    }

    fn shut_down(&mut self) {
        // The broker may have closed already.
        _ = self.shutdown(Shutdown::Write);
    }
}
