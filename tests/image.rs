//! The card itself: the image is built, booted in QEMU and asked what a house asks of it, by real clients from
//! outside. What this machine cannot run is printed as `NOT RUN`.

mod image {
    mod assets;
    mod board;
    mod boards;
    mod boot;
    mod card;
    mod clients;
    mod data;
    mod house;
    mod monitor;
    mod network;
    mod provisioning;
    mod scenes;
    mod slots;
    mod tree;
    mod updates;

    use std::io::{self, Write};

    /// Whether the long form is asked for, as `make image-test` does.
    fn is_asked_for() -> bool {
        std::env::var_os("GATEHOUSE_IMAGE_LONG").is_some()
    }

    /// The same for a scene that boots the card many times and is left out without it, which it says.
    fn is_long(scene: &str) -> bool {
        if !is_asked_for() {
            let _ = writeln!(io::stderr(), "NOT RUN: {scene}: make image-test runs it");
        }
        is_asked_for()
    }
}
