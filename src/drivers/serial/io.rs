//! The port itself.

use crate::config::{Parity, SerialMode};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_serial::{DataBits, FlowControl, SerialPortBuilderExt, SerialStream, StopBits};

/// Bytes read at once.
const READ_SIZE: usize = 512;

/// How long bytes may take to leave; a port that takes longer is stuck.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An open port, ours alone; closed when dropped.
#[derive(Debug)]
pub(in crate::drivers) struct Port {
    stream: Stream,
}

#[derive(Debug)]
enum Stream {
    Serial(SerialStream),
    Tcp(TcpStream),
}

impl Port {
    /// Opens a serial port.
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
        Ok(Self { stream: Stream::Serial(builder.open_native_async()?) })
    }

    /// Connects to a far port.
    pub(super) async fn connect(address: &str) -> io::Result<Self> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Stream::Tcp(stream) })
    }

    /// The next bytes. A port that was unplugged reads nothing, which is an error here.
    pub(in crate::drivers) async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; READ_SIZE];
        let count = match &mut self.stream {
            Stream::Serial(stream) => stream.read(&mut bytes).await?,
            Stream::Tcp(stream) => stream.read(&mut bytes).await?,
        };
        if count == 0 {
            let what = match &self.stream {
                Stream::Serial(_) => "the port was unplugged",
                Stream::Tcp(_) => "the far end closed the connection",
            };
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Sends bytes.
    pub(in crate::drivers) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let write = async {
            match &mut self.stream {
                Stream::Serial(stream) => stream.write_all(bytes).await,
                Stream::Tcp(stream) => stream.write_all(bytes).await,
            }
        };
        match tokio::time::timeout(WRITE_TIMEOUT, write).await {
            Ok(written) => written,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the port does not take what is sent")),
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if let Stream::Serial(stream) = &mut self.stream {
            // A terminal that lives on must not stay exclusive. If this fails, the next opening says so.
            let _ = stream.set_exclusive(false);
        }
    }
}
