//! Law: without default features the library holds layers 0 to 2, so neither a runtime nor a disk is in its graph.

use super::source::root;
use std::process::Command;

/// Crates that must not be in the pure graph.
const IMPURE: [&str; 9] = ["tokio", "rusqlite", "rustls", "mio", "nix", "libc", "rand", "getrandom", "clap"];

fn graph(arguments: &[&str]) -> Vec<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let output = tree.args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names are text");
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_pure_library_depends_on_nothing_impure() {
    let pure = graph(&["--no-default-features"]);
    assert!(pure.iter().any(|name| name == "gatehouse"), "{pure:?}");
    let impure: Vec<&String> = pure.iter().filter(|name| IMPURE.contains(&name.as_str())).collect();
    assert!(impure.is_empty(), "the library without default features depends on {impure:?}");
}

#[test]
fn the_whole_gateway_shows_that_the_graph_is_read() {
    let whole = graph(&[]);
    for name in ["tokio", "rusqlite"] {
        assert!(whole.iter().any(|found| found == name), "{name} is not in {whole:?}");
    }
}
