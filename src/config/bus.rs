//! `[bus.ID]`: serial ports.

use super::reader::Table;
use super::settings::{BusSettings, PortSource, SimulatedPeer};
use super::text;
use std::time::Duration;

pub(super) fn bus(id: String, mut table: Table) -> Option<BusSettings> {
    let path = table.text("path", text::absolute_path);
    let simulate = table.word("simulate", &[("arduino", SimulatedPeer::Arduino)]);
    let mode = table.text("mode", text::serial_mode);
    let mode = table.require("mode", mode, "\"9600 8N1\"");
    let settle = table.text("settle", text::duration).map_or(Duration::ZERO, |placed| placed.value);
    let port = match (path, simulate) {
        (Some(path), Some(_)) => {
            table.problem_at(&path.place, "`path` and `simulate` exclude each other", "keep one of them");
            None
        }
        (Some(path), None) => Some(PortSource::Path(path.value)),
        (None, Some(peer)) => Some(PortSource::Simulated(peer)),
        (None, None) => {
            if !table.has("simulate") {
                table.require::<()>("path", None, "\"/dev/serial/by-id/…\"");
            }
            None
        }
    };
    table.close(&["reply_timeout", "quiet"]);
    Some(BusSettings { id, port: port?, mode: mode?.value, settle })
}
