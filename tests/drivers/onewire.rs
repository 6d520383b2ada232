//! Simulated thermometers.

use super::hub;
use super::observer::{Observer, settings};

const FLOW: &str = r#"
    schema = 1
    [device.flow]
    driver = "w1"
    rom = "28-0316a2795cff"
    every = "20ms"
    reject = { max_step = 8.0, tries = 3 }
    simulate = 48.5
"#;

#[tokio::test]
async fn a_thermometer_reports_what_changes_and_what_is_believed() {
    let mut observer = Observer::start(&hub::start(), settings(FLOW)).await;
    observer.see("flow/temperature", "48.5").await;
    observer.see("flow/$availability", "online").await;
    observer.say("$gw/simulate/28-0316a2795cff/set", "49").await;
    observer.see("flow/temperature", "49").await;
    observer.say("$gw/simulate/28-0316a2795cff/set", "85").await;
    observer.see_part("flow/$problem", "before it has measured").await;
    observer.see("flow/temperature", "85").await;
    observer.see("flow/$problem", "{}").await;
}

#[tokio::test]
async fn a_sensor_that_is_not_there_is_offline_and_says_why() {
    let absent = FLOW.replace("simulate = 48.5", "");
    let mut observer = Observer::start(&hub::start(), settings(&absent)).await;
    observer.see_part("flow/$problem", r#""temperature":{"kind":"read""#).await;
    assert_eq!(observer.retained("flow/$availability").await.as_deref(), Some("offline"));
    assert_eq!(observer.retained("flow/temperature").await, None);
}
