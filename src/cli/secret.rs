//! A password from the person at the terminal, or from standard input.

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Stdin};

/// Longest password, in bytes: the longest that MQTT carries.
const LENGTH_MAX: usize = u16::MAX as usize;

/// Asks for a new password: twice and unseen at a terminal, otherwise the first line of standard input.
///
/// # Errors
/// Nothing can be read, or the two do not agree.
pub fn ask() -> io::Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&stdin);
    }
    let _unseen = Unseen::new(&stdin)?;
    eprint!("password: ");
    let first = line(&stdin)?;
    eprint!("\npassword again: ");
    let second = line(&stdin)?;
    eprintln!();
    if first == second { Ok(first) } else { Err(io::Error::other("the two are not the same")) }
}

fn line(stdin: &Stdin) -> io::Result<String> {
    let mut text = String::new();
    stdin.lock().read_line(&mut text)?;
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.len() > LENGTH_MAX { Err(io::Error::other("it is too long")) } else { Ok(text) }
}

/// What is typed is not shown until this is dropped.
struct Unseen<'a> {
    stdin: &'a Stdin,
    before: Termios,
}

impl<'a> Unseen<'a> {
    fn new(stdin: &'a Stdin) -> io::Result<Self> {
        let before = tcgetattr(stdin)?;
        let mut unseen = before.clone();
        unseen.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(stdin, SetArg::TCSADRAIN, &unseen)?;
        Ok(Unseen { stdin, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        // The terminal may be gone; then nobody misses the echo.
        let _ = tcsetattr(self.stdin, SetArg::TCSADRAIN, &self.before);
    }
}
