//! The rule engine with a house around it, on a clock that the tests move: time, limits, safety, pauses. The
//! rules are written as users write them; random input is in `tests/fuzz`.

mod rules {
    mod house;
    mod limits;
    mod pause;
    mod simulation;
    mod time;
    mod traces;
    mod words;
}
