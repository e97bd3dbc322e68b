//! Which article a line of JSON Lines is, wherever the line stands: by its id, else its address, else what it
//! says. Never by its place.
//!
//! A name is looked up in the table under 16 bytes of its hash. What is there are the articles that go by it:
//! one for an id, one or more for an address (two lines of one address are one article if they have the
//! headline or the text in common, else they are two), and nothing but the fact that it was delivered for a
//! content.
//!
//! For each article the table knows what it says now, and hashes of what it said before. That a file says
//! again what was said before is no news where files are rotated, packed or copied. It is, where the same
//! file said otherwise in between and no longer does: then somebody took a change back.

use barid_record::Hints;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::fields::Line;
use crate::links;

/// What a line goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// Its mapped id.
    Id(String),
    /// Its mapped address, as [`links::identity`] has it.
    Address(String),
    /// Its headline and text.
    Content([u8; 32]),
    /// A line that could not be read: its bytes.
    Unread([u8; 32]),
}

impl Name {
    pub(crate) fn of(line: &Line) -> Self {
        if let Some(id) = &line.id {
            return Self::Id(id.clone());
        }
        let address = line.hints.url.as_deref().and_then(links::identity);
        address.map_or_else(|| Self::by_content(line), Self::Address)
    }

    /// The name of a line that has neither id nor address. White space does not count.
    pub(crate) fn by_content(line: &Line) -> Self {
        let mut hash = Sha256::new();
        for part in [line.hints.headline.as_deref().unwrap_or_default(), &line.text] {
            hash_words(&mut hash, part);
            hash.update([0]);
        }
        Self::Content(hash.finalize().into())
    }

    /// Where it is in the table.
    pub(crate) fn hash(&self) -> [u8; 16] {
        let hash = Sha256::new();
        let hash: [u8; 32] = match self {
            Self::Id(id) => hash.chain_update(b"id\0").chain_update(id),
            Self::Address(address) => hash.chain_update(b"url\0").chain_update(address),
            Self::Content(content) => hash.chain_update(b"content\0").chain_update(content),
            Self::Unread(bytes) => hash.chain_update(b"unread\0").chain_update(bytes),
        }
        .finalize()
        .into();
        first(&hash)
    }

    /// The document key of the first article of that name.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Id(id) => format!("id:{id}"),
            Self::Address(address) if address.len() <= MOST_KEY_BYTES => format!("url:{address}"),
            Self::Address(address) => format!("url-sha256:{}", hex(&Sha256::digest(address))),
            Self::Content(sha256) | Self::Unread(sha256) => format!("sha256:{}", hex(sha256)),
        }
    }
}

/// A longer address is not a document's key, which travels with every message about it.
const MOST_KEY_BYTES: usize = 1024;

fn first(hash: &[u8; 32]) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    first
}

fn short(hash: &[u8]) -> u64 {
    hash.iter().take(8).fold(0, |short, byte| short << 8 | u64::from(*byte))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn hash_words(hash: &mut Sha256, text: &str) {
    for word in text.split_whitespace() {
        hash.update(word);
        hash.update(b" ");
    }
}

/// What a line says, in hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Saying {
    /// Of the headline: the mapped one, else the text's first line. 0 without any. Of a text of one long line it is a
    /// [`simhash`], and then `body` is 0.
    headline: u64,
    /// Of the rest of the text. 0 without any.
    body: u64,
    /// Of all that was read.
    all: [u8; 16],
    /// Of the path of the file it stands in.
    path: u64,
}

impl Saying {
    pub(crate) fn of(line: &Line, path: &str) -> Self {
        let mapped = line.hints.headline.as_deref().filter(|headline| !headline.trim().is_empty());
        let text = line.text.trim_start();
        let (headline, body) = match mapped {
            Some(headline) => (headline, text),
            None => text.split_once('\n').unwrap_or((text, "")),
        };
        let words = |part: &str| {
            let mut hash = Sha256::new();
            hash_words(&mut hash, part);
            if part.trim().is_empty() { 0 } else { short(&hash.finalize()) }
        };
        let is_long_line = body.trim().is_empty() && headline.split_whitespace().count() >= LONG_LINE_WORDS;
        Self {
            headline: if is_long_line { simhash(headline) } else { words(headline) },
            body: words(body),
            all: first(&all_of(line)),
            path: short(&Sha256::digest(path)),
        }
    }
}

/// A text of one line with so many words is a text and no headline.
const LONG_LINE_WORDS: usize = 12;
/// Bits in which the hashes of two versions of one text differ at most. Those of two texts differ in half of all 64, and 4 more or less.
const MOST_BITS: u32 = 14;

