//! Where the time of a boot goes: each step leaves its moment in the kernel's log.

use std::fmt::Write as _;
use std::fs;

use super::board::Board;
use super::card::{Card, top};
use super::scenes::{GATEWAY, VIRT};

/// The last thing of a boot.
const END: &str = "broker answers";

/// What ended, and when, in seconds since the kernel started.
struct Step {
    what: String,
    at: f64,
}

#[test]
fn every_step_of_a_boot_tells_its_moment_and_the_boot_ends_with_an_answer() {
    let Some(card) = Card::flash(VIRT, GATEWAY) else { return };
    let mut board = Board::boot(&card);
    let first = steps(&mut board);
    // Nothing failed and was tried again, which costs seconds that nobody sees.
    board.shell("logread | grep -c 'starting again' | sed s/^/restarts:/", "restarts:0");
    board.shell("poweroff", "Power down");
    board.wait_for_end();
    let later = steps(&mut Board::boot(&card));

    let mut wanted = vec!["first stage begins".to_owned(), "root mounted".to_owned()];
    let mut scripts: Vec<_> = fs::read_dir(top().join("overlay/etc/init.d"))
        .expect("boot steps")
        .map(|entry| entry.expect("a step").file_name().into_string().expect("a name"))
        .filter(|name| name.starts_with('S'))
        .collect();
    scripts.sort();
    wanted.extend(scripts.into_iter().map(|name| format!("{name} done")));
    wanted.push(END.to_owned());
    for boot in [&first, &later] {
        assert_eq!(boot.iter().map(|step| step.what.clone()).collect::<Vec<_>>(), wanted);
        assert!(boot.is_sorted_by_key(|step| step.at), "time goes one way");
    }
    if let Some(picture) = std::env::var_os("GATEHOUSE_BOOT_PICTURE") {
        fs::write(top().join(picture), draw(&[("First boot", &first), ("Later boots", &later)])).expect("a picture");
    }
}

/// The steps of the boot that this board has behind it.
fn steps(board: &mut Board) -> Vec<Step> {
    board.shell("dmesg | grep '] gatehouse: '; echo picture:$?", "picture:0");
    let said = board.said();
    let (_, listing) = said.rsplit_once("echo picture:$?").expect("the command");
    listing.lines().filter_map(step).collect()
}

/// `[    3.123456] gatehouse: S10mounts done`
fn step(line: &str) -> Option<Step> {
    let (at, what) = line.trim().strip_prefix('[')?.split_once("] gatehouse: ")?;
    Some(Step { what: what.to_owned(), at: at.trim().parse().ok()? })
}

/// Bars, one for each step, from the end of the step before it to its own; the boots below each other.
fn draw(boots: &[(&str, &[Step])]) -> String {
    const LEFT: f64 = 170.0;
    const WIDTH: f64 = 480.0;
    const LINE: f64 = 18.0;
    let longest = boots.iter().filter_map(|(_, steps)| steps.last()).map(|step| step.at).fold(0.1, f64::max);
    let height = boots.iter().flat_map(|(_, steps)| steps.iter().map(|_| LINE).chain([LINE * 2.0])).sum::<f64>() + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#333\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut y = LINE;
    for (title, steps) in boots {
        let total = steps.last().map_or(0.0, |step| step.at);
        let _ = writeln!(
            svg,
            "<text x=\"8\" y=\"{y}\" font-weight=\"bold\">{title}: {total:.1} s from kernel to CONNACK</text>"
        );
        let mut before = 0.0;
        for Step { what, at } in *steps {
            y += LINE;
            let (x, width) = (LEFT + before / longest * WIDTH, (at - before) / longest * WIDTH);
            let _ = writeln!(svg, "<text x=\"8\" y=\"{y}\">{what}</text>");
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" fill=\"#24506b\"/>",
                y - 10.0,
                width.max(1.0)
            );
            let _ =
                writeln!(svg, "<text x=\"{:.1}\" y=\"{y}\" fill=\"#777\">{:.2}</text>", x + width + 4.0, at - before);
            before = *at;
        }
        y += LINE * 2.0;
    }
    svg + "</svg>\n"
}
