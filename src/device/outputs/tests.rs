//! Outputs on a virtual clock, with a device that follows at once, late, or never.

use super::*;
use crate::device::interlocks::Interlock;
use crate::device::interlocks::Standing;
use crate::device::settings::{Failsafe, Heartbeat, PowerOn};

const SETTINGS: OutputSettings =
    OutputSettings { power_on: PowerOn::Off, failsafe: Failsafe::Off, max_on: None, min_off: None, heartbeat: None };

/// A device, its clock, and everything that was to be told.
struct Bench {
    now: Moment,
    machine: Outputs,
    interlocks: Interlocks,
    follows: bool,
    told: Vec<String>,
    tickets: u64,
}

impl Bench {
    fn new(settings: &OutputSettings, confirm: Option<Duration>) -> Self {
        let spec = |id: &str| OutputSpec { id: id.to_owned(), settings: settings.clone(), confirm };
        let outputs = ["blind/up", "blind/down", "shed/motor"].map(str::to_owned).to_vec();
        let mut interlocks = Interlocks::new(vec![Interlock { outputs, dead_time: ms(500) }]);
        interlocks.tell("shed/motor", Standing::Off { since: Moment::START });
        let machine = Outputs::new("blind", vec![spec("up"), spec("down")]);
        let mut bench = Self { now: Moment::START, machine, interlocks, follows: true, told: Vec::new(), tickets: 0 };
        bench.tell(OutputInput::Found);
        bench.tell(OutputInput::Observed { output: 0, on: false });
        bench.tell(OutputInput::Observed { output: 1, on: false });
        bench.run(ms(1000));
        bench.told.clear();
        bench
    }

    fn tell(&mut self, input: OutputInput) {
        self.machine.handle(self.now, input, &mut self.interlocks);
        while let Some(event) = self.machine.poll_output() {
            match event {
                OutputEvent::Write { output, on } => {
                    self.told.push(format!("{} write {output}={on}", self.time()));
                    if self.follows {
                        self.machine.handle(self.now, OutputInput::Observed { output, on }, &mut self.interlocks);
                    }
                }
                OutputEvent::State { output, on, .. } => self.told.push(format!("{} state {output}={on}", self.time())),
                OutputEvent::Target { output, on } => {
                    self.told.push(format!("{} target {output}={on:?}", self.time()));
                }
                OutputEvent::Heartbeat { output, lost } => {
                    self.told.push(format!("{} heartbeat {output} lost={lost}", self.time()));
                }
                OutputEvent::Result { output, result, .. } => {
                    self.told.push(format!("{} result {output} {}", self.time(), result.to_json()));
                }
            }
        }
    }

    fn time(&self) -> u64 {
        (self.now.as_micros() / 1000).saturating_sub(1000)
    }

    fn command(&mut self, output: usize, json: &str) {
        let mut command = Command::parse(json.as_bytes()).expect("a command");
        command.ttl = command.ttl.or(Some(Duration::from_secs(5)));
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.tell(OutputInput::Command { output, ticket, command });
    }

    /// Lets time pass, from deadline to deadline.
    fn run(&mut self, length: Duration) {
        let end = self.now + length;
        for _ in 0..1000 {
            let Some(deadline) = self.machine.next_deadline(&self.interlocks).filter(|deadline| *deadline <= end)
            else {
                self.now = end;
                return;
            };
            assert!(deadline > self.now, "a deadline of the past was left: {:?}", self.machine);
            self.now = deadline;
            self.tell(OutputInput::Time);
        }
        panic!("the machine does not come to rest: {:?}", self.machine);
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn a_command_is_done_when_its_state_is_observed() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, r#"{"value":true,"id":"a"}"#);
    assert_eq!(
        bench.told(),
        ["0 write 0=true", "0 state 0=true", r#"0 result 0 {"id":"a","status":"done","value":true,"took_ms":0}"#]
    );
}

#[test]
fn a_command_for_the_known_state_writes_nothing() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, "false");
    assert_eq!(bench.told(), [r#"0 result 0 {"status":"done","value":false,"took_ms":0}"#]);
}

#[test]
fn toggle_turns_what_is_wanted_not_what_is_known() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, "toggle");
    assert_eq!(bench.machine.state(0), Some(true));
    bench.command(0, "toggle");
    assert_eq!(bench.machine.state(0), Some(false));
    let mut slow = Bench::new(&SETTINGS, Some(ms(2000)));
    slow.follows = false;
    slow.command(0, "toggle");
    slow.command(0, "toggle");
    slow.tell(OutputInput::Observed { output: 0, on: true });
    assert!(slow.told().contains(&"0 write 0=false".to_owned()));
}

