//! Presses of a button become clicks.

use super::settings::ButtonSettings;
use crate::base::Moment;
use std::collections::VecDeque;

/// What someone did with a button: the payload of the button's topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Click {
    /// One short press.
    Single,
    /// Two short presses.
    Double,
    /// Three short presses.
    Triple,
    /// It is held.
    Long,
    /// It is still held.
    LongRepeat,
    /// It is let go after it was held.
    Release,
}

impl Click {
    /// The payload.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Double => "double",
            Self::Triple => "triple",
            Self::Long => "long",
            Self::LongRepeat => "long-repeat",
            Self::Release => "release",
        }
    }

    /// The clicks that a button can make, as `$meta` lists them.
    pub fn possible(settings: &ButtonSettings) -> Vec<Click> {
        let mut clicks = [Self::Single, Self::Double, Self::Triple][..usize::from(settings.clicks)].to_vec();
        clicks.push(Self::Long);
        if settings.repeat.is_some() {
            clicks.push(Self::LongRepeat);
        }
        clicks.push(Self::Release);
        clicks
    }

    fn short(count: u8) -> Click {
        match count {
            1 => Self::Single,
            2 => Self::Double,
            _ => Self::Triple,
        }
    }
}

/// A button, from debounced levels to clicks.
///
/// Short presses are told when no other can follow: at once if as many as are counted have come, else after
/// `multi_gap`. A long press tells the short ones before it first.
#[derive(Debug)]
pub struct Button {
    settings: ButtonSettings,
    state: State,
    clicks: VecDeque<Click>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing is known yet; a button that is held at start is not pressed but stuck.
    Unknown,
    Idle,
    /// Pressed since, after this many short presses.
    Pressed {
        before: u8,
        since: Moment,
    },
    /// Let go, with this many short presses to tell at this moment.
    Counting {
        count: u8,
        until: Moment,
    },
    /// Held, with the next repeat.
    Held {
        repeat: Option<Moment>,
    },
}

impl Button {
    /// A button of which nothing is known.
    pub fn new(settings: ButtonSettings) -> Self {
        Self { settings, state: State::Unknown, clicks: VecDeque::new() }
    }

    /// Takes in that the button has been pressed, or let go, since `at`.
    pub fn handle(&mut self, at: Moment, pressed: bool) {
        self.pass(at);
        self.state = match (self.state, pressed) {
            (State::Unknown, true) => State::Unknown,
            (State::Unknown | State::Idle, false) => State::Idle,
            (State::Idle, true) => State::Pressed { before: 0, since: at },
            (State::Counting { count, .. }, true) => State::Pressed { before: count, since: at },
            (State::Pressed { before, .. }, false) => self.count(before + 1, at),
            (State::Held { .. }, false) => {
                self.clicks.push_back(Click::Release);
                State::Idle
            }
            // A level that is told twice is no edge.
            (state @ (State::Pressed { .. } | State::Held { .. }), true) | (state @ State::Counting { .. }, false) => {
                state
            }
        };
    }

    /// Lets time pass up to `now`.
    pub fn pass(&mut self, now: Moment) {
        while let Some(due) = self.next_deadline().filter(|due| *due <= now) {
            self.state = match self.state {
                State::Pressed { before, .. } => {
                    if before > 0 {
                        self.clicks.push_back(Click::short(before));
                    }
                    self.clicks.push_back(Click::Long);
                    State::Held { repeat: self.settings.repeat.map(|repeat| due + repeat) }
                }
                State::Counting { count, .. } => {
                    self.clicks.push_back(Click::short(count));
                    State::Idle
                }
                State::Held { .. } => {
                    self.clicks.push_back(Click::LongRepeat);
                    State::Held { repeat: self.settings.repeat.map(|repeat| due + repeat) }
                }
                state @ (State::Unknown | State::Idle) => state,
            };
        }
    }

    /// The next click to tell.
    pub fn poll_output(&mut self) -> Option<Click> {
        self.clicks.pop_front()
    }

