//! Dimmers and fans: `[device.ID.light.ID]`, `[device.ID.fan.ID]`.

use super::device::{PropertyIds, heartbeat};
use super::gpio_settings::{PwmChannel, PwmDevice, PwmOutput};
use super::house::House;
use super::problem::Mistake;
use super::reader::Table;
use super::text;
use crate::device::{DimmerSettings, Failsafe, PowerOn};
use std::time::Duration;

/// The kinds of outputs with levels; where one of them stands, the driver is `pwm` without being named.
pub(super) const KINDS: [&str; 2] = ["light", "fan"];

/// Cycles in a second where nothing else is said: no eye sees a light flicker, and no ear hears a fan's motor whine.
const LIGHT_FREQUENCY: f64 = 1_000.0;
const FAN_FREQUENCY: f64 = 25_000.0;

pub(super) fn device(house: &mut House, id: &str, table: &mut Table) -> Option<PwmDevice> {
    let mut ids = PropertyIds::default();
    let mut device = PwmDevice::default();
    for kind in KINDS {
        for (property, table) in table.named_tables(kind) {
            ids.claim(&property, kind, &table);
            device.outputs.extend(output(house, id, property, kind, table));
        }
    }
    if !KINDS.iter().any(|kind| table.has(kind)) {
        table.problem("the device has no outputs", format!("add [device.{id}.light.NAME] or [device.{id}.fan.NAME]"));
        return None;
    }
    Some(device)
}

fn output(house: &mut House, device: &str, id: String, kind: &'static str, mut table: Table) -> Option<PwmOutput> {
    let channel = table.text("pwm", channel);
    let channel = table.require("pwm", channel, "\"pwm0\"");
    if let Some(channel) = &channel {
        house.claim_pwm(&channel.value, format!("{device}/{id}"), &channel.place);
    }
    let standard = if kind == "fan" { FAN_FREQUENCY } else { LIGHT_FREQUENCY };
    let frequency = table.text("frequency", text::frequency).map_or(standard, |placed| placed.value);
    let gamma = table.text("curve", curve).map_or(1.0, |placed| placed.value);
    let minimum = table.number("minimum");
    if let Some(wrong) = minimum.as_ref().filter(|minimum| !(0.0..1.0).contains(&minimum.value)) {
        table.problem_at(&wrong.place, "`minimum` is not a part of the whole", "write 0 or more and less than 1");
    }
    let transition = table.text("transition", text::duration).map_or(Duration::ZERO, |placed| placed.value);
    let power_on = [PowerOn::Off, PowerOn::On, PowerOn::Last, PowerOn::LastElseOff];
    let failsafe = [Failsafe::Off, Failsafe::On, Failsafe::Keep];
    let dimmer = DimmerSettings {
        minimum: minimum.map_or(0.0, |placed| placed.value),
        gamma,
        transition,
        power_on: table.word("power_on", &power_on.map(|word| (word.name(), word))).unwrap_or(PowerOn::Off),
        failsafe: table.word("failsafe", &failsafe.map(|word| (word.name(), word))).unwrap_or(Failsafe::Off),
        heartbeat: heartbeat(&mut table),
    };
    table.close(&[]);
    Some(PwmOutput { id, kind, channel: channel?.value, frequency, dimmer })
}

/// `pwm0`, or `CHIP:0` where there are several chips.
fn channel(text: &str) -> Result<PwmChannel, Mistake> {
    let parsed = match text.rsplit_once(':') {
        Some((chip, number)) if !chip.is_empty() && !chip.contains('/') => Some((Some(chip.to_owned()), number)),
        Some(_) => None,
        None => text.strip_prefix("pwm").map(|number| (None, number)),
    };
    let channel = parsed.and_then(|(chip, number)| Some(PwmChannel { chip, number: number.parse().ok()? }));
    let hint = "write \"pwm0\", or \"CHIP:0\" with the name of the chip's device, such as \"1f00098000.pwm:0\"";
    channel.ok_or_else(|| Mistake::new(format!("`{text}` is not a PWM channel"), hint))
}

/// `linear` or `gamma:2.2`.
fn curve(text: &str) -> Result<f64, Mistake> {
    let gamma = match text.split_once(':') {
        None if text == "linear" => Some(1.0),
        Some(("gamma", number)) => number.parse().ok().filter(|gamma| (0.1..=10.0).contains(gamma)),
        _ => None,
    };
    gamma.ok_or_else(|| Mistake::new(format!("`{text}` is not a curve"), "write \"linear\" or \"gamma:2.2\""))
}
