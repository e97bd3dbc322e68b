//! A thousand random histories of JSON Lines files: no article is lost, merged or doubled, and each
//! correction is one version.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, FileTimes};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use barid_log::{Control, Wish};
use barid_record::RawDocument;
use tempfile::TempDir;

use super::memory::Memory;
use crate::{Config, Fields, FilesConfig, Format, Metrics, run};

/// What names the articles of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    Id,
    Address,
    Content,
}

/// An article and its version; both count from 0.
type Line = (usize, usize);

/// SplitMix64: histories are the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) as usize % sides.max(1)
    }
}

struct History {
    naming: Naming,
    dice: Dice,
    folder: TempDir,
    log: Memory,
    /// What each file holds, by its name without the packing's suffix.
    files: BTreeMap<String, Held>,
    /// The newest version of each article.
    versions: Vec<usize>,
    /// What was in a file at some scan.
    seen: BTreeSet<Line>,
    delivered: BTreeMap<Line, usize>,
    /// The version of each article that was delivered last.
    last: BTreeMap<usize, usize>,
    /// The key of each article.
    keys: BTreeMap<usize, String>,
    /// Articles that were said again since the last scan: a correction now would stand against that.
    again: BTreeSet<usize>,
    clock_ms: i64,
    names: usize,
    story: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Held {
    lines: Vec<Line>,
    suffix: &'static str,
}

const LIVE: &str = "news";

impl History {
    fn new(seed: u64) -> Self {
        Self {
            naming: [Naming::Id, Naming::Address, Naming::Content][seed as usize % 3],
            dice: Dice(seed),
            folder: TempDir::new().expect("a folder"),
            log: Memory::default(),
            files: BTreeMap::new(),
            versions: Vec::new(),
            seen: BTreeSet::new(),
            delivered: BTreeMap::new(),
            last: BTreeMap::new(),
            keys: BTreeMap::new(),
            again: BTreeSet::new(),
            clock_ms: 1_800_000_000_000,
            names: 0,
            story: Vec::new(),
        }
    }

    /// The text of a line. Articles are as alike as those of one scraper: a number tells them apart.
    fn text(&self, (article, version): Line) -> String {
        let name = match self.naming {
            Naming::Id => format!(",\"id\":\"n{article}\""),
            Naming::Address => format!(",\"url\":\"https://news.example/{}?utm_source=x\"", article / 2),
            Naming::Content => String::new(),
        };
        // Without a name a correction is another article: there are none.
        let text = format!("Ferry {article} delayed\\n\\nFog at sea, says notice {version} of {article}.");
        format!("{{\"text\":\"{text}\"{name}}}\n")
    }

    fn path(&self, name: &str, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.jsonl{suffix}"))
    }

    fn new_line(&mut self) -> Line {
        self.versions.push(0);
        (self.versions.len() - 1, 0)
    }

    /// The next version of an article of a file, and where its line stands.
    fn correction(&mut self, lines: &[Line]) -> Option<(usize, Line)> {
        if self.naming == Naming::Content || lines.is_empty() {
            return None;
        }
        let at = self.dice.roll(lines.len());
        let (article, _) = lines[at];
        if self.again.contains(&article) {
            return None;
        }
        self.versions[article] += 1;
        Some((at, (article, self.versions[article])))
    }

    fn any_file(&mut self) -> Option<String> {
        let at = self.dice.roll(self.files.len());
        self.files.keys().nth(at).cloned()
    }

    fn plain_file(&mut self) -> Option<String> {
        self.any_file().filter(|name| self.files[name].suffix.is_empty())
    }

    fn new_name(&mut self) -> String {
        self.names += 1;
        // Some sort before the live file, some behind it.
        format!("{}-{}", ["archive", "old"][self.names % 2], self.names)
    }

    fn content(&self, lines: &[Line], suffix: &str) -> Vec<u8> {
        let text: String = lines.iter().map(|line| self.text(*line)).collect();
        match suffix {
            ".gz" => super::gzip(text.as_bytes()),
            ".zst" => zstd::encode_all(text.as_bytes(), 1).expect("in memory"),
            _ => text.into_bytes(),
        }
    }

    /// Gives a file a time of its own, as a slower writer would.
    fn touch(&mut self, path: &PathBuf) {
        self.clock_ms += 1000;
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock_ms.unsigned_abs());
        let file = File::options().write(true).open(path).expect("there");
        file.set_times(FileTimes::new().set_modified(at)).expect("set");
    }

    /// Writes a file over, in place or through another name.
    fn write_over(&mut self, name: &str, lines: Vec<Line>) {
        let suffix = self.files.get(name).map_or("", |held| held.suffix);
        let (path, content) = (self.path(name, suffix), self.content(&lines, suffix));
        if self.dice.roll(2) == 0 {
            std::fs::write(&path, content).expect("written");
        } else {
            std::fs::write(self.folder.path().join("new.tmp"), content).expect("written");
            std::fs::rename(self.folder.path().join("new.tmp"), &path).expect("renamed");
        }
        self.touch(&path);
        self.files.insert(name.to_owned(), Held { lines, suffix });
    }

