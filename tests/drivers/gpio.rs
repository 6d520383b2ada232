//! Devices on simulated GPIO lines.

use super::hub;
use super::observer::{Observer, settings};
use gatehouse::client::{Event, Message};
use gatehouse::mqtt::packet::SubscriptionOptions;
use gatehouse::mqtt::{Property, QoS};

const BLIND: &str = r#"
    schema = 1
    [gateway]
    id = "gw1"
    [gpio]
    backend = "simulated"
    [device.blind]
    name = "Kitchen blind"
    interlock = { outputs = ["up", "down"], dead_time = "50ms" }
    [device.blind.out.up]
    line = "GPIO23"
    active = "low"
    max_on = "45s"
    [device.blind.out.down]
    line = "GPIO24"
    active = "low"
    [device.lamp.out.light]
    line = "GPIO1"
    [device.door.in.contact]
    line = "GPIO5"
    bias = "pull-up"
    active = "low"
    debounce = "5ms"
    class = "door"
    [device.hall.button.press]
    line = "GPIO6"
    bias = "pull-up"
    active = "low"
    debounce = "5ms"
    multi_gap = "60ms"
"#;

async fn house() -> Observer {
    let mut observer = Observer::start(&hub::start(), settings(BLIND)).await;
    for device in ["blind", "lamp", "door", "hall"] {
        if !observer.has_seen(&format!("{device}/$availability online")) {
            observer.see(&format!("{device}/$availability"), "online").await;
        }
    }
    observer
}