/// A text in 64 bits, of which few change with a few words (Charikar, "Similarity estimation techniques from rounding
/// algorithms", 2002). Never 0.
fn simhash(text: &str) -> u64 {
    let mut votes = [0_i32; 64];
    for word in text.split_whitespace() {
        let hash = xxh3_64(word.as_bytes());
        votes
            .iter_mut()
            .enumerate()
            .for_each(|(bit, vote)| *vote += if hash >> bit & 1 == 1 { 1 } else { -1 });
    }
    let bits = votes.iter().enumerate().filter(|(_, vote)| **vote > 0);
    bits.fold(0, |hash, (bit, _)| hash | 1 << bit).max(1)
}

/// SHA-256 of all that was read of a line.
pub(crate) fn all_of(line: &Line) -> [u8; 32] {
    let Hints {
        headline,
        published,
        url,
        author,
        publisher,
        language,
        keywords,
        modified,
        guid,
        canonical_url,
        page,
    } = &line.hints;
    let mut hash = Sha256::new();
    let mut put = |part: Option<&str>| {
        hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
        hash.update(part.unwrap_or_default());
    };
    put(Some(&line.text));
    for hint in [headline, published, url, author, publisher, language, modified, guid, canonical_url, page] {
        put(hint.as_deref());
    }
    keywords.iter().for_each(|keyword| put(Some(keyword)));
    hash.finalize().into()
}

/// One article, as the table knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Article {
    headline: u64,
    body: u64,
    now: [u8; 16],
    /// The path that said so last.
    path: u64,
    /// Its document key, where that is not the name's first one.
    key: Option<String>,
    /// Its last two versions were lines of their own in one file: the older line is no news when it is read
    /// again.
    is_log: bool,
    /// What it said before, the newest last.
    before: Vec<u64>,
}

/// The articles of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Articles {
    all: Vec<Article>,
    /// One of them was said under another path than before.
    has_moved: bool,
}

/// An address with so many articles names none: those to come go by their content.
const MOST_ARTICLES: usize = 32;
/// What an article said longer ago is forgotten.
const MOST_BEFORE: usize = 100;

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// What its article says now.
    Known,
    /// What its article said before, in another file: an old one.
    Past,
    /// An article, or a new version of one, under that key.
    News(String),
    /// What its article said before, in the file that said otherwise in between. If that is the file's last
    /// word, it is a new version, under that key.
    Back(String),
    /// The address has too many articles to name one.
    NoName,
}

impl Articles {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// The file with an article's newest line has older ones of it too.
    pub(crate) fn keeps_old_lines(&mut self, at: usize) {
        if let Some(article) = self.all.get_mut(at) {
            article.is_log = true;
        }
    }

    /// Decides what a line is, and which of the name's articles, and takes it in where it is news.
    ///
    /// `stands_behind`: other lines of that name may stand before it in the same file.
    pub(crate) fn hear(&mut self, name: &Name, saying: &Saying, stands_behind: bool) -> (usize, Word) {
        let end = self.all.len();
        let found = match name {
            Name::Content(_) | Name::Unread(_) if end > 0 => return (0, Word::Known),
            Name::Content(_) | Name::Unread(_) => None,
            Name::Id(_) => (end > 0).then_some(0),
            Name::Address(_) => self.find(saying),
        };
        let Some((at, article)) = found.and_then(|at| Some((at, self.all.get_mut(at)?))) else {
            if end >= MOST_ARTICLES {
                return (end, Word::NoName);
            }
            let key = (end > 0).then(|| format!("{} {}", name.key(), hex(&saying.all[..8])));
            self.all.push(Article { key: key.clone(), ..Article::of(saying) });
            return (end, Word::News(key.unwrap_or_else(|| name.key())));
        };
        if article.now == saying.all {
            self.has_moved = article.path != saying.path;
            article.path = saying.path;
            return (at, Word::Known);
        }
        if article.before.contains(&short(&saying.all)) {
            let is_here = article.path == saying.path && !article.is_log;
            return (at, if is_here { Word::Back(article.key_under(name)) } else { Word::Past });
        }
        article.turn(saying, stands_behind);
        (at, Word::News(article.key_under(name)))
    }

    /// Takes in that an article says again what it said before; the key it does so under.
    pub(crate) fn take_back(
        &mut self,
        name: &Name,
        at: usize,
        saying: &Saying,
        stands_behind: bool,
    ) -> Option<String> {
        let article = self.all.get_mut(at)?;
        article.turn(saying, stands_behind);
        Some(article.key_under(name))
    }

    /// Takes in an article that 0.1.0 delivered under that key.
    pub(crate) fn adopt(&mut self, saying: &Saying, key: String) {
        self.all.push(Article { key: Some(key), ..Article::of(saying) });
    }

