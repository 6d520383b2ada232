//! Serial devices behind real pseudo-terminals.

use super::hub;
use super::observer::{Observer, settings};
use std::os::unix::fs::symlink;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_serial::{SerialPort, SerialStream};

/// The far end of a serial port that can be plugged in and out: a link that points to a pseudo-terminal.
struct Board {
    far: SerialStream,
    near: SerialStream,
}

impl Board {
    fn plug(link: &Path) -> Self {
        let (far, near) = SerialStream::pair().expect("a pseudo-terminal");
        let _ = std::fs::remove_file(link);
        symlink(near.name().expect("a name"), link).expect("a link");
        Self { far, near }
    }

    fn unplug(self, link: &Path) {
        std::fs::remove_file(link).expect("the link is there");
        drop((self.far, self.near));
    }

    async fn print(&mut self, line: &str) {
        self.far.write_all(line.as_bytes()).await.expect("the terminal takes it");
    }

    async fn expect(&mut self, command: &str) {
        let mut bytes = vec![0; command.len()];
        self.far.read_exact(&mut bytes).await.expect("a command");
        assert_eq!(String::from_utf8_lossy(&bytes), command);
    }

    /// Prints a line again and again until it was seen to have an effect.
    async fn print_until(&mut self, line: &str, observer: &mut Observer, topic: &str, payload: &str) {
        let seen = observer.see(topic, payload);
        tokio::pin!(seen);
        loop {
            self.print(line).await;
            tokio::select! {
                () = &mut seen => return,
                () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
            }
        }
    }
}

fn greenhouse(link: &Path, stale: &str, confirm: &str) -> String {
    format!(
        r#"
        schema = 1
        [bus.uno]
        path = "{}"
        mode = "57600 8N1"
        [device.greenhouse]
        driver = "line"
        bus = "uno"
        read = {{ format = "kv", separator = ";", assign = ":" }}
        [device.greenhouse.prop.temperature]
        key = "T"
        unit = "°C"
        range = [-40.0, 85.0]
        [device.greenhouse.prop.soil]
        key = "H"
        {stale}
        [device.greenhouse.out.pump]
        key = "P"
        write = "PUMP={{int}}\n"
        {confirm}
        "#,
        link.display()
    )
}

/// A house with a board that has spoken.
async fn house(directory: &Path) -> (Observer, Board) {
    house_with(directory, "", "").await
}

/// The same, with keys for the soil and for the pump.
async fn house_with(directory: &Path, stale: &str, confirm: &str) -> (Observer, Board) {
    let link = directory.join("uno");
    let mut board = Board::plug(&link);
    let mut observer = Observer::start(&hub::start(), settings(&greenhouse(&link, stale, confirm))).await;
    board.print_until("T:21.5;H:412;P:0\r\n", &mut observer, "greenhouse/$availability", "online").await;
    (observer, board)
}

#[tokio::test]
async fn lines_become_values() {
    let directory = tempfile::tempdir().expect("a directory");
    let (observer, _board) = house(directory.path()).await;
    assert!(observer.has_seen("greenhouse/temperature 21.5"));
    assert!(observer.has_seen("greenhouse/soil 412"));
    assert_eq!(observer.transcript.iter().filter(|line| *line == "greenhouse/temperature 21.5").count(), 1);
}

