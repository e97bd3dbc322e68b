//! What reading costs before any section is found: decoding, and the language. `cargo bench -p barid-core --bench text`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn decoding(criterion: &mut Criterion) {
    let line = "قال مدير المعرض إن الدورة الحالية تستقبل الزوار صباحا ومساء كل يوم، وأضاف أن الدخول مجاني للجميع حتى نهاية الشهر الجاري.\n";
    let utf8 = line.repeat(6144 / line.len());
    let (arabic, _, _) = encoding_rs::WINDOWS_1256.encode(&utf8);
    let utf16: Vec<u8> = utf8.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut damaged = utf8.clone().into_bytes();
    damaged.insert(3000, 0xFF);
    let mut group = criterion.benchmark_group("decode");
    for (name, bytes) in
        [("utf8", utf8.as_bytes()), ("utf8_damaged", &damaged), ("windows1256", &arabic), ("utf16", &utf16)]
    {
        group.throughput(Throughput::Bytes(u64::try_from(bytes.len()).unwrap_or(0)));
        group.bench_function(name, |bencher| {
            bencher.iter(|| barid_core::decode(std::hint::black_box(bytes), None))
        });
    }
    group.finish();
    let mut dates = criterion.benchmark_group("parse_date");
    for text in ["5th, September 2023 GMT", "Tue, 05 Sep 2023 08:15:00 GMT", "2023-09-05T08:15:00+03:00"] {
        dates.bench_function(text, |bencher| {
            bencher.iter(|| barid_core::parse_date(std::hint::black_box(text)))
        });
    }
    dates.finish();
}

criterion_group!(benches, decoding);
criterion_main!(benches);
