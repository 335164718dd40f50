//! The bodies of the fuzz targets, by name.
//! They are shared with `tests/fuzz.rs`, which runs them without cargo-fuzz.

mod bodies;

/// Runs the body of a target.
pub fn run(target: &str, bytes: &[u8]) {
    let target = bodies::TARGETS.iter().find(|known| known.name == target).expect("a target names its own body");
    (target.body)(bytes);
}
