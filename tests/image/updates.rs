//! Updates on a booted card: a real boot loader, a real watchdog, and systems that are broken in each way.

use std::io::{self, Write};
use std::time::Instant;

use super::board::Board;
use super::card::Card;
use super::clients::{self, Client};
use super::scenes::{GATEWAY, LAMP, VIRT};
use super::slots::{self, System};

/// Messages that wait for an absent client during the update.
const WAITING: usize = 20;

#[test]
fn an_update_that_works_stays_and_changes_nothing_in_the_house() {
    if !super::is_long("an update that works") {
        return;
    }
    let Some(card) = Card::flash(VIRT, &format!("{GATEWAY}{LAMP}")) else { return };
    let (_kept, bundle) = slots::bundle(System::Whole);
    card.put(&bundle);
    let mut board = Board::boot(&card);
    clients::leave_session(board.port(), "diary", "house/log");
    for number in 0..WAITING {
        clients::publish(board.port(), "house/log", &number.to_string());
    }
    clients::publish_retained(board.port(), "house/mode", "holiday");

    board.shell("gatehouse update install /boot/whole.update; echo installed:$?", "installed:0");
    board.shell("reboot", "the update works and stays");
    board.shell("gatehouse update status", "running  slot b, ");
    board.wait_for_connack();
    let mut retained = Client::subscribe(board.port(), &["-t", "house/mode"]);
    retained.wait_for(|line| line == "house/mode holiday", "the retained message");
    let mut diary = Client::subscribe(board.port(), &["-t", "house/log", "-i", "diary", "-c"]);
    for number in 0..WAITING {
        diary.wait_for(|line| line == format!("house/log {number}"), "what waited");
    }
    board.shell("gatehouse update rollback; reboot", "the update works and stays");
    board.shell("gatehouse update status", "running  slot a, ");
}

#[test]
fn an_update_that_does_not_work_gives_way_to_the_system_before_it() {
    if !super::is_long("an update that does not work") {
        return;
    }
    let Some(card) = Card::flash(VIRT, GATEWAY) else { return };
    for system in [System::Silent, System::Hanging, System::Crashing, System::Damaged] {
        let (_kept, bundle) = slots::bundle(system);
        card.put(&bundle);
        let name = bundle.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let mut board = Board::boot(&card);
        board.shell(&format!("gatehouse update install /boot/{name}; echo installed:$?"), "installed:0");
        let reboot = Instant::now();
        board.shell("reboot", "was tried and did not prove itself");
        board.wait_for_times("GATEHOUSE READY", 2);
        let _ = writeln!(io::stderr(), "{system:?}: the system before it is back after {:?}", reboot.elapsed());
        board.wait_for_connack();
        board.shell("gatehouse update status", "running  slot a, ");
        board.shell(&format!("gatehouse update install /boot/{name}; echo again:$?"), "again:5");
        board.shell("poweroff", "Power down");
        board.wait_for_end();
        card.take(&name);
    }
}

#[test]
fn what_hangs_is_started_again_and_a_board_that_hangs_is_reset() {
    if !super::is_long("the chain of watchdogs") {
        return;
    }
    let Some(card) = Card::flash(VIRT, GATEWAY) else { return };
    let mut board = Board::boot(&card);
    // gatehouse <- supervise
    board.shell("kill -STOP $(pidof gatehouse); echo stopped:$?", "stopped:0");
    board.shell("until logread | grep -q 'gatehouse hangs'; do sleep 1; done; echo seen:$?", "seen:0");
    board.wait_for_connack();
    // supervise <- feed-watchdog <- hardware
    board.shell("kill -STOP $(cat /run/gatehouse/supervise.pid); echo stopped-too:$?", "stopped-too:0");
    board.wait_for_times("GATEHOUSE READY", 2);
    board.wait_for_connack();
    // feed-watchdog <- hardware
    let feeder = r"ps | sed -n 's/^ *\([0-9]*\) .*[{]feed-watchdog}.*/\1/p'";
    board.shell(&format!("kill -KILL $({feeder}); echo killed:$?"), "killed:0");
    board.wait_for_times("GATEHOUSE READY", 3);
}
