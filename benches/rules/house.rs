//! A house of any number of rules, for figures and for the test that holds them.

use gatehouse::base::Moment;
use gatehouse::config::{Source, check};
use gatehouse::rules::Program;
use gatehouse::rules::engine::{Engine, Input, Now, TRACES_MAX};
use std::fmt::Write;
use std::sync::Arc;

/// `count` devices of one contact and one relay, and a rule for each.
pub fn house(count: usize) -> Arc<Program> {
    let mut text = "schema = 1\n[gateway]\nid = \"gw1\"\n".to_owned();
    for index in 0..count {
        writeln!(
            text,
            "[device.d{index}]\nin.a.line = \"I{index}\"\nout.x.line = \"O{index}\"\n[rule.r{index}]\n\
             when = [{{ on = \"d{index}/a\", to = true }}]\nif = \"!d{index}/x || house.mode == 'home'\"\n\
             do = [{{ set = \"d{index}/x\", to = \"toggle\" }}]"
        )
        .expect("a string takes every text");
    }
    match check(&[Source::new("bench.toml", text)]) {
        Ok(settings) => settings.rules,
        Err(problems) => panic!("{problems:?}"),
    }
}

pub fn at(micros: u64) -> Now {
    let wall = 1_795_000_000_000 + i64::try_from(micros / 1_000).expect("a small number");
    Now { moment: Moment::from_micros(micros), wall: Some(wall), trusted: true }
}

pub fn started(program: &Arc<Program>) -> Engine {
    let mut engine = Engine::new(program.clone(), at(0));
    for index in 0..program.rules.len() {
        for (topic, payload) in [("$availability", "online"), ("a", "false"), ("x", "false")] {
            let topic = format!("home/d{index}/{topic}");
            engine.handle(at(0), Input::Message { topic: &topic, payload: payload.as_bytes(), replayed: true });
        }
    }
    engine.handle(at(0), Input::Started);
    while engine.poll_output().is_some() {}
    engine
}

/// Every rule of the house runs until it has all the traces it may have.
pub fn live(engine: &mut Engine) {
    for round in 0..2 * TRACES_MAX {
        for index in 0..engine.program().rules.len() {
            let now = at(20_000_000 * (round as u64 + 1));
            let payload: &[u8] = if round % 2 == 0 { b"true" } else { b"false" };
            let topic = format!("home/d{index}/a");
            engine.handle(now, Input::Message { topic: &topic, payload, replayed: false });
            while engine.poll_output().is_some() {}
        }
    }
}
