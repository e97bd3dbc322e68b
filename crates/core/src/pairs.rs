//! Counting neighbouring bytes: two-byte letters without decoding, sixteen or more at a time.
//!
//! Every line of every document comes through here, so the loops are shaped for the compiler to make vectors of: short runs, a
//! byte-wide counter, no branch.

/// Bytes in a run; a counter of one byte does not overflow in it.
const RUN: usize = 128;

/// Bytes that pass a test.
pub(crate) fn count_bytes(bytes: &[u8], test: impl Fn(u8) -> bool) -> usize {
    let hits = |run: &[u8]| run.iter().map(|byte| u8::from(test(*byte))).sum::<u8>();
    bytes.chunks(RUN).map(|run| usize::from(hits(run))).sum()
}

/// Pairs of neighbouring bytes that pass a test. The test should combine its comparisons with `&` and `|`, which do not branch.
pub(crate) fn count(bytes: &[u8], test: impl Fn(u8, u8) -> bool) -> usize {
    let seconds = bytes.get(1..).unwrap_or_default();
    bytes
        .chunks(RUN)
        .zip(seconds.chunks(RUN))
        .map(|(first, second)| {
            let hits: u8 =
                first.iter().zip(second).map(|(first, second)| u8::from(test(*first, *second))).sum();
            usize::from(hits)
        })
        .sum()
}

/// Times a letter of two bytes directly follows another one.
pub(crate) fn count_letters(bytes: &[u8], first: [u8; 2], test: impl Fn(u8, u8) -> bool) -> usize {
    let rest = |from: usize| bytes.get(from..).unwrap_or_default().chunks(RUN);
    let runs = bytes.chunks(RUN).zip(rest(1)).zip(rest(2)).zip(rest(3));
    runs.map(|(((one, two), three), four)| {
        let letters = one.iter().zip(two).zip(three).zip(four);
        let hits: u8 = letters
            .map(|(((one, two), three), four)| {
                u8::from((*one == first[0]) & (*two == first[1]) & test(*three, *four))
            })
            .sum();
        usize::from(hits)
    })
    .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_letters_are_counted_across_the_ends_of_runs() {
        for before in 0..2 * RUN {
            let text = format!("{}\u{0627}\u{0644}\u{0627}", " ".repeat(before));
            let (alef, lam) = ([0xD8, 0xA7], |a: u8, b: u8| (a == 0xD9) & (b == 0x84));
            assert_eq!(count(text.as_bytes(), |a, b| [a, b] == alef), 2, "{before}");
            assert_eq!(count_bytes(text.as_bytes(), |byte| byte >= 0xD8), 3, "{before}");
            assert_eq!(count_letters(text.as_bytes(), alef, lam), 1, "{before}");
        }
        assert_eq!(count(b"", |_, _| true), 0);
        assert_eq!(count_letters(b"abc", [b'a', b'b'], |_, _| true), 0);
    }
}
