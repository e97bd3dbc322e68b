//! Generated articles for load and fault tests: the aggregator layout, the prose of the fictional samples, every body different, a share
//! of them exact copies of an earlier one under another tail. The same seed gives the same bytes on every machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corpus {
    /// Seed of the generator.
    pub seed: u64,
    /// How many articles.
    pub articles: usize,
    /// How many in a hundred are copies of an earlier body.
    pub copies_percent: u64,
    /// Size of one article, about.
    pub article_bytes: usize,
}

/// Articles that share one related article, about: a panel is shown on many pages.
const PAGES_PER_PANEL: u64 = 20;
/// Share of an article that is its own body, in percent; the rest is the related article.
const BODY_PERCENT: usize = 70;
const FILES_PER_FOLDER: usize = 1000;

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, good enough to vary text.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator for that seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next_u64() % end
    }

    fn pick<'a, T: AsRef<str>>(&mut self, items: &'a [T]) -> &'a str {
        items[self.below(items.len() as u64) as usize].as_ref()
    }
}

/// Sentences to build articles from.
#[derive(Debug, Clone)]
pub struct Prose {
    headlines: Vec<String>,
    sentences: Vec<String>,
}

impl Prose {
    /// Takes the Arabic prose of the sample articles in `seeds`.
    pub fn read(seeds: &Path) -> io::Result<Self> {
        let mut prose = Self { headlines: Vec::new(), sentences: Vec::new() };
        let mut paths: Vec<PathBuf> =
            fs::read_dir(seeds)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !name.starts_with("ar_aggregator") || !name.ends_with(".txt") {
                continue;
            }
            let Ok(text) = String::from_utf8(fs::read(&path)?) else { continue };
            for line in text.lines().map(str::trim) {
                let chars = line.chars().count();
                if line.contains(':') || line.contains('•') {
                } else if chars > 100 && line.ends_with('.') {
                    prose.sentences.push(line.to_owned());
                } else if (30..90).contains(&chars)
                    && !line.ends_with('.')
                    && !line.contains(|c: char| c.is_ascii_digit())
                {
                    prose.headlines.push(line.to_owned());
                }
            }
        }
        if prose.sentences.len() < 20 || prose.headlines.len() < 3 {
            return Err(io::Error::other(format!(
                "{}: too little Arabic prose to build articles from",
                seeds.display()
            )));
        }
        Ok(prose)
    }
}

const SOURCES: [&str; 6] =
    ["بوابة الميناء", "صحيفة الوادي", "أخبار الساحل", "وكالة الجبل", "منبر المدينة", "جريدة النهر"];
const KEYWORDS: [&str; 6] =
    ["مجلس المدينة", "وزارة النقل", "ميناء الشمال", "قطاع الطاقة", "سوق العمل", "نتائج الموسم"];

impl Corpus {
    /// Writes the articles below `dir` as `000/000000.txt`, ...: path order is generation order. Returns the bytes written.
    pub fn write(&self, prose: &Prose, dir: &Path) -> io::Result<u64> {
        let mut bytes = 0;
        for index in 0..self.articles {
            let folder = dir.join(format!("{:03}", index / FILES_PER_FOLDER));
            if index % FILES_PER_FOLDER == 0 {
                fs::create_dir_all(&folder)?;
            }
            let text = self.article(prose, index);
            bytes += text.len() as u64;
            fs::write(folder.join(format!("{index:06}.txt")), text)?;
        }
        Ok(bytes)
    }

    /// The original whose body the article of that index has: itself, or an earlier one.
    pub fn original(&self, index: usize) -> usize {
        let mut random = Random::new(self.seed ^ (index as u64).wrapping_mul(0xA24B_AED4_963E_E407));
        let is_copy = index > 0 && random.below(100) < self.copies_percent;
        if is_copy { self.original(random.below(index as u64) as usize) } else { index }
    }

    /// The text of the article of that index.
    pub fn article(&self, prose: &Prose, index: usize) -> String {
        let mut body = Random::new(self.seed.wrapping_add(1) ^ (self.original(index) as u64) << 8);
        let mut page = Random::new(self.seed.wrapping_add(2) ^ (index as u64) << 8);
        let mut text = String::with_capacity(self.article_bytes + 512);
        text.push_str(body.pick(&prose.headlines));
        text.push_str(&format!("\nتاريخ النشر: {}th, September 2031 GMT\n", 4 + page.below(17)));
        paragraphs(prose, &mut body, self.article_bytes * BODY_PERCENT / 100, &mut text);
        text.push_str(&format!("المصدر: {}\n", page.pick(&SOURCES)));
        text.push_str(&format!("كلمات دلالية: {} {}\n", page.pick(&KEYWORDS), page.pick(&KEYWORDS)));
        text.push_str("إقرأ أيضاً:\n");
        let panels = (self.articles as u64 / PAGES_PER_PANEL).max(1);
        let mut panel = Random::new(self.seed.wrapping_add(3) ^ page.below(panels) << 8);
        text.push_str(panel.pick(&prose.headlines));
        text.push('\n');
        paragraphs(prose, &mut panel, self.article_bytes, &mut text);
        text.pop();
        text
    }
}

/// Appends paragraphs until `text` holds `until` bytes. Each paragraph carries a number, so that no two bodies are alike.
fn paragraphs(prose: &Prose, random: &mut Random, until: usize, text: &mut String) {
    loop {
        let sentence = random.pick(&prose.sentences).trim_end_matches('.');
        text.push_str(sentence);
        text.push_str(&format!(
            "، وبلغ العدد {} وفق البيان رقم {}.\n",
            random.below(90_000) + 1_000,
            random.below(1 << 40)
        ));
        if text.len() >= until {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::seeds_dir;

    const CORPUS: Corpus = Corpus { seed: 42, articles: 300, copies_percent: 20, article_bytes: 6000 };

    #[test]
    fn a_copy_has_its_originals_body_under_another_tail() {
        let prose = Prose::read(&seeds_dir()).expect("sample articles");
        let body = |index| {
            let text = CORPUS.article(&prose, index);
            text.split("المصدر:")
                .next()
                .map(|head| head.lines().skip(2).collect::<Vec<_>>().join("\n"))
                .expect("a footer")
        };
        let copies: Vec<usize> =
            (0..CORPUS.articles).filter(|index| CORPUS.original(*index) != *index).collect();
        assert!((30..90).contains(&copies.len()), "{} copies of 300", copies.len());
        for copy in &copies {
            let original = CORPUS.original(*copy);
            assert_eq!(CORPUS.original(original), original);
            assert_eq!(body(*copy), body(original));
            assert_ne!(CORPUS.article(&prose, *copy), CORPUS.article(&prose, original));
        }
        let bodies: HashSet<String> = (0..CORPUS.articles).map(body).collect();
        assert_eq!(bodies.len(), CORPUS.articles - copies.len());
    }

    #[test]
    fn articles_have_about_the_size_asked_for() {
        let prose = Prose::read(&seeds_dir()).expect("sample articles");
        let total: usize = (0..CORPUS.articles).map(|index| CORPUS.article(&prose, index).len()).sum();
        let mean = total / CORPUS.articles;
        assert!((5800..7200).contains(&mean), "mean {mean} bytes");
    }
}
