//! The card itself: the image is built, booted in QEMU and asked what a house asks of it, by real clients from
//! outside. What this machine cannot run is printed as `NOT RUN`.

mod image {
    mod board;
    mod card;
    mod clients;
    mod data;
    mod scenes;
    mod slots;
    mod tree;
    mod updates;

    use std::io::{self, Write};

    /// Whether the long form is asked for, as `make image-test` does. Without it a scene that boots the card many times,
    /// or was not yet seen to pass on today's card, is left out, and says so.
    fn is_long(scene: &str) -> bool {
        let is_long = std::env::var_os("GATEHOUSE_IMAGE_LONG").is_some();
        if !is_long {
            let _ = writeln!(io::stderr(), "NOT RUN: {scene}: make image-test runs it");
        }
        is_long
    }
}
