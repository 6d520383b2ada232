//! The card itself: the image is built, booted in QEMU and asked what a house asks of it, by real clients from
//! outside. What this machine cannot run is printed as `NOT RUN`.

mod image {
    mod board;
    mod card;
    mod clients;
    mod scenes;
    mod tree;
}