#[test]
fn interlocked_outputs_are_never_on_together() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, "true");
    bench.told();
    bench.command(1, r#"{"value":true,"id":"b"}"#);
    assert_eq!(bench.told(), [r#"0 result 1 {"id":"b","status":"rejected","reason":"interlock:up"}"#]);
    assert_eq!(bench.machine.state(1), Some(false));
}

#[test]
fn the_dead_time_passes_between_one_output_and_the_next() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, "true");
    bench.run(ms(100));
    bench.command(0, "false");
    bench.told();
    bench.run(ms(200));
    bench.command(1, "true");
    assert_eq!(bench.told(), ["300 target 1=Some(true)"]);
    bench.command(0, "true");
    assert_eq!(bench.told(), [r#"300 result 0 {"status":"rejected","reason":"interlock:down"}"#]);
    bench.run(ms(1000));
    assert_eq!(
        bench.told(),
        [
            "600 write 1=true",
            "600 state 1=true",
            r#"600 result 1 {"status":"done","value":true,"took_ms":300}"#,
            "600 target 1=None"
        ]
    );
}

#[test]
fn a_command_that_waits_too_long_expires() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, "true");
    bench.command(0, "false");
    bench.told();
    bench.command(1, r#"{"value":true,"ttl":"100ms"}"#);
    bench.run(ms(1000));
    assert_eq!(bench.told(), ["0 target 1=Some(true)", r#"100 result 1 {"status":"expired"}"#, "100 target 1=None"]);
    assert_eq!(bench.machine.state(1), Some(false));
}

#[test]
fn a_later_command_takes_the_place_of_one_that_waits() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, "true");
    bench.command(0, "false");
    bench.told();
    bench.command(1, r#"{"value":true,"id":"first"}"#);
    bench.command(1, r#"{"value":false,"id":"second"}"#);
    assert_eq!(
        bench.told(),
        [
            "0 target 1=Some(true)",
            r#"0 result 1 {"id":"first","status":"superseded"}"#,
            r#"0 result 1 {"id":"second","status":"done","value":false,"took_ms":0}"#,
            "0 target 1=None"
        ]
    );
}

#[test]
fn a_pulse_is_accepted_then_done_with_its_measured_length() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, r#"{"value":true,"pulse":"300ms","id":"p"}"#);
    assert_eq!(
        bench.told().last().map(String::as_str),
        Some(r#"0 result 0 {"id":"p","status":"accepted","value":true,"took_ms":0,"pulse_ms":300}"#)
    );
    bench.run(ms(1000));
    assert_eq!(
        bench.told(),
        [
            "300 write 0=false",
            "300 state 0=false",
            r#"300 result 0 {"id":"p","status":"done","value":false,"took_ms":300,"pulse_ms":300,"measured_ms":300}"#
        ]
    );
}

#[test]
fn a_command_ends_a_pulse_and_leaves_the_output_as_commanded() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, r#"{"value":true,"pulse":"300ms","id":"p"}"#);
    bench.told();
    bench.command(0, "true");
    assert_eq!(bench.told()[0], r#"0 result 0 {"id":"p","status":"superseded"}"#);
    bench.run(ms(1000));
    assert_eq!(bench.machine.state(0), Some(true));
}

#[test]
fn nothing_keeps_an_output_on_longer_than_it_may() {
    let mut bench = Bench::new(&OutputSettings { max_on: Some(ms(400)), ..SETTINGS }, None);
    bench.command(0, "true");
    bench.run(ms(300));
    bench.command(0, "true");
    bench.told();
    bench.run(ms(1000));
    assert_eq!(bench.told(), ["400 write 0=false", "400 state 0=false"]);
    bench.command(0, r#"{"value":true,"pulse":"500ms"}"#);
    assert_eq!(bench.told(), [r#"1300 result 0 {"status":"rejected","reason":"max-on:400ms"}"#]);
}

#[test]
fn an_off_that_fails_is_tried_again_until_it_succeeds() {
    let mut bench = Bench::new(&SETTINGS, Some(ms(200)));
    bench.command(0, r#"{"value":true,"pulse":"300ms"}"#);
    bench.follows = false;
    bench.told();
    bench.run(ms(2000));
    bench.follows = true;
    bench.run(ms(1000));
    let told = bench.told();
    assert_eq!(told.iter().filter(|line| line.contains("write 0=false")).count(), 3, "{told:?}");
    assert!(told.iter().any(|line| line.contains(r#""measured_ms":2700"#)), "{told:?}");
}

#[test]
fn a_command_that_is_not_confirmed_fails() {
    let mut bench = Bench::new(&SETTINGS, Some(ms(200)));
    bench.follows = false;
    bench.command(0, "true");
    bench.tell(OutputInput::Observed { output: 0, on: false });
    bench.run(ms(1000));
    assert_eq!(
        bench.told(),
        [
            "0 write 0=true",
            "0 target 0=Some(true)",
            r#"200 result 0 {"status":"failed","reason":"not-confirmed","took_ms":200}"#,
            "200 target 0=None"
        ]
    );
}

#[test]
fn an_output_that_reads_back_wrong_fails_at_once() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.follows = false;
    bench.command(0, "true");
    bench.told();
    bench.tell(OutputInput::Observed { output: 0, on: false });
    assert_eq!(bench.told()[0], r#"0 result 0 {"status":"failed","reason":"not-verified","took_ms":0}"#);
}

#[test]
fn a_lost_device_refuses_commands_and_is_brought_to_its_duty_when_found() {
    let mut bench = Bench::new(&SETTINGS, Some(ms(2000)));
    bench.command(0, r#"{"value":true,"pulse":"300ms","id":"p"}"#);
    bench.told();
    bench.tell(OutputInput::Lost);
    assert_eq!(bench.machine.state(0), None);
    bench.command(0, "true");
    assert_eq!(bench.told(), [r#"0 result 0 {"status":"rejected","reason":"offline"}"#]);
    bench.run(ms(1000));
    bench.told();
    bench.tell(OutputInput::Found);
    assert!(bench.told().contains(&"1000 write 0=false".to_owned()));
}

#[test]
fn failsafe_ends_everything_and_goes_off() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, r#"{"value":true,"pulse":"10s","id":"p"}"#);
    bench.told();
    bench.tell(OutputInput::Failsafe);
    assert_eq!(
        bench.told(),
        [r#"0 result 0 {"id":"p","status":"failed","reason":"failsafe"}"#, "0 write 0=false", "0 state 0=false"]
    );
    assert!(bench.machine.is_idle());
}

#[test]
fn a_pulse_that_the_device_ends_itself_has_failed() {
    let mut bench = Bench::new(&SETTINGS, Some(ms(200)));
    bench.command(0, r#"{"value":true,"pulse":"1s"}"#);
    bench.run(ms(400));
    bench.told();
    bench.tell(OutputInput::Observed { output: 0, on: false });
    let told = bench.told();
    assert_eq!(told[0], "400 state 0=false");
    assert!(told[1].contains("switched-off-by-device") && told[1].contains(r#""measured_ms":400"#), "{told:?}");
}

#[test]
fn start_states_follow_the_settings_and_never_break_the_interlock() {
    let cases = [
        (PowerOn::Off, [Some(true), Some(true)], [Some(false), Some(false)]),
        (PowerOn::On, [None, None], [Some(true), Some(false)]),
        (PowerOn::Last, [None, Some(true)], [None, Some(true)]),
        (PowerOn::LastElseOff, [None, Some(true)], [Some(false), Some(true)]),
        (PowerOn::Keep, [Some(true), Some(false)], [None, None]),
    ];
    for (power_on, last, expected) in cases {
        let bench = Bench::new(&OutputSettings { power_on, ..SETTINGS }, None);
        assert_eq!(bench.machine.start_states(&last, &bench.interlocks), expected, "{power_on:?}");
    }
}

#[test]
fn a_pulse_that_is_off_is_refused() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.command(0, r#"{"value":false,"pulse":"1s"}"#);
    assert_eq!(bench.told(), [r#"0 result 0 {"status":"rejected","reason":"pulse-must-be-on"}"#]);
    assert_eq!(bench.machine.state(0), Some(false));
}

#[test]
fn an_output_that_is_still_on_its_way_to_on_blocks_the_other() {
    let mut bench = Bench::new(&SETTINGS, Some(ms(2000)));
    bench.follows = false;
    bench.command(0, "true");
    bench.command(0, "false");
    bench.command(1, "true");
    bench.run(ms(1000));
    assert!(!bench.told().contains(&"0 write 1=true".to_owned()));
    bench.tell(OutputInput::Observed { output: 0, on: true });
    bench.tell(OutputInput::Observed { output: 0, on: false });
    assert_eq!(bench.told().last().map(String::as_str), Some("1000 target 0=None"));
    bench.run(ms(600));
    assert_eq!(bench.told(), ["1500 write 1=true"]);
}

#[test]
fn after_a_write_that_was_not_confirmed_the_state_is_unknown() {
    let mut bench = Bench::new(&SETTINGS, Some(ms(200)));
    bench.follows = false;
    bench.command(0, "true");
    bench.run(ms(1000));
    bench.told();
    bench.command(1, "true");
    bench.command(0, "toggle");
    assert_eq!(
        bench.told(),
        [
            r#"1000 result 1 {"status":"rejected","reason":"interlock:up"}"#,
            r#"1000 result 0 {"status":"rejected","reason":"unknown-state"}"#
        ]
    );
    bench.tell(OutputInput::Observed { output: 0, on: false });
    assert_eq!(bench.told(), ["1000 state 0=false"]);
}

#[test]
fn an_output_of_another_device_excludes_and_is_excluded() {
    let mut bench = Bench::new(&SETTINGS, None);
    bench.interlocks.tell("shed/motor", Standing::On);
    bench.command(0, "true");
    assert_eq!(bench.told(), [r#"0 result 0 {"status":"rejected","reason":"interlock:shed/motor"}"#]);
    bench.interlocks.tell("shed/motor", Standing::Leaving);
    bench.command(0, "true");
    assert_eq!(bench.told(), ["0 target 0=Some(true)"]);
    assert_eq!(bench.interlocks.blocking("shed/motor"), Some("blind/up"));
    bench.run(ms(200));
    bench.interlocks.tell("shed/motor", Standing::Off { since: bench.now });
    bench.tell(OutputInput::Time);
    assert!(bench.told().is_empty());
    bench.run(ms(1000));
    assert_eq!(bench.told()[0], "700 write 0=true");
}

#[test]
fn an_output_that_must_rest_stays_off_for_its_time() {
    let mut bench = Bench::new(&OutputSettings { min_off: Some(ms(3000)), ..SETTINGS }, None);
    bench.run(ms(3000));
    bench.command(0, "true");
    bench.command(0, "false");
    bench.told();
    bench.run(ms(500));
    bench.command(0, "true");
    assert_eq!(bench.told(), ["3500 target 0=Some(true)"]);
    bench.run(ms(3000));
    assert_eq!(bench.told()[0], "6000 write 0=true");
    bench.command(0, "false");
    bench.told();
    bench.command(0, r#"{"value":true,"ttl":"1s"}"#);
    bench.run(ms(4000));
    assert_eq!(bench.told()[1], r#"7500 result 0 {"status":"expired"}"#);
    assert_eq!(bench.machine.first_levels(&[Some(true), Some(false)]), [Some(false), Some(false)]);
}

#[test]
fn a_silent_controller_brings_its_output_into_the_failsafe_state() {
    let heartbeat = Some(Heartbeat { topic: "garden/alive".into(), lost_after: ms(2000) });
    let mut bench = Bench::new(&OutputSettings { heartbeat, ..SETTINGS }, None);
    bench.tell(OutputInput::Alive { output: 0 });
    bench.tell(OutputInput::Alive { output: 1 });
    bench.command(0, "true");
    bench.told();
    bench.run(ms(1500));
    bench.tell(OutputInput::Alive { output: 0 });
    bench.run(ms(1000));
    assert_eq!(bench.told(), ["2000 heartbeat 1 lost=true"]);
    bench.command(1, "true");
    assert!(bench.told()[0].contains("heartbeat-lost"), "nothing but the failsafe state is allowed");
    bench.run(ms(2000));
    assert_eq!(bench.told(), ["3500 heartbeat 0 lost=true", "3500 write 0=false", "3500 state 0=false"]);
    bench.tell(OutputInput::Alive { output: 0 });
    bench.command(0, "true");
    assert_eq!(bench.told()[..2], ["4500 heartbeat 0 lost=false", "4500 write 0=true"]);
}
