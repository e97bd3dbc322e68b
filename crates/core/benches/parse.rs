//! Speed of the whole path and of its parts: decode, parse (split, fields, hashes), fold, count words.
//!
//! Runs on `../shared/seeds` where it exists and on the sample articles of this repository. Throughput is of input bytes.
//! `cargo bench -p barid-core --bench parse -- --quick`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark; criterion's macros write undocumented functions"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use barid_core::{decode, parse, parse_bytes, raw_sha256};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn texts(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn corpora() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let all = [("real", texts(&root.join("../shared/seeds"))), ("samples", texts(&root.join("seeds")))];
    all.into_iter().filter(|(_, texts)| !texts.is_empty()).collect()
}

fn bench(criterion: &mut Criterion) {
    for (name, documents) in corpora() {
        let bytes: usize = documents.iter().map(Vec::len).sum();
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(u64::try_from(bytes).unwrap()));
        let each = |run: &dyn Fn(&[u8])| documents.iter().for_each(|document| run(document));
        group.bench_function("decode+parse", |b| {
            b.iter(|| each(&|document| drop(black_box(parse_bytes(document, None)))))
        });
        group.bench_function("decode", |b| {
            b.iter(|| each(&|document| drop(black_box(decode(document, None)))))
        });
        let decoded: Vec<_> = documents.iter().map(|document| decode(document, None).unwrap()).collect();
        group.bench_function("parse", |b| {
            b.iter(|| decoded.iter().for_each(|decoded| drop(black_box(parse(decoded)))))
        });
        group.bench_function("raw_sha256", |b| {
            b.iter(|| {
                documents.iter().for_each(|document| {
                    let _ = black_box(raw_sha256(document));
                })
            })
        });
        group.finish();
    }
}

/// Cost per byte must not grow with size: the ratio of these two throughputs is printed by criterion, about 1.
fn bench_linearity(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("linear");
    let inputs = [
        ("one-line", "قال الوزير إن الميناء الجديد سيفتح أبوابه قبل نهاية العام "),
        ("all-markers", "إقرأ أيضاً:\n"),
        ("all-slashes", "آذار/"),
    ];
    for (name, unit) in inputs {
        for kilobytes in [64, 1024] {
            let text = unit.repeat(kilobytes * 1024 / unit.len());
            group.throughput(Throughput::Bytes(u64::try_from(text.len()).unwrap()));
            group.bench_function(format!("{name}/{kilobytes}K"), |b| {
                b.iter(|| black_box(parse_bytes(text.as_bytes(), None)))
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench, bench_linearity);
criterion_main!(benches);