    fn append(&mut self, name: &str, lines: &[Line]) {
        let path = self.path(name, "");
        let content = self.content(lines, "");
        let mut file = File::options().append(true).create(true).open(&path).expect("opened");
        file.write_all(&content).expect("appended");
        self.touch(&path);
        self.files.entry(name.to_owned()).or_default().lines.extend(lines);
    }

    fn rename(&mut self, from: &str, to: &str) {
        let held = self.files.remove(from).expect("there");
        std::fs::rename(self.path(from, held.suffix), self.path(to, held.suffix)).expect("renamed");
        self.files.insert(to.to_owned(), held);
    }

    fn step(&mut self) {
        let did = match self.dice.roll(12) {
            0 | 1 => self.grow(),
            2 => self.rotate(),
            3 => self.shift(),
            4 => self.copy_and_cut(),
            5 => self.insert(),
            6 => self.delete_lines(),
            7 => self.rename_one(),
            8 => self.pack(),
            9 => self.rewrite(),
            10 => self.correct_in_place(),
            _ => self.say_again(),
        };
        self.story.push(did.unwrap_or_default());
    }

    /// New articles and corrections behind the others.
    fn grow(&mut self) -> Option<String> {
        let held = self.files.get(LIVE).map(|held| held.lines.clone()).unwrap_or_default();
        let mut lines: Vec<_> = (0..self.dice.roll(4)).map(|_| self.new_line()).collect();
        if self.dice.roll(2) == 0 {
            lines.extend(self.correction(&held).map(|(_, line)| line));
        }
        self.append(LIVE, &lines);
        Some(format!("append {lines:?}"))
    }

    /// The live file gets another name, and a new one begins.
    fn rotate(&mut self) -> Option<String> {
        let name = self.new_name();
        self.files.get(LIVE)?;
        self.rename(LIVE, &name);
        if self.dice.roll(2) == 0 {
            self.grow();
        }
        Some(format!("rotate to {name}"))
    }

    /// Numbered rotation: each name goes to another file.
    fn shift(&mut self) -> Option<String> {
        self.files.get(LIVE)?;
        for n in (1..4).rev() {
            let (from, to) = (format!("{LIVE}.{n}"), format!("{LIVE}.{}", n + 1));
            if self.files.contains_key(&from) {
                if let Some(oldest) = self.files.remove(&to) {
                    std::fs::remove_file(self.path(&to, oldest.suffix)).expect("removed");
                }
                self.rename(&from, &to);
            }
        }
        self.rename(LIVE, &format!("{LIVE}.1"));
        Some("shift".to_owned())
    }

    fn copy_and_cut(&mut self) -> Option<String> {
        let held = self.files.get(LIVE)?.clone();
        let name = self.new_name();
        let path = self.path(&name, "");
        std::fs::copy(self.path(LIVE, ""), &path).expect("copied");
        self.touch(&path);
        self.files.insert(name.clone(), held);
        let live = self.path(LIVE, "");
        File::create(&live).expect("cut");
        self.touch(&live);
        self.files.insert(LIVE.to_owned(), Held::default());
        // It may be as long as before at once.
        if self.dice.roll(2) == 0 {
            let lines: Vec<_> = (0..self.dice.roll(8)).map(|_| self.new_line()).collect();
            self.append(LIVE, &lines);
        }
        Some(format!("copytruncate to {name}"))
    }

    fn insert(&mut self) -> Option<String> {
        let name = self.plain_file()?;
        let mut lines = self.files[&name].lines.clone();
        let at = if self.dice.roll(2) == 0 { 0 } else { self.dice.roll(lines.len() + 1) };
        let line = self.new_line();
        lines.insert(at, line);
        self.write_over(&name, lines);
        Some(format!("insert {line:?} into {name} at {at}"))
    }

    fn delete_lines(&mut self) -> Option<String> {
        let name = self.plain_file()?;
        let mut lines = self.files[&name].lines.clone();
        for _ in 0..=self.dice.roll(3) {
            if !lines.is_empty() {
                lines.remove(self.dice.roll(lines.len()));
            }
        }
        self.write_over(&name, lines);
        Some(format!("delete from {name}"))
    }

    fn rename_one(&mut self) -> Option<String> {
        let from = self.any_file()?;
        let to = self.new_name();
        self.rename(&from, &to);
        Some(format!("rename {from} to {to}"))
    }