    /// One that 0.1.0 delivered with other words.
    pub(crate) fn adopt_other(&mut self, saying: &Saying, key: String) {
        self.adopt(&Saying { all: [0; 16], ..*saying }, key);
    }

    /// The article of an address that a line is of.
    fn find(&self, saying: &Saying) -> Option<usize> {
        let has_headline = |article: &Article| article.headline == saying.headline && saying.headline != 0;
        let has_body = |article: &Article| article.body == saying.body && saying.body != 0;
        let both = self.all.iter().position(|article| has_headline(article) && has_body(article));
        let is_near = |article: &Article| {
            article.body == 0
                && saying.body == 0
                && article.headline != 0
                && (article.headline ^ saying.headline).count_ones() <= MOST_BITS
        };
        both.or_else(|| self.all.iter().position(has_headline))
            .or_else(|| self.all.iter().position(has_body))
            .or_else(|| self.all.iter().position(is_near))
    }

    /// The stored form: form 1; then of each article its hashes, how many earlier ones, the length of its
    /// key. Nothing more where content is the name.
    pub(crate) fn to_bytes(&self, name: &Name) -> Vec<u8> {
        let mut bytes = vec![FORM];
        if matches!(name, Name::Content(_) | Name::Unread(_)) {
            return bytes;
        }
        for article in &self.all {
            let key = article.key.as_deref().unwrap_or_default();
            bytes.extend_from_slice(&article.headline.to_be_bytes());
            bytes.extend_from_slice(&article.body.to_be_bytes());
            bytes.extend_from_slice(&article.now);
            bytes.extend_from_slice(&article.path.to_be_bytes());
            bytes.push(
                u8::try_from(article.before.len()).unwrap_or(0) | if article.is_log { IS_LOG } else { 0 },
            );
            bytes.extend_from_slice(&u16::try_from(key.len()).unwrap_or(0).to_be_bytes());
            article.before.iter().for_each(|before| bytes.extend_from_slice(&before.to_be_bytes()));
            bytes.extend_from_slice(key.as_bytes());
        }
        bytes
    }

    /// Reads the stored form; `None` where a later version wrote it.
    pub(crate) fn from_bytes(name: &Name, bytes: &[u8]) -> Option<Self> {
        let (&FORM, mut rest) = bytes.split_first()? else { return None };
        if matches!(name, Name::Content(_) | Name::Unread(_)) {
            return Some(Self { all: vec![Article::default()], has_moved: false });
        }
        let mut articles = Vec::new();
        while !rest.is_empty() {
            let article;
            (article, rest) = Article::read(rest)?;
            articles.push(article);
        }
        Some(Self { all: articles, has_moved: false })
    }
}

const FORM: u8 = 1;
/// Beside the number of earlier versions, which is less.
const IS_LOG: u8 = 0x80;

impl Article {
    fn of(saying: &Saying) -> Self {
        let Saying { headline, body, all, path } = *saying;
        Self { headline, body, now: all, path, ..Self::default() }
    }

    fn key_under(&self, name: &Name) -> String {
        self.key.clone().unwrap_or_else(|| name.key())
    }

    /// Goes over to what a line says.
    fn turn(&mut self, saying: &Saying, stands_behind: bool) {
        self.is_log = stands_behind;
        let before = short(&self.now);
        self.before.retain(|known| *known != short(&saying.all) && *known != before);
        self.before.push(before);
        if self.before.len() > MOST_BEFORE {
            self.before.remove(0);
        }
        (self.headline, self.body) = (saying.headline, saying.body);
        (self.now, self.path) = (saying.all, saying.path);
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (numbers, rest) = bytes.split_first_chunk::<8>()?;
        let (body, rest) = rest.split_first_chunk::<8>()?;
        let (now, rest) = rest.split_first_chunk::<16>()?;
        let (path, rest) = rest.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first()?;
        let (key_bytes, rest) = rest.split_first_chunk::<2>()?;
        let (before, rest) = rest.split_at_checked(8 * usize::from(*count & !IS_LOG))?;
        let (key, rest) = rest.split_at_checked(u16::from_be_bytes(*key_bytes).into())?;
        let key = str::from_utf8(key).ok()?;
        let article = Self {
            headline: u64::from_be_bytes(*numbers),
            body: u64::from_be_bytes(*body),
            now: *now,
            path: u64::from_be_bytes(*path),
            key: (!key.is_empty()).then(|| key.to_owned()),
            is_log: count & IS_LOG != 0,
            before: before.as_chunks::<8>().0.iter().map(|hash| u64::from_be_bytes(*hash)).collect(),
        };
        Some((article, rest))
    }
}

#[cfg(test)]
mod tests;
