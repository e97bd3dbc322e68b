//! Texts to write, keys to look up, and what the process has used.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

/// 512 texts of about 6 KB that compress like Arabic news: words by Zipf's law from a made-up vocabulary.
pub(crate) struct Texts(Vec<Bytes>);

impl Texts {
    pub(crate) fn new() -> Self {
        const LETTERS: [&str; 28] = [
            "ا", "ل", "ي", "م", "و", "ن", "ر", "ت", "ب", "ة", "ع", "د", "س", "ف", "ه", "ك", "ق", "أ", "ح",
            "ج", "ش", "ط", "ص", "خ", "ض", "ذ", "ث", "غ",
        ];
        let mut random = Random(7);
        let mut word = || {
            let letters = 2 + random.below(6);
            (0..letters)
                .map(|_| LETTERS[(random.below(28) * random.below(28) / 28) as usize])
                .collect::<String>()
        };
        let words: Vec<String> = (0..8_000).map(|_| word()).collect();
        let mut random = Random(11);
        let mut text = || {
            let mut text = String::new();
            while text.len() < 6_000 {
                let rank = (8_000f64.powf(random.below(1 << 20) as f64 / f64::from(1 << 20)) - 1.0) as usize;
                text.push_str(&words[rank]);
                text.push(if random.below(12) == 0 { '\n' } else { ' ' });
            }
            Bytes::from(text)
        };
        Self((0..512).map(|_| text()).collect())
    }

    pub(crate) fn get(&self, n: u64) -> Bytes {
        self.0[(n % 512) as usize].clone()
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = mix(self.0);
        (self.0 >> 20) % limit
    }
}

fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) ^ (n >> 31)
}

/// A key that looks like a hash: entries come in no order.
pub(crate) fn index_key(n: u64) -> [u8; 32] {
    let mut key = [0; 32];
    for (index, eight) in key.chunks_mut(8).enumerate() {
        eight.copy_from_slice(&mix(n.wrapping_mul(4).wrapping_add(index as u64)).to_be_bytes());
    }
    key
}

/// A value with some bytes that repeat and some that do not.
pub(crate) fn index_value(n: u64) -> [u8; 64] {
    let mut value = [0; 64];
    value[..32].copy_from_slice(&index_key(!n));
    value[32..40].copy_from_slice(&n.to_le_bytes());
    value
}

/// What the process had used at a moment.
pub(crate) struct Usage {
    cpu: Duration,
    written_bytes: u64,
}

impl Usage {
    pub(crate) fn start() -> Self {
        Self { cpu: cpu(), written_bytes: written_bytes() }
    }

    pub(crate) fn report(&self, what: &str, count: u64, wall: Duration) {
        let cpu = cpu() - self.cpu;
        println!(
            "{what}: {count} in {wall:.2?}, {:.0} /s, {:.1} us CPU each, {} MB written, peak memory {} MB",
            count as f64 / wall.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / count as f64,
            (written_bytes() - self.written_bytes) >> 20,
            peak_kib() >> 10,
        );
    }
}

/// User and system time of all threads, in ticks of 10 ms.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn written_bytes() -> u64 {
    field("/proc/self/io", "write_bytes:")
}

fn peak_kib() -> u64 {
    field("/proc/self/status", "VmHWM:")
}

fn field(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Bytes of all files below a folder.
pub(crate) fn dir_bytes(dir: &Path) -> u64 {
    let entry_bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => dir_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    fs::read_dir(dir).unwrap().flatten().map(entry_bytes).sum()
}
