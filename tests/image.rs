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

    /// Whether the long form is asked for, as `make image-test` does.
    fn is_long() -> bool {
        std::env::var_os("GATEHOUSE_IMAGE_LONG").is_some()
    }
}
