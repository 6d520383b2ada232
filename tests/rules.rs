//! The rule engine with a house around it, on a clock that the tests move: time, limits, safety, random input. The
//! rules are written as users write them.

mod rules {
    mod house;
    mod limits;
    mod pause;
    mod random;
    mod simulation;
    mod time;
    mod traces;
}
