use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;

/// Brotli of "hello\n", made by its own program.
const BROTLI: [u8; 10] = [0x8f, 2, 0x80, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x0a, 3];

fn text() -> Vec<u8> {
    (0..2000).flat_map(|n| format!("<item>{}</item>\n", n * 7919).into_bytes()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("in memory")
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("in memory")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 3).expect("in memory")
}

#[derive(Debug, PartialEq, Eq)]
struct Unpacked {
    bytes: Vec<u8>,
    missing: Option<String>,
    faults: Vec<&'static str>,
}

fn steps(named: &[Coding], packed: &[u8], step: usize, limits: Limits) -> Result<Unpacked, (Stop, usize)> {
    let mut sink = Sink::new(&limits);
    let mut unpacker = Unpacker::new(named.to_vec());
    for part in packed.chunks(step) {
        sink.wire += part.len() as u64;
        unpacker.push(part, &mut sink).map_err(|stop| (stop, sink.bytes.len()))?;
    }
    let missing = unpacker.finish(&mut sink).map_err(|stop| (stop, sink.bytes.len()))?;
    Ok(Unpacked { bytes: sink.bytes, missing, faults: sink.faults.iter().map(HttpFault::name).collect() })
}

fn unpacked(named: &[Coding], packed: &[u8]) -> Unpacked {
    let whole = steps(named, packed, usize::MAX, Limits::default()).expect("readable");
    for step in [1, 7] {
        let again = steps(named, packed, step, Limits::default()).expect("readable");
        assert!(again == whole, "{step} bytes at a time: {:?} is not {:?}", again.faults, whole.faults);
    }
    whole
}

#[test]
fn bodies_are_unpacked_as_they_are_packed_whatever_is_said_of_them() {
    use Coding::{Br, Deflate, Gzip, Zstd};
    let text = text();
    let packed = gzip(&text);
    let twice = gzip(&packed);
    let deep = [Gzip; 3];
    for (named, packed, faults) in [
        (&[][..], text.clone(), &[][..]),
        (&[Gzip], packed.clone(), &[]),
        (&[Zstd], zstd(&text), &[]),
        (&[Deflate], zlib(&text), &[]),
        (&[Deflate], deflate(&text), &[]),
        (&[Gzip, Gzip], twice.clone(), &[]),
        (&[Gzip, Zstd], zstd(&packed), &[]),
        (&[Deflate, Gzip], gzip(&zlib(&text)), &[]),
        // They are something else.
        (&[Gzip, Gzip], packed.clone(), &["coding_wrong"]),
        (&deep, packed.clone(), &["coding_wrong"]),
        (&[Gzip], text.clone(), &["coding_wrong"]),
        (&[Br], text.clone(), &["coding_wrong"]),
        (&[Deflate], text.clone(), &["coding_wrong"]),
        (&[Zstd], text.clone(), &["coding_wrong"]),
        (&[Br], packed.clone(), &["coding_wrong"]),
        (&[Deflate], packed.clone(), &["coding_wrong"]),
        (&[Gzip], zstd(&text), &["coding_wrong"]),
        (&[Deflate, Gzip], zlib(&text), &["coding_wrong"]),
        (&[], packed.clone(), &["coding_unsaid"]),
        (&[], zstd(&text), &["coding_unsaid"]),
        (&[Gzip], twice, &["coding_unsaid"]),
    ] {
        let got = unpacked(named, &packed);
        assert!(got.bytes == text && got.missing.is_none(), "{named:?}: {:?}", got.missing);
        assert_eq!(got.faults, faults, "{named:?}");
    }
    assert_eq!(unpacked(&[Br], &BROTLI).bytes, b"hello\n");
    assert_eq!(unpacked(&[Br, Gzip], &gzip(&BROTLI)).bytes, b"hello\n");
    for named in [&[][..], &[Gzip], &[Br], &[Deflate], &[Zstd]] {
        let empty = unpacked(named, b"");
        assert_eq!((empty.bytes.len(), empty.faults.len(), empty.missing), (0, 0, None), "{named:?}");
    }
}

