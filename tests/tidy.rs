//! Reads the project's own files and reports whatever breaks a law of the house, all offenders at once.
//!
//! Each rule is a plain function from a source to its offences, so that the rules are tested on bad snippets
//! before they are trusted with the project.

mod tidy {
    mod files;
    mod graph;
    mod habits;
    mod layers;
    mod licences;
    mod purity;
    mod size;
    mod source;
}