#[tokio::test]
async fn a_command_is_done_when_the_board_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut observer, mut board) = house(directory.path()).await;
    observer.say("greenhouse/pump/set", r#"{"value":true,"id":"w"}"#).await;
    board.expect("PUMP=1\n").await;
    observer.see("greenhouse/pump/$target", "true").await;
    board.print("T:21.5;H:412;P:0\r\nT:21.5;H:412;P:1\r\n").await;
    observer.see("greenhouse/pump", "true").await;
    observer.see_part("greenhouse/pump/$result", r#""status":"done""#).await;
    observer.see("greenhouse/pump/$target", "").await;
}

#[tokio::test]
async fn a_command_that_the_board_does_not_follow_fails() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut observer, mut board) = house_with(directory.path(), "", r#"confirm = "200ms""#).await;
    observer.say("greenhouse/pump/set", "true").await;
    board.expect("PUMP=1\n").await;
    let result = observer.see_part("greenhouse/pump/$result", "failed").await;
    assert!(result.contains(r#""reason":"not-confirmed""#), "{result}");
    assert!(!observer.has_seen("greenhouse/pump true"));
}

#[tokio::test]
async fn a_board_that_is_unplugged_is_offline_and_comes_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let link = directory.path().join("uno");
    let (mut observer, board) = house(directory.path()).await;
    board.unplug(&link);
    observer.see("greenhouse/$availability", "offline").await;
    observer.see_part("greenhouse/$problem", r#""port":{"kind":"#).await;
    observer.say("greenhouse/pump/set", "true").await;
    observer.see("greenhouse/pump/$result", r#"{"status":"rejected","reason":"offline"}"#).await;
    let mut board = Board::plug(&link);
    board.print_until("T:22;H:410;P:1\r\n", &mut observer, "greenhouse/$availability", "online").await;
    assert_eq!(observer.retained("greenhouse/pump").await.as_deref(), Some("true"));
    assert_eq!(observer.retained("greenhouse/$problem").await.as_deref(), Some("{}"));
}

#[tokio::test]
async fn a_port_that_is_not_there_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let link = directory.path().join("uno");
    let mut observer = Observer::start(&hub::start(), settings(&greenhouse(&link, "", ""))).await;
    let problem = observer.see_part("greenhouse/$problem", r#""port":{"kind":"open""#).await;
    assert!(problem.contains("No such file"), "{problem}");
    assert_eq!(observer.retained("greenhouse/$availability").await.as_deref(), Some("offline"));
}

#[tokio::test]
async fn values_that_cannot_be_true_are_a_problem() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut observer, mut board) = house(directory.path()).await;
    board.print("T:120;H:413;P:0\n").await;
    observer.see_part("greenhouse/$problem", r#""temperature":{"kind":"range""#).await;
    board.print("T:x;H:413;P:2\n").await;
    observer.see_part("greenhouse/$problem", r#""pump":{"kind":"read""#).await;
    assert_eq!(observer.retained("greenhouse/temperature").await.as_deref(), Some("21.5"));
    board.print("T:22;H:413;P:0\n").await;
    observer.see("greenhouse/temperature", "22").await;
}

#[tokio::test]
async fn a_value_that_is_not_reported_any_more_is_stale() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut observer, mut board) = house_with(directory.path(), r#"stale_after = "300ms""#, "").await;
    observer.see_part("greenhouse/$problem", r#""soil":{"kind":"stale""#).await;
    board.print("H:412\n").await;
    observer.see("greenhouse/soil", "412").await;
}

#[tokio::test]
async fn the_simulated_board_answers_and_can_be_unplugged() {
    let file = greenhouse(Path::new("/dev/null"), "", "").replace(r#"path = "/dev/null""#, r#"simulate = "arduino""#);
    let mut observer = Observer::start(&hub::start(), settings(&file)).await;
    observer.see("greenhouse/$availability", "online").await;
    observer.say("greenhouse/pump/set", "toggle").await;
    observer.see("greenhouse/pump", "true").await;
    observer.say("$gw/simulate/uno/set", "unplug").await;
    observer.see("greenhouse/$availability", "offline").await;
    observer.say("$gw/simulate/uno/set", "plug").await;
    observer.see("greenhouse/$availability", "online").await;
    observer.stop().await;
    assert!(observer.retained("greenhouse/$availability").await.as_deref() == Some("offline"));
}

#[tokio::test]
async fn a_relay_on_a_line_and_a_pump_on_a_board_are_never_on_together() {
    let directory = tempfile::tempdir().expect("a directory");
    let link = directory.path().join("uno");
    let mut board = Board::plug(&link);
    let text = format!(
        r#"{}
        [gpio]
        backend = "simulated"
        [device.blind.out.up]
        line = "GPIO23"
        [interlock.one-motor]
        outputs = ["blind/up", "greenhouse/pump"]
        dead_time = "150ms"
        "#,
        greenhouse(&link, "", "")
    );
    let mut observer = Observer::start(&hub::start(), settings(&text)).await;
    if !observer.has_seen("blind/$availability online") {
        observer.see("blind/$availability", "online").await;
    }
    observer.say("blind/up/set", "true").await;
    observer.see("blind/up/$result", r#"{"status":"rejected","reason":"interlock:greenhouse/pump"}"#).await;
    board.print_until("T:21.5;P:0\r\n", &mut observer, "greenhouse/$availability", "online").await;
    tokio::time::sleep(std::time::Duration::from_millis(160)).await;
    observer.say("blind/up/set", "true").await;
    observer.see("blind/up", "true").await;
    observer.say("greenhouse/pump/set", "true").await;
    observer.see("greenhouse/pump/$result", r#"{"status":"rejected","reason":"interlock:blind/up"}"#).await;
    observer.say("blind/up/set", "false").await;
    observer.see("blind/up", "false").await;
    let off = std::time::Instant::now();
    observer.say("greenhouse/pump/set", "true").await;
    board.expect("PUMP=1\n").await;
    assert!(off.elapsed() >= std::time::Duration::from_millis(145), "only {:?} between them", off.elapsed());
}