#[test]
fn what_stands_behind_a_packed_body_does_not_take_it_away() {
    let text = text();
    let (packed, frames) = (gzip(&text), zstd(&text));
    let with = |packed: &[u8], more: &[u8]| [packed, more].concat();
    let mut wrong = packed.clone();
    let end = wrong.len();
    wrong[end - 1] ^= 1;
    wrong[end - 8] ^= 1;
    let half = text.len() / 2;
    for (packed, faults) in [
        (with(&packed, &[0; 512]), &["packed_tail"][..]),
        (with(&packed, b"\n<!-- cached -->\n"), &["packed_tail"]),
        (with(&packed, b"\x1f"), &[]),
        (with(&packed, b"\x1f\x8b\x09\0"), &["packed_tail"]),
        (with(&gzip(&text[..half]), &gzip(&text[half..])), &[]),
        (wrong, &["packed_sum"]),
        (packed[..end - 8].to_vec(), &["packed_end"]),
        (packed[..end - 3].to_vec(), &["packed_end"]),
        (with(&packed[..end - 8], b"</html>\n"), &["packed_sum"]),
    ] {
        let got = unpacked(&[Coding::Gzip], &packed);
        assert!(got.bytes == text && got.missing.is_none(), "{faults:?}: {:?}", got.missing);
        assert_eq!(got.faults, faults);
    }
    let tail = steps(&[Coding::Zstd], &with(&frames, b"<!-- cached -->"), usize::MAX, Limits::default());
    let tail = tail.expect("a frame");
    assert!(tail.bytes == text && tail.faults == ["packed_tail"]);
    assert!(unpacked(&[Coding::Br], &with(&BROTLI, b"tail")).faults == ["packed_tail"]);
    let named = [&[0x1f, 0x8b, 8, 8 | 16 | 4, 0, 0, 0, 0, 0, 3, 2, 0, 7, 7][..], b"name\0", b"comment\0"];
    let named = [&named.concat()[..], &packed[10..]].concat();
    assert!(unpacked(&[Coding::Gzip], &named).bytes == text, "a header with all its parts");
}

#[test]
fn what_was_cut_or_damaged_gives_what_came_before() {
    let text = text();
    for (coding, packed) in [
        (Coding::Gzip, gzip(&text)),
        (Coding::Deflate, deflate(&text)),
        (Coding::Deflate, zlib(&text)),
        (Coding::Zstd, zstd(&text)),
    ] {
        let half = unpacked(&[coding], &packed[..packed.len() / 2]);
        assert!(half.missing.is_some(), "{coding:?}");
        assert!(text.starts_with(&half.bytes), "{coding:?}");
        // Zstandard gives whole blocks only, and this is one.
        assert!(coding == Coding::Zstd || half.bytes.len() > text.len() / 4, "{coding:?}");
    }
    let mut packed = gzip(&text);
    let middle = packed.len() / 2;
    packed[middle..middle + 400].fill(0xff);
    // What was overwritten may still be read as something; then the sum says that it is something else.
    match steps(&[Coding::Gzip], &packed, 64, Limits::default()) {
        Err((stop, came)) => {
            assert!(matches!(&stop, Stop::Damaged(why) if why.contains("gzip")), "{stop:?}");
            assert!(came > text.len() / 4, "{came}");
        }
        Ok(got) => assert!(got.bytes != text && got.faults.contains(&"packed_sum"), "{:?}", got.faults),
    }
    let noise = [0xff; 64];
    let (stop, _) = steps(&[Coding::Br], &noise, 64, Limits::default()).expect_err("no br");
    assert!(matches!(stop, Stop::Damaged(_)));
}

#[test]
fn bombs_go_off_outside_in_whichever_layer_they_are() {
    let limits = Limits { body_bytes: 4 << 20, ..Limits::default() };
    let bomb = vec![b' '; 8 << 20];
    for (named, packed) in [
        (&[Coding::Gzip][..], gzip(&bomb)),
        (&[Coding::Zstd], zstd(&bomb)),
        (&[Coding::Deflate], deflate(&bomb)),
        (&[], gzip(&bomb)),
        (&[Coding::Gzip, Coding::Gzip], gzip(&gzip(&bomb))),
        (&[Coding::Gzip], gzip(&gzip(&zstd(&bomb)))),
    ] {
        for step in [64, 1 << 20] {
            let (stop, came) = steps(named, &packed, step, limits).expect_err("a bomb");
            assert!(matches!(stop, Stop::TooBig(_)), "{named:?}: {stop:?}");
            assert!(came <= 2 << 20, "{named:?}: {came}");
        }
    }
    // Big, and no bomb.
    let mut noise = 1_u64;
    let big: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (noise >> 56) as u8
    })
    .take(5 << 20)
    .collect();
    let (stop, came) = steps(&[Coding::Gzip], &gzip(&big), 1 << 16, limits).expect_err("too big");
    assert!(matches!(&stop, Stop::TooBig(why) if why.contains("4194304")), "{stop:?}");
    assert!(came <= 4 << 20);
}
