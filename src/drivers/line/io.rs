//! The serial port itself.

use crate::config::{Parity, SerialMode};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_serial::{DataBits, FlowControl, SerialPortBuilderExt, SerialStream, StopBits};

/// Bytes read at once.
const READ_SIZE: usize = 512;

/// How long a command may take to leave; a port that takes longer is stuck.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// An open port, ours alone; closed when dropped.
#[derive(Debug)]
pub(super) struct Port {
    stream: SerialStream,
}

impl Port {
    pub(super) fn open(path: &Path, mode: SerialMode) -> io::Result<Self> {
        let builder = tokio_serial::new(path.to_string_lossy(), mode.baud)
            .data_bits(if mode.data_bits == 7 { DataBits::Seven } else { DataBits::Eight })
            .parity(match mode.parity {
                Parity::None => tokio_serial::Parity::None,
                Parity::Even => tokio_serial::Parity::Even,
                Parity::Odd => tokio_serial::Parity::Odd,
            })
            .stop_bits(if mode.stop_bits == 2 { StopBits::Two } else { StopBits::One })
            .flow_control(FlowControl::None);
        Ok(Self { stream: builder.open_native_async()? })
    }

    /// The next bytes. A port that was unplugged reads nothing, which is an error here.
    pub(super) async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; READ_SIZE];
        let count = self.stream.read(&mut bytes).await?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the port was unplugged"));
        }
        bytes.truncate(count);
        Ok(bytes)
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match tokio::time::timeout(WRITE_TIMEOUT, self.stream.write_all(bytes)).await {
            Ok(written) => written,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the port does not take the command")),
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // A terminal that lives on must not stay exclusive. If this fails, the next opening says so.
        let _ = self.stream.set_exclusive(false);
    }
}
