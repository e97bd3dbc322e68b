//! Holds the records of every sample against its golden, byte for byte. `cargo bless` rewrites the goldens; read the diff before committing it.

use std::fs;
use std::path::{Path, PathBuf};

use barid_tests::{files_with_extension, golden_json, read_samples, seeds_dir};

const SUFFIX: &str = ".expected.json";

#[test]
fn every_sample_gives_the_records_of_its_golden() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens");
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let mut wanted: Vec<PathBuf> = Vec::new();
    let mut faults: Vec<String> = Vec::new();
    fs::create_dir_all(&dir).unwrap();
    for sample in read_samples(&seeds_dir()).unwrap() {
        let path = dir.join(format!("{}{SUFFIX}", sample.stem));
        let got = golden_json(&sample).unwrap();
        if bless {
            fs::write(&path, got).unwrap();
        } else {
            faults.extend(fault(&path, &got));
        }
        wanted.push(path);
    }
    for orphan in files_with_extension(&dir, "json").unwrap().iter().filter(|path| !wanted.contains(path)) {
        if bless {
            fs::remove_file(orphan).unwrap();
        } else {
            faults.push(format!("{}: golden without a sample", orphan.display()));
        }
    }
    assert!(faults.is_empty(), "run `cargo bless` if this is meant:\n{}", faults.join("\n"));
}

/// What is wrong with one golden, if anything: missing, or its first line that differs.
fn fault(path: &Path, got: &str) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Ok(golden) = fs::read_to_string(path) else {
        return Some(format!("{name}: golden missing"));
    };
    if golden == got {
        return None;
    }
    let differing = (1..).zip(golden.lines().zip(got.lines())).find(|(_, (old, new))| old != new);
    Some(match differing {
        Some((line, (old, new))) => format!("{name}:{line}: expected {}, got {}", old.trim(), new.trim()),
        None => format!("{name}: {} lines expected, got {}", golden.lines().count(), got.lines().count()),
    })
}
