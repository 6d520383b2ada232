//! Devices on GPIO lines: `[device.ID.out.ID]`, `….in.ID`, `….button.ID`, `….counter.ID`.

use super::device::{PropertyIds, interlock, output};
use super::gpio_settings::{Bias, GpioButton, GpioCounter, GpioDevice, GpioInput, GpioLine, GpioOutput};
use super::house::House;
use super::reader::Table;
use super::text;
use crate::device::{ButtonSettings, CounterSettings, Failsafe, PowerOn};
use std::time::Duration;

/// Keys of inputs that a later version will know.
const LATER: &[&str] = &["edge", "report"];

/// The kinds of lines; where one of them stands, the driver is `gpio` without being named.
pub(super) const KINDS: [&str; 4] = ["out", "in", "button", "counter"];

pub(super) fn device(house: &mut House, id: &str, table: &mut Table) -> Option<GpioDevice> {
    let mut ids = PropertyIds::default();
    let mut device = GpioDevice::default();
    let mut output_ids = Vec::new();
    for (property, table) in table.named_tables("out") {
        ids.claim(&property, "out", &table);
        output_ids.push(property.clone());
        device.outputs.extend(gpio_output(house, id, property, table));
    }
    for (property, table) in table.named_tables("in") {
        ids.claim(&property, "in", &table);
        device.inputs.extend(gpio_input(house, id, property, table));
    }
    for (property, table) in table.named_tables("button") {
        ids.claim(&property, "button", &table);
        device.buttons.extend(gpio_button(house, id, property, table));
    }
    for (property, table) in table.named_tables("counter") {
        ids.claim(&property, "counter", &table);
        device.counters.extend(gpio_counter(house, id, property, table));
    }
    interlock(house, id, table, &output_ids);
    if !KINDS.iter().any(|kind| table.has(kind)) {
        let hint = format!("add [device.{id}.out.NAME], [device.{id}.in.NAME], ….button.NAME or ….counter.NAME");
        table.problem("the device has no lines", hint);
        return None;
    }
    Some(device)
}

fn gpio_line(house: &mut House, device: &str, property: &str, table: &mut Table) -> Option<GpioLine> {
    let address = table.text("line", text::line_address);
    let active_low = table.word("active", &[("high", false), ("low", true)]).unwrap_or(false);
    let bias = table.word(
        "bias",
        &[
            ("as-is", Bias::Unchanged),
            ("none", Bias::Disabled),
            ("pull-up", Bias::PullUp),
            ("pull-down", Bias::PullDown),
        ],
    );
    let address = table.require("line", address, "\"GPIO23\"")?;
    house.claim_line(&address.value, format!("{device}/{property}"), &address.place);
    Some(GpioLine { address: address.value, active_low, bias: bias.unwrap_or_default() })
}

fn gpio_output(house: &mut House, device: &str, id: String, mut table: Table) -> Option<GpioOutput> {
    let line = gpio_line(house, device, &id, &mut table);
    let output = output(house, device, &id, &mut table, (PowerOn::Off, Failsafe::Off));
    table.close(LATER);
    Some(GpioOutput { id, line: line?, output })
}

fn gpio_input(house: &mut House, device: &str, id: String, mut table: Table) -> Option<GpioInput> {
    const DEBOUNCE: Duration = Duration::from_millis(20);
    let line = gpio_line(house, device, &id, &mut table);
    let debounce = table.text("debounce", text::duration).map_or(DEBOUNCE, |placed| placed.value);
    let class = table.text("class", text::id).map(|placed| placed.value);
    table.close(LATER);
    Some(GpioInput { id, line: line?, debounce, class })
}

fn gpio_button(house: &mut House, device: &str, id: String, mut table: Table) -> Option<GpioButton> {
    const DEBOUNCE: Duration = Duration::from_millis(15);
    const CLICKS: u64 = 2;
    const MULTI_GAP: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_millis(600);
    let line = gpio_line(house, device, &id, &mut table);
    let debounce = table.text("debounce", text::duration).map_or(DEBOUNCE, |placed| placed.value);
    let clicks = table.integer("clicks", 1..=3).unwrap_or(CLICKS);
    let multi_gap = table.text("multi_gap", text::positive_duration).map_or(MULTI_GAP, |placed| placed.value);
    let long = table.text("long", text::positive_duration).map_or(LONG, |placed| placed.value);
    let repeat = table.text("repeat", text::positive_duration).map(|placed| placed.value);
    table.close(LATER);
    let button = ButtonSettings { clicks: clicks as u8, multi_gap, long, repeat };
    Some(GpioButton { id, line: line?, debounce, button })
}

fn gpio_counter(house: &mut House, device: &str, id: String, mut table: Table) -> Option<GpioCounter> {
    const DEBOUNCE: Duration = Duration::from_millis(10);
    const REPORT: Duration = Duration::from_secs(1);
    const SAVE: Duration = Duration::from_mins(1);
    let line = gpio_line(house, device, &id, &mut table);
    let debounce = table.text("debounce", text::duration).map_or(DEBOUNCE, |placed| placed.value);
    let multiplier = table.number("multiplier");
    if let Some(multiplier) = multiplier.as_ref().filter(|multiplier| multiplier.value <= 0.0) {
        table.problem_at(&multiplier.place, "`multiplier` is not positive", "write what one pulse adds, such as 0.001");
    }
    let max_rate = table.text("max_rate", text::frequency);
    let counter = CounterSettings {
        multiplier: multiplier.map_or(1.0, |placed| placed.value),
        min_gap: max_rate.map(|rate| Duration::try_from_secs_f64(1.0 / rate.value).unwrap_or(Duration::MAX)),
        report: table.text("report", text::duration).map_or(REPORT, |placed| placed.value),
        save: table.text("save", text::duration).map_or(SAVE, |placed| placed.value),
    };
    let unit = table.text("unit", text::words).map(|placed| placed.value);
    let class = table.text("class", text::id).map(|placed| placed.value);
    table.close(&[]);
    Some(GpioCounter { id, line: line?, debounce, counter, unit, class })
}