#[tokio::test]
async fn a_device_is_offline_until_its_lines_were_read() {
    let mut observer = Observer::start(&hub::start(), settings(BLIND)).await;
    observer.see("blind/$availability", "online").await;
    let blind: Vec<&str> =
        observer.transcript.iter().map(String::as_str).filter(|line| line.starts_with("blind/")).collect();
    assert_eq!(blind[0], "blind/$availability offline");
    assert!(blind[1].starts_with(r#"blind/$meta {"version":"#), "{blind:?}");
    assert!(blind[1].contains(r#""interlock":["down"]"#) && blind[1].contains(r#""max_on":"45s""#), "{blind:?}");
    assert_eq!(blind[2..], ["blind/$problem {}", "blind/up false", "blind/down false", "blind/$availability online"]);
}

#[tokio::test]
async fn a_relay_is_switched_and_its_verified_state_published() {
    let mut observer = house().await;
    observer.transcript.clear();
    observer.say("lamp/light/set", r#"{"value":true,"id":"a7"}"#).await;
    let result = observer.see_part("lamp/light/$result", "a7").await;
    assert!(result.starts_with(r#"{"id":"a7","status":"done","value":true,"took_ms":"#), "{result}");
    assert_eq!(observer.transcript[0], "lamp/light true");
    assert_eq!(observer.retained("lamp/light").await.as_deref(), Some("true"));
    assert_eq!(observer.retained("lamp/light/$target").await, None);
}

#[tokio::test]
async fn interlocked_relays_wait_for_the_dead_time() {
    let mut observer = house().await;
    observer.say("blind/up/set", "true").await;
    observer.see("blind/up", "true").await;
    observer.say("blind/down/set", "true").await;
    observer.see("blind/down/$result", r#"{"status":"rejected","reason":"interlock:up"}"#).await;
    observer.say("blind/up/set", "false").await;
    observer.say("blind/down/set", "true").await;
    observer.see("blind/down", "true").await;
    assert!(observer.has_seen("blind/up false"));
}

#[tokio::test]
async fn a_pulse_ends_by_itself_and_tells_its_length() {
    let mut observer = house().await;
    observer.say("blind/up/set", r#"{"value":true,"pulse":"100ms","id":"p"}"#).await;
    observer.see_part("blind/up/$result", r#""status":"accepted""#).await;
    let result = observer.see_part("blind/up/$result", r#""status":"done""#).await;
    assert!(result.contains(r#""value":false"#) && result.contains(r#""pulse_ms":100"#), "{result}");
    assert!(observer.has_seen("blind/up false"));
}

#[tokio::test]
async fn a_retained_command_is_refused_and_cleared() {
    let mut observer = house().await;
    observer.send(Message::new("home/blind/up/set", "true").retained()).await;
    observer.see("blind/up/$result", r#"{"status":"rejected","reason":"retained"}"#).await;
    assert_eq!(observer.retained("blind/up/set").await, None);
    assert_eq!(observer.retained("blind/up").await.as_deref(), Some("false"));
}

#[tokio::test]
async fn a_command_retained_before_the_start_does_not_switch_anything() {
    let connect = hub::start();
    let mut early = super::observer::client(&connect, "early").await;
    early.publish(Message::new("home/blind/up/set", "true").retained().qos(QoS::AtLeastOnce)).expect("room");
    early.settle().await.expect("an answer");
    let mut observer = Observer::start(&connect, settings(BLIND)).await;
    observer.see("blind/up/$result", r#"{"status":"rejected","reason":"retained"}"#).await;
    assert_eq!(observer.retained("blind/up/set").await, None);
    assert!(!observer.has_seen("blind/up true"));
}

#[tokio::test]
async fn nonsense_is_refused_with_a_reason() {
    let mut observer = house().await;
    observer.say("blind/up/set", "ON").await;
    observer.see_part("blind/up/$result", r#""reason":"malformed"#).await;
    observer.say("door/contact/set", "true").await;
    observer.see_part("door/contact/$result", r#""reason":"not-settable""#).await;
}

#[tokio::test]
async fn the_sender_of_a_request_gets_its_answer_where_it_wants_it() {
    let connect = hub::start();
    let mut observer = Observer::start(&connect, settings(BLIND)).await;
    observer.see("blind/$availability", "online").await;
    let mut sender = super::observer::client(&connect, "sender").await;
    sender.subscribe(&[("answers/me", SubscriptionOptions::plain(QoS::AtLeastOnce))]).expect("a filter");
    let request = Message::new("home/blind/up/set", "true").qos(QoS::AtLeastOnce);
    let request = request.property(Property::ResponseTopic("answers/me"));
    sender.publish(request.property(Property::CorrelationData(b"\x01\x02"))).expect("room");
    let answer = loop {
        if let Event::Message(message) = sender.next().await.expect("an event") {
            break message;
        }
    };
    assert_eq!(answer.correlation_data(), Some(&b"\x01\x02"[..]));
    assert!(answer.text().expect("text").contains(r#""status":"done""#));
}

#[tokio::test]
async fn a_contact_is_opened_from_outside() {
    let mut observer = house().await;
    assert_eq!(observer.retained("door/contact").await.as_deref(), Some("false"));
    observer.say("$gw/simulate/GPIO5/set", "0").await;
    observer.see("door/contact", "true").await;
    observer.say("$gw/simulate/GPIO5/set", "1").await;
    observer.see("door/contact", "false").await;
}

#[tokio::test]
async fn a_contact_that_never_rests_takes_nothing_else_with_it() {
    let text = r#"
        schema = 1
        [gpio]
        backend = "simulated"
        [device.shed.out.light]
        line = "GPIO1"
        [device.shed.in.loose]
        line = "GPIO2"
        debounce = "0s"
    "#;
    let mut observer = Observer::start(&hub::start(), settings(text)).await;
    observer.see("shed/$availability", "online").await;
    observer.say("shed/light/set", "true").await;
    observer.see("shed/light", "true").await;
    for _ in 0..10 {
        let flips = (0..50).flat_map(|_| ["1", "0"]).map(|level| ("$gw/simulate/GPIO2/set", level));
        observer.say_all(flips).await;
    }
    observer.say("$gw/simulate/GPIO2/set", "1").await;
    observer.say("shed/light/get", "").await;
    observer.see("shed/light", "true").await;
    let starts = observer.transcript.iter().filter(|line| *line == "shed/light false").count();
    assert_eq!(starts, 1, "the driver started again");
    while observer.retained("shed/loose").await.as_deref() != Some("true") {}
}

#[tokio::test]
async fn a_button_is_pressed_from_outside() {
    let mut observer = house().await;
    observer.say("$gw/simulate/GPIO6/set", "press 40ms").await;
    observer.see("$gw/simulate/GPIO6/$result", r#"{"status":"done"}"#).await;
    observer.see("hall/press", "single").await;
    observer.say("$gw/simulate/GPIO6/set", "press 800ms").await;
    observer.see("hall/press", "long").await;
    observer.see("hall/press", "release").await;
    assert_eq!(observer.retained("hall/press").await, None);
}

#[tokio::test]
async fn what_is_not_simulated_cannot_be_moved() {
    let mut observer = house().await;
    observer.say("$gw/simulate/GPIO99/set", "1").await;
    observer.see_part("$gw/simulate/GPIO99/$result", r#""status":"rejected""#).await;
    observer.say("$gw/simulate/GPIO23/set", "1").await;
    observer.see_part("$gw/simulate/GPIO23/$result", r#""status":"rejected""#).await;
    observer.say("$gw/simulate/GPIO5/set", "open").await;
    observer.see_part("$gw/simulate/GPIO5/$result", "expected 1, 0, press").await;
}

#[tokio::test]
async fn a_question_is_answered_with_the_value() {
    let mut observer = house().await;
    observer.transcript.clear();
    observer.say("blind/down/get", "").await;
    observer.see("blind/down", "false").await;
    observer.say("door/contact/get", "").await;
    observer.see("door/contact", "false").await;
}

#[tokio::test]
async fn stopping_leaves_outputs_in_their_failsafe_state_and_devices_offline() {
    let mut observer = house().await;
    observer.say("blind/up/set", "true").await;
    observer.see("blind/up", "true").await;
    observer.stop().await;
    observer.see("blind/$availability", "offline").await;
    assert!(observer.has_seen("blind/up false"));
    assert_eq!(observer.retained("blind/$availability").await.as_deref(), Some("offline"));
    assert_eq!(observer.retained("$gw/availability").await.as_deref(), Some("offline"));
}

#[tokio::test]
async fn a_line_that_is_not_there_is_a_problem_of_its_device_alone() {
    let text = r#"
        schema = 1
        [gpio]
        backend = "gpiochip"
        [device.lamp.out.light]
        line = "NO-SUCH-LINE"
        [device.flow]
        driver = "w1"
        rom = "28-0316a2795cff"
        simulate = 48.5
    "#;
    let mut observer = Observer::start(&hub::start(), settings(text)).await;
    observer.see_part("lamp/$problem", r#""lines":{"kind":"open""#).await;
    assert_eq!(observer.retained("lamp/$availability").await.as_deref(), Some("offline"));
    if !observer.has_seen("flow/$availability online") {
        observer.see("flow/$availability", "online").await;
    }
    observer.stop().await;
}

#[tokio::test]
async fn an_output_comes_back_as_it_was() {
    let text = r#"
        schema = 1
        [gpio]
        backend = "simulated"
        [device.lamp.out.light]
        line = "GPIO1"
        power_on = "last-else-off"
        failsafe = "keep"
    "#;
    let connect = hub::start();
    let mut first = Observer::start(&connect, settings(text)).await;
    first.see("lamp/light", "false").await;
    first.say("lamp/light/set", "true").await;
    first.see("lamp/light", "true").await;
    first.stop().await;
    let mut second = Observer::start(&connect, settings(text)).await;
    second.transcript.clear();
    second.see("lamp/$availability", "online").await;
    assert_eq!(second.retained("lamp/light").await.as_deref(), Some("true"));
}

const METER: &str = r#"
    schema = 1
    [gateway]
    id = "gw1"
    [gpio]
    backend = "simulated"
    [device.meter.counter.energy]
    line = "GPIO17"
    debounce = "0ms"
    multiplier = 0.001
    unit = "kWh"
    report = "10ms"
    save = "1h"
"#;

/// Presses so many times at once, as fast as the simulation can.
async fn pulses(observer: &mut Observer, count: usize) {
    let levels = (0..count).flat_map(|_| ["1", "0"]).map(|level| ("$gw/simulate/GPIO17/set", level));
    observer.say_all(levels).await;
}

#[tokio::test]
async fn a_counter_counts_is_set_and_goes_on_after_a_restart() {
    let connect = hub::start();
    let mut first = Observer::start(&connect, settings(METER)).await;
    first.see("meter/energy", "0").await;
    for total in ["0.005", "0.01"] {
        pulses(&mut first, 5).await;
        first.see("meter/energy", total).await;
    }
    first.say("meter/energy/set", "4711").await;
    first.see_part("meter/energy/$result", r#""status":"done","value":4711.0"#).await;
    first.say("meter/energy/set", "true").await;
    first.see("meter/energy/$result", r#"{"status":"rejected","reason":"not-a-number"}"#).await;
    pulses(&mut first, 3).await;
    first.see("meter/energy", "4711.003").await;
    first.stop().await;
    let mut second = Observer::start(&connect, settings(METER)).await;
    second.transcript.clear();
    second.see("meter/$availability", "online").await;
    assert_eq!(second.retained("meter/energy").await.as_deref(), Some("4711.003"));
    pulses(&mut second, 1).await;
    second.see("meter/energy", "4711.004").await;
}

#[tokio::test]
async fn a_button_held_at_the_start_is_no_press_and_a_bounce_train_one_click() {
    let mut observer = house().await;
    let bounces = ["0", "1", "0", "1", "0"].map(|level| ("$gw/simulate/GPIO6/set", level));
    observer.say_all(bounces.into_iter()).await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let bounces = ["1", "0", "1", "0", "1"].map(|level| ("$gw/simulate/GPIO6/set", level));
    observer.say_all(bounces.into_iter()).await;
    observer.see("hall/press", "single").await;
    observer.say("hall/press/get", "").await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    observer.say("blind/down/get", "").await;
    observer.see("blind/down", "false").await;
    assert_eq!(observer.transcript.iter().filter(|line| line.starts_with("hall/press ")).count(), 1);
}

#[tokio::test]
async fn another_configuration_touches_only_what_it_changes() {
    let connect = hub::start();
    let before = format!("{BLIND}[device.old.out.light]\nline = \"GPIO9\"\n");
    let mut observer = Observer::start(&connect, settings(&before)).await;
    for device in ["blind", "lamp", "door", "hall", "old"] {
        if !observer.has_seen(&format!("{device}/$availability online")) {
            observer.see(&format!("{device}/$availability"), "online").await;
        }
    }
    observer.say("lamp/light/set", "true").await;
    observer.see_part("lamp/light/$result", "done").await;
    observer.transcript.clear();
    let after = BLIND.replace("debounce = \"5ms\"\n    class = \"door\"", "debounce = \"6ms\"\n    class = \"window\"");
    observer.reload(settings(&format!("{after}[device.new.out.light]\nline = \"GPIO9\"\n")));
    observer.see("new/$availability", "online").await;
    if !observer.has_seen("door/$availability online") {
        observer.see("door/$availability", "online").await;
    }
    let touched = |device: &str| observer.transcript.iter().any(|line| line.starts_with(&format!("{device}/")));
    assert!(!touched("lamp") && !touched("blind") && !touched("hall"), "{:?}", observer.transcript);
    assert!(observer.transcript.iter().any(|line| line.contains(r#""class":"window""#)));
    for topic in ["old/$availability", "old/$meta", "old/light"] {
        assert_eq!(observer.retained(topic).await, None, "{topic}");
    }
    assert_eq!(observer.retained("lamp/light").await.as_deref(), Some("true"));
    observer.say("lamp/light/set", "toggle").await;
    observer.see("lamp/light", "false").await;
}

/// Nothing is simulated unless the configuration says so: a device without its line is no device.
#[tokio::test]
async fn a_line_that_this_machine_has_not_is_a_fault_and_is_not_simulated() {
    let text = "schema = 1\n[gateway]\nid = \"gw1\"\n[device.lamp.out.light]\nline = \"no-such-chip:5\"\n";
    let mut house = Observer::start(&hub::start(), settings(text)).await;
    house.see_part("lamp/$problem", "line no-such-chip:5").await;
    house.see_once("lamp/$availability", "offline").await;
    assert!(!house.has_seen("lamp/$availability online"), "{:#?}", house.transcript);
    house.stop().await;
}
