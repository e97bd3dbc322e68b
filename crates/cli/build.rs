//! Tells the binary which compiler made it, for `barid_build_info`.

use std::process::Command;

fn main() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    let version = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    // `rustc 1.95.0 (59807616e 2026-04-14)`: the second word.
    let number =
        version.as_deref().and_then(|version| version.split_whitespace().nth(1)).unwrap_or("unknown");
    let mut out = std::io::stdout();
    let tell = format!("cargo::rerun-if-changed=build.rs\ncargo::rustc-env=BUILD_RUSTC={number}\n");
    // Cargo reads this; when it has gone there is nothing left to build.
    let _ = std::io::Write::write_all(&mut out, tell.as_bytes());
}
