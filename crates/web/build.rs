//! Says so when the page was not built before; the server then has none.

use std::path::Path;

fn main() {
    let packed = Path::new("../../web/packed");
    println!("cargo::rerun-if-changed={}", packed.display());
    println!("cargo::rerun-if-changed=build.rs");
    if !packed.join("index.html.gz").exists() {
        println!(
            "cargo::warning=the web page is not built, so the binary has none: run `make web` first"
        );
    }
}
