//! Which requests read everything a device has: neighbours are read together. Pure.

use super::packet::Request;
use super::schedule::Poll;
use crate::config::{ModbusDevice, ModbusTable};
use std::time::Duration;

/// The most bits in one request.
///
/// Source: MODBUS Application Protocol Specification V1.1b3, 6.1.
const BITS_MAX: u16 = 2000;

/// How many bits in a row cost as little as one register.
const BITS_OF_A_WORD: u16 = 16;

/// One thing that a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// The register of this index.
    Register(usize),
    /// The switch of this index.
    Output(usize),
}

/// Where one thing lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) what: What,
    pub(super) table: ModbusTable,
    pub(super) address: u16,
    length: u16,
    every: Duration,
}

/// A request and what lies in its reply, with the offset of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) poll: Poll,
    pub(super) points: Vec<(Point, usize)>,
    /// Whether the unit answered it since it was lost.
    pub(super) is_answered: bool,
}

/// Everything that a device has.
pub(super) fn points(device: &ModbusDevice) -> Vec<Point> {
    let registers = device.registers.iter().enumerate().map(|(index, register)| Point {
        what: What::Register(index),
        table: register.table,
        address: register.address,
        length: register.kind.length() as u16,
        every: register.every,
    });
    let outputs = device.outputs.iter().enumerate().map(|(index, output)| Point {
        what: What::Output(index),
        table: output.table,
        address: output.address,
        length: 1,
        every: output.every,
    });
    registers.chain(outputs).collect()
}

impl Point {
    /// A request for this alone.
    pub(super) fn request(&self) -> Request {
        Request::Read { table: self.table, address: self.address, count: self.length }
    }

    fn end(&self) -> u32 {
        u32::from(self.address) + u32::from(self.length)
    }
}

/// Requests for these points: those of one table and interval that lie near each other are read together.
pub(super) fn plan(points: &[Point], gap: u16, read_max: u16) -> Vec<Planned> {
    let mut sorted: Vec<Point> = points.to_vec();
    sorted.sort_by_key(|point| (point.table, point.every, point.address, point.what));
    let mut planned: Vec<Planned> = Vec::new();
    for point in sorted {
        let joined = planned.last_mut().is_some_and(|last| last.join(point, gap, read_max));
        if !joined {
            let poll = Poll { request: point.request(), every: point.every };
            planned.push(Planned { poll, points: vec![(point, 0)], is_answered: false });
        }
    }
    planned
}

impl Planned {
    /// Takes a point in, if it is near enough and the request does not become too long.
    fn join(&mut self, point: Point, gap: u16, read_max: u16) -> bool {
        let Request::Read { table, address, count } = &mut self.poll.request else { return false };
        let is_bits = matches!(point.table, ModbusTable::Coil | ModbusTable::Discrete);
        let (gap, most) = if is_bits { (gap * BITS_OF_A_WORD, BITS_MAX) } else { (gap, read_max) };
        let end = u32::from(*address) + u32::from(*count);
        let length = point.end().max(end) - u32::from(*address);
        let is_near = u32::from(point.address) <= end + u32::from(gap);
        if *table != point.table || self.poll.every != point.every || !is_near || length > u32::from(most) {
            return false;
        }
        let offset = usize::from(point.address - *address);
        *count = length as u16;
        self.points.push((point, offset));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(index: usize, table: ModbusTable, address: u16, length: u16) -> Point {
        Point { what: What::Register(index), table, address, length, every: Duration::from_secs(1) }
    }

    fn requests(points: &[Point], gap: u16, read_max: u16) -> Vec<(u16, u16)> {
        let of = |planned: &Planned| match planned.poll.request {
            Request::Read { address, count, .. } => (address, count),
            _ => panic!("a plan only reads"),
        };
        plan(points, gap, read_max).iter().map(of).collect()
    }

    #[test]
    fn neighbours_are_read_together_across_small_gaps() {
        let input = ModbusTable::Input;
        let points = [point(0, input, 12, 2), point(1, input, 0, 2), point(2, input, 6, 2), point(3, input, 70, 2)];
        assert_eq!(requests(&points, 4, 125), [(0, 14), (70, 2)]);
        assert_eq!(requests(&points, 3, 125), [(0, 2), (6, 2), (12, 2), (70, 2)]);
        assert_eq!(requests(&points, 100, 125), [(0, 72)]);
        assert_eq!(requests(&points, 100, 10), [(0, 8), (12, 2), (70, 2)]);
    }

    #[test]
    fn tables_and_intervals_are_asked_apart() {
        let mut slow = point(2, ModbusTable::Input, 2, 1);
        slow.every = Duration::from_mins(1);
        let points = [point(0, ModbusTable::Input, 0, 1), point(1, ModbusTable::Holding, 1, 1), slow];
        assert_eq!(plan(&points, 8, 125).len(), 3);
    }

    #[test]
    fn offsets_lead_back_and_overlaps_are_read_once() {
        let points = [point(0, ModbusTable::Holding, 5, 4), point(1, ModbusTable::Holding, 6, 1)];
        let planned = plan(&points, 0, 125);
        assert_eq!(planned.len(), 1);
        assert_eq!(planned[0].poll.request, points[0].request());
        assert_eq!(planned[0].points, [(points[0], 0), (points[1], 1)]);
        assert_eq!(requests(&[point(0, ModbusTable::Holding, 65_535, 1)], 8, 125), [(65_535, 1)]);
    }
}