    /// When time must be passed.
    pub fn next_deadline(&self) -> Option<Moment> {
        match self.state {
            State::Unknown | State::Idle => None,
            State::Pressed { since, .. } => Some(since + self.settings.long),
            State::Counting { until, .. } => Some(until),
            State::Held { repeat } => repeat,
        }
    }

    fn count(&mut self, count: u8, at: Moment) -> State {
        if count >= self.settings.clicks {
            self.clicks.push_back(Click::short(count));
            return State::Idle;
        }
        State::Counting { count, until: at + self.settings.multi_gap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SETTINGS: ButtonSettings = ButtonSettings {
        clicks: 3,
        multi_gap: Duration::from_millis(300),
        long: Duration::from_millis(600),
        repeat: Some(Duration::from_millis(250)),
    };

    /// Clicks and the millisecond in which each was told, for moments of press and release in turn.
    fn clicks(settings: ButtonSettings, edges: &[u64], end: u64) -> Vec<(u64, &'static str)> {
        let mut button = Button::new(settings);
        let mut told = Vec::new();
        button.handle(Moment::START, false);
        let mut edges = edges.iter().copied().zip([true, false].into_iter().cycle()).peekable();
        for time in 1..=end {
            let now = Moment::from_micros(time * 1000);
            match edges.next_if(|(edge, _)| *edge == time) {
                Some((_, pressed)) => button.handle(now, pressed),
                None => button.pass(now),
            }
            told.extend(std::iter::from_fn(|| button.poll_output()).map(|click| (time, click.name())));
        }
        told
    }

    #[test]
    fn short_presses_are_counted_until_no_other_follows() {
        assert_eq!(clicks(SETTINGS, &[100, 200], 2000), [(500, "single")]);
        assert_eq!(clicks(SETTINGS, &[100, 200, 400, 500], 2000), [(800, "double")]);
        assert_eq!(clicks(SETTINGS, &[100, 200, 400, 500, 700, 800], 2000), [(800, "triple")]);
        assert_eq!(clicks(SETTINGS, &[100, 200, 600, 700], 2000), [(500, "single"), (1000, "single")]);
    }

    #[test]
    fn a_button_that_counts_one_click_tells_it_at_once() {
        let settings = ButtonSettings { clicks: 1, ..SETTINGS };
        assert_eq!(clicks(settings, &[100, 200, 400, 500], 2000), [(200, "single"), (500, "single")]);
    }

    #[test]
    fn a_long_press_repeats_until_release() {
        let told = clicks(SETTINGS, &[100, 1300], 3000);
        assert_eq!(told, [(700, "long"), (950, "long-repeat"), (1200, "long-repeat"), (1300, "release")]);
        let settings = ButtonSettings { repeat: None, ..SETTINGS };
        assert_eq!(clicks(settings, &[100, 1300], 3000), [(700, "long"), (1300, "release")]);
    }

    #[test]
    fn a_long_press_tells_the_short_ones_before_it() {
        assert_eq!(
            clicks(SETTINGS, &[100, 200, 400, 1100], 3000),
            [(1000, "single"), (1000, "long"), (1100, "release")]
        );
    }

    #[test]
    fn a_button_that_is_held_at_start_was_not_pressed() {
        let mut button = Button::new(SETTINGS);
        button.handle(Moment::START, true);
        button.pass(Moment::from_micros(10_000_000));
        button.handle(Moment::from_micros(11_000_000), false);
        assert_eq!(button.poll_output(), None);
    }

    #[test]
    fn late_edges_are_judged_by_their_own_time() {
        let mut button = Button::new(SETTINGS);
        button.handle(Moment::START, false);
        button.handle(Moment::from_micros(100_000), true);
        button.handle(Moment::from_micros(900_000), false);
        let told: Vec<Click> = std::iter::from_fn(|| button.poll_output()).collect();
        assert_eq!(told, [Click::Long, Click::Release]);
    }

    #[test]
    fn possible_clicks_follow_the_settings() {
        let settings = ButtonSettings { clicks: 2, repeat: None, ..SETTINGS };
        let names: Vec<&str> = Click::possible(&settings).into_iter().map(Click::name).collect();
        assert_eq!(names, ["single", "double", "long", "release"]);
    }
}
