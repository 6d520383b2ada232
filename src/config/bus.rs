//! `[bus.ID]`: serial ports.

use super::reader::Table;
use super::settings::{BusSettings, Parity, PortSource, SerialMode, SimulatedPeer};
use super::text;
use std::time::Duration;

/// How long a Modbus unit may think when its bus does not say so.
const REPLY_TIMEOUT: Duration = Duration::from_millis(300);

/// Stands in a bus over TCP, which has no mode.
const NO_MODE: SerialMode = SerialMode { baud: 115_200, data_bits: 8, parity: Parity::None, stop_bits: 1 };

pub(super) fn bus(id: String, mut table: Table) -> Option<BusSettings> {
    let path = table.text("path", text::absolute_path);
    let simulate = table.word("simulate", &[("arduino", SimulatedPeer::Arduino)]);
    let tcp = table.text("tcp", text::host_and_port);
    let is_tcp = table.has("tcp");
    let mode = table.text("mode", text::serial_mode).map(|placed| placed.value);
    let mode = if is_tcp { mode.or(Some(NO_MODE)) } else { table.require("mode", mode, "\"9600 8N1\"") };
    let settle = table.text("settle", text::duration).map_or(Duration::ZERO, |placed| placed.value);
    let reply_timeout = table.text("reply_timeout", text::positive_duration);
    let quiet = table.text("quiet", text::duration).map(|placed| placed.value);
    let kinds = ["path", "tcp", "simulate"].into_iter().filter(|kind| table.has(kind)).collect::<Vec<_>>();
    if let [first, second, ..] = kinds.as_slice() {
        table.problem(format!("`{first}` and `{second}` exclude each other"), "keep one of them");
        return None;
    }
    if kinds.is_empty() {
        table.require::<()>("path", None, "\"/dev/serial/by-id/…\"");
    }
    table.close(&[]);
    let path = path.map(|path| PortSource::Path(path.value));
    let tcp = tcp.map(|tcp| PortSource::Tcp(tcp.value));
    let port = path.or(tcp).or(simulate.map(PortSource::Simulated))?;
    let reply_timeout = reply_timeout.map_or(REPLY_TIMEOUT, |placed| placed.value);
    Some(BusSettings { id, port, mode: mode?, settle, reply_timeout, quiet })
}
