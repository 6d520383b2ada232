//! What the gateway logs, and where: on standard error, for people or as JSON.

use clap::ValueEnum;
use std::env::VarError;
use std::io::IsTerminal;
use tracing::warn;
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::prelude::*;

/// The variable that chooses what is logged.
const VARIABLE: &str = "GATEHOUSE_LOG";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts the log. `GATEHOUSE_LOG` chooses what is logged, for example `debug` or `info,gatehouse::store=debug`.
pub fn start(format: LogFormat) {
    let (filter, problem) = match std::env::var(VARIABLE) {
        Ok(text) => match filter(&text) {
            Ok(filter) => (filter, None),
            Err(error) => (default(), Some(error.to_string())),
        },
        Err(VarError::NotPresent) => (default(), None),
        Err(error @ VarError::NotUnicode(_)) => (default(), Some(error.to_string())),
    };
    let lines = layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            registry.with(lines.with_ansi(colours).with_target(false)).init();
        }
        LogFormat::Json => registry.with(lines.json()).init(),
    }
    if let Some(problem) = problem {
        warn!(%problem, "{VARIABLE} is not understood, so `info` holds; write for example `info,gatehouse::store=debug`");
    }
}

fn default() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

/// Nothing at all says as little as no variable.
fn filter(text: &str) -> Result<Targets, ParseError> {
    if text.trim().is_empty() { Ok(default()) } else { text.parse() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_room_may_say_more_than_the_others() {
        let filter = filter("info,gatehouse::store=debug").expect("understood");
        assert!(filter.would_enable("gatehouse::store::write", &Level::DEBUG));
        assert!(!filter.would_enable("gatehouse::broker", &Level::DEBUG));
        assert!(filter.would_enable("gatehouse::broker", &Level::INFO));
    }

    #[test]
    fn what_is_no_level_is_refused_and_nothing_is_the_default() {
        assert!(filter("store=loud").is_err());
        assert_eq!(filter(" ").ok(), Some(default()));
    }
}