    fn pack(&mut self) -> Option<String> {
        let name = self.plain_file().filter(|name| name != LIVE)?;
        let suffix = [".gz", ".zst"][self.dice.roll(2)];
        let lines = self.files[&name].lines.clone();
        let path = self.path(&name, suffix);
        std::fs::write(&path, self.content(&lines, suffix)).expect("packed");
        self.touch(&path);
        std::fs::remove_file(self.path(&name, "")).expect("removed");
        self.files.insert(name.clone(), Held { lines, suffix });
        Some(format!("pack {name}{suffix}"))
    }

    /// The lines in another order, with one more.
    fn rewrite(&mut self) -> Option<String> {
        let name = self.plain_file()?;
        let mut lines = self.files[&name].lines.clone();
        for at in (1..lines.len()).rev() {
            lines.swap(at, self.dice.roll(at + 1));
        }
        let line = self.new_line();
        lines.push(line);
        self.write_over(&name, lines);
        Some(format!("rewrite {name} with {line:?}"))
    }

    /// A line is replaced by its article's next version, and no other line of it stays in that file.
    fn correct_in_place(&mut self) -> Option<String> {
        let name = self.plain_file()?;
        let mut lines = self.files[&name].lines.clone();
        let (at, line) = self.correction(&lines)?;
        lines[at] = line;
        lines.retain(|(article, version)| *article != line.0 || *version == line.1);
        self.write_over(&name, lines);
        Some(format!("correct {line:?} in {name}"))
    }

    /// A line comes again, as it was delivered last.
    fn say_again(&mut self) -> Option<String> {
        let article = self.dice.roll(self.versions.len());
        let line = (article, *self.last.get(&article)?);
        // While a correction is still to be read, the old words would take it back.
        if self.versions[article] != line.1 {
            return None;
        }
        self.append(LIVE, &[line]);
        self.again.insert(article);
        Some(format!("again {line:?}"))
    }

    /// Looks at everything, sometimes dying on the way, and takes what was delivered.
    fn scan(&mut self) {
        for held in self.files.values() {
            self.seen.extend(held.lines.iter().copied());
        }
        if self.dice.roll(4) == 0 {
            self.log.takes(Some(u32::try_from(self.dice.roll(3)).expect("small")));
            // It died, or had less to do than it was given.
            let _ = self.run();
            self.log.takes(None);
        }
        self.run().expect("the watcher runs");
        for message in self.log.produced() {
            let document = RawDocument::from_message(message.timestamp_ms, &message.headers, message.value);
            let document = document.expect("a raw document");
            let text = String::from_utf8(document.body.to_vec()).expect("text");
            let number = |word: Option<&str>| {
                word.and_then(|word| word.trim_end_matches('.').parse().ok()).expect("a number")
            };
            let mut words = text.split_whitespace().rev();
            let article = number(words.next());
            let version = number(words.nth(1));
            *self.delivered.entry((article, version)).or_default() += 1;
            self.last.insert(article, version);
            let known = self.keys.entry(article).or_insert_with(|| document.key.clone());
            assert_eq!(*known, document.key, "one key an article\n{}", self.story.join("\n"));
        }
        self.again.clear();
        self.story.push("scan".to_owned());
    }

    fn run(&mut self) -> Result<crate::Summary, crate::WatcherError> {
        let mut fields = Fields::default();
        match self.naming {
            Naming::Id => fields.id = Some("id".into()),
            Naming::Address => fields.url = Some("url".into()),
            Naming::Content => (),
        }
        let source = FilesConfig {
            id: "files".into(),
            root: self.folder.path().to_owned(),
            include: vec!["**/*.jsonl".into()],
            format: Format::JsonLines(Box::new(fields)),
            settle_ms: 0,
            ..FilesConfig::default()
        };
        let config = Config { sources: vec![source], batch_documents: 3, ..Config::default() };
        let metrics = Metrics::register(&prometheus::Registry::new()).expect("fresh registry");
        let control = Control::default();
        control.ask(Wish::Drain);
        // The next look is far behind the last write.
        self.clock_ms += 100_000;
        let now_ms = self.clock_ms;
        run(&config, self.log.worker(), &metrics, || now_ms, &control, &|_| ())
    }

    fn check(&self) {
        let told = || format!("{:?}\n{}", self.naming, self.story.join("\n"));
        for line in &self.seen {
            assert_eq!(self.delivered.get(line), Some(&1), "{line:?} once\n{}", told());
        }
        let extra: Vec<_> = self.delivered.keys().filter(|line| !self.seen.contains(line)).collect();
        assert!(extra.is_empty(), "{extra:?}\n{}", told());
        let keys: BTreeSet<_> = self.keys.values().collect();
        assert_eq!(keys.len(), self.keys.len(), "a key of its own for each article\n{}", told());
    }
}

#[test]
fn a_thousand_histories_lose_merge_and_double_nothing() {
    for seed in 0..1000 {
        let mut history = History::new(seed);
        history.grow();
        for _ in 0..6 {
            for _ in 0..=history.dice.roll(3) {
                history.step();
            }
            history.scan();
        }
        history.check();
    }
}
