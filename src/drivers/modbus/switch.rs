//! A switch of a unit on the wire: what sets it, and what was read of it. Pure.

use super::packet::{Data, Request};
use crate::config::{ModbusOutput, ModbusTable};

/// The request that switches.
pub(super) fn write(output: &ModbusOutput, on: bool) -> Request {
    match output.table {
        ModbusTable::Coil | ModbusTable::Discrete => Request::WriteCoil { address: output.address, on },
        ModbusTable::Input | ModbusTable::Holding => {
            let word = if on { output.on } else { output.off };
            Request::WriteWord { address: output.address, word }
        }
    }
}

/// The request that reads it back.
pub(super) fn read(output: &ModbusOutput) -> Request {
    Request::Read { table: output.table, address: output.address, count: 1 }
}

/// The state that was read; none if the register holds neither of the two numbers.
pub(super) fn state(output: &ModbusOutput, data: &Data, offset: usize) -> Option<bool> {
    match data {
        Data::Bits(bits) => bits.get(offset).copied(),
        Data::Words(words) => match words.get(offset) {
            Some(word) if *word == output.on => Some(true),
            Some(word) if *word == output.off => Some(false),
            Some(_) | None => None,
        },
        Data::Written => None,
    }
}
