//! Lists the packs that the binary carries, so that a pack is added by putting its file there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("pipelines/packs");
    let mut names = Vec::new();
    println!("cargo:rerun-if-changed={}", root.display());
    for family in folder(&root)? {
        println!("cargo:rerun-if-changed={}", family.display());
        for file in folder(&family)? {
            let name = file.strip_prefix(&root).expect("it lies below");
            names.push(name.to_str().expect("packs have plain names").to_owned());
        }
    }
    names.sort();
    let mut list = String::from("&[\n");
    for name in names {
        let path = root.join(&name);
        writeln!(list, "PackFile {{ name: {name:?}, text: include_str!({path:?}) }},").expect("a string takes all");
    }
    list.push(']');
    std::fs::write(Path::new(&std::env::var("OUT_DIR").expect("cargo sets it")).join("packs.rs"), list)
}

fn folder(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
}
