//! What `sub` and `rr` write to standard output.

use super::Failure;
use super::civil::Civil;
use super::format::{Format, NotJson, parse_format};
use crate::client::Message;
use std::io::{self, Write};

/// How messages are printed.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Print the topic in front of the payload
    #[arg(short, long)]
    verbose: bool,
    /// Print nothing behind the payload
    #[arg(short = 'N')]
    no_newline: bool,
    /// Print in this format: %t topic, %p payload, %l length, %q QoS, %r retain, %m packet identifier, %x %X hex,
    /// %j %J JSON, %C content type, %R response topic, %D correlation data, %P user properties, %E expiry,
    /// %S subscription identifier, %I %U time; @Y @m @d @H @M @S @N @s time in UTC; \n \t
    #[arg(short = 'F', value_name = "FORMAT", value_parser = parse_format)]
    format: Option<Format>,
}

/// Writes messages to standard output.
#[derive(Debug)]
pub struct Show<'a>(pub &'a ShowArgs);

impl Show<'_> {
    /// Writes one message. It leaves at once: whoever reads the other end of a pipe is waiting for it.
    pub fn message(&self, message: &Message) -> Result<(), Failure> {
        let mut line = vec![];
        let ShowArgs { verbose, no_newline, format } = self.0;
        if let Some(format) = format {
            match format.print(message, Civil::now()) {
                Ok(text) => line = text,
                Err(NotJson) => eprintln!("gatehouse: the payload on {} is no JSON", message.topic),
            }
        } else if *verbose {
            if message.payload.is_empty() && *no_newline {
                return Ok(());
            }
            line.extend_from_slice(message.topic.as_bytes());
            line.push(b' ');
            line.extend_from_slice(if message.payload.is_empty() { b"(null)" } else { &message.payload });
        } else if message.payload.is_empty() {
            return Ok(());
        } else {
            line.extend_from_slice(&message.payload);
        }
        if !no_newline {
            line.push(b'\n');
        }
        let mut out = io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush()).map_err(|source| match source.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::Io { what: "cannot write to standard output".into(), source },
        })
    }
}
