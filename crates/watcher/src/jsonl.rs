//! JSON Lines: one line, one document; a file is read on from where it was left.
//!
//! The checkpoint says how many bytes were read, with a proof: the SHA-256 of their first and last 4 KiB. Reading goes on behind them while
//! the proof holds and the file has only grown. Anything else (cut, rewritten, rotated, renamed, packed) is
//! read from its start. That costs reading, not repeated documents: which article a line is does not hang on
//! where it stands (see [`crate::identity`]), and what was delivered is known (about 80 bytes of state a
//! line, on disk only). Not seen is one case: a change in the middle of what was read, in place, together
//! with growth.
//!
//! A last line without an end is read once the file is settled, and again when the file grows: its beginning is where reading goes on.
//!
//! A large file is read in slices, between which the others have their turn.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use barid_log::{Wish, failpoint};
use barid_record::{Collector, Hints, Reason};
use bytes::Bytes;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::checkpoint::{Checkpoint, Lines, More, article, earlier_line, place_of_inode};
use crate::deliver::{Delivery, Refusal};
use crate::fields::{self, Line};
use crate::filter::Packing;
use crate::held::{Held, HeldLine};
use crate::identity::{Articles, Name, Saying, Word, all_of};
use crate::intake::{Current, Intake, Outcome, changed_meanwhile};
use crate::lines::LineReader;
use crate::mend::Mend;
use crate::read::Reading;
use crate::stamp::{GRAIN_MS, Stamp};
use crate::{Fields, WatcherError};

mod archive;

/// How the reading of lines ended.
enum End {
    /// At the end of the file.
    OfFile,
    /// Before a last line that may still grow.
    Unfinished,
    /// The run is to stop.
    Stopped,
    /// The others have their turn.
    Paused,
    /// The archive is damaged here.
    Damaged(String),
}

/// A file whose lines are being read.
pub(crate) struct Reel {
    reader: LineReader,
    stamp: Stamp,
    lines: Lines,
    /// It was begun by an earlier reading: what was met then is forgotten.
    is_resumed: bool,
    /// It was read to its end before, and what is read now stands behind that: nobody moved it here from
    /// elsewhere.
    is_fresh: bool,
    /// The file was read under another path: its lines are as old as they were there.
    is_moved: bool,
    /// Its end was reached since it was begun.
    has_ended: bool,
    /// 0.1.0 read it.
    is_earlier: bool,
    /// A last line without an end is complete.
    is_settled: bool,
    fields: Fields,
    charset: Option<String>,
    held: Held,
    /// Where this slice ends.
    slice_end: u64,
}

impl Reel {
    /// The newest words of an article stand in the file. True if an older line of it was held.
    fn stands(&mut self, name: &Name, at: usize) -> bool {
        // Where all is new there is nothing to hold.
        !self.is_fresh && !matches!(name, Name::Content(_)) && self.held.stands(name, at)
    }
}

/// What is read of one file before the others have their turn.
pub(crate) const SLICE_BYTES: u64 = 8 << 20;
/// Files that are held open between two slices; the others begin when one of these ends.
pub(crate) const MOST_REELS: usize = 4;

/// Lines between two looks at whether the run is to stop.
const LINES_BETWEEN_LOOKS: u64 = 256;

impl Intake<'_> {
    /// Takes the new lines of a file. `due_ms` is when it counts as settled.
    pub(crate) fn take_lines(
        &mut self,
        current: &Current<'_>,
        file: &OwnedFd,
        stamp: Stamp,
        due_ms: i64,
        fields: &Fields,
    ) -> Result<Outcome, WatcherError> {
        let waiting = self.reels.remove(&current.path);
        if waiting.is_none() && self.is_sliced() && stamp.size > SLICE_BYTES && self.reels.len() >= MOST_REELS
        {
            return Ok(Outcome::Later);
        }
        let opened = match file.try_clone().map(File::from) {
            Ok(file) => self.reel(current, file, &stamp, waiting, fields),
            Err(error) => Ok(Err(error)),
        };
        let mut reel = match opened? {
            Ok(reel) => reel,
            Err(error) => return Ok(self.no_lines(current, &error)),
        };
        reel.is_settled = current.now_ms >= due_ms;
        reel.slice_end = if self.is_sliced() { reel.reader.prefix.bytes() + SLICE_BYTES } else { u64::MAX };
        let end = match self.read_lines(current, &mut reel) {
            Ok(end) => end?,
            Err(error) => return Ok(self.no_lines(current, &error)),
        };
        failpoint("watcher.read.after");
        if matches!(end, End::Paused) {
            self.keep_place(current, &reel, false);
            self.flush_if_full()?;
            self.reels.insert(current.path, reel);
            return Ok(Outcome::Later);
        }
        self.end_of(current, file, reel, &end, due_ms)
    }

    fn end_of(
        &mut self,
        current: &Current<'_>,
        file: &OwnedFd,
        mut reel: Reel,
        end: &End,
        due_ms: i64,
    ) -> Result<Outcome, WatcherError> {
        let stamp = reel.stamp;
        if let End::Damaged(problem) = end
            && let Some(outcome) = self.reject_archive(current, file, &stamp, &reel, problem)?
        {
            return Ok(outcome);
        }
        reel.has_ended |= matches!(end, End::OfFile | End::Unfinished);
        let changed = changed_meanwhile(file, &stamp);
        let has_rested =
            current.now_ms >= stamp.modified_ms().min(current.now_ms) + GRAIN_MS || reel.is_settled;
        let complete = changed.is_none()
            && match end {
                End::OfFile => has_rested,
                End::Damaged(_) => true,
                End::Unfinished | End::Stopped | End::Paused => false,
            };
        if complete || matches!(end, End::OfFile) && changed.is_none() {
            self.release(current, &mut reel)?;
        }
        if complete {
            reel.is_earlier = false;
            self.note_place(current, &reel);
            self.count_oddities(&reel.reader);
        }
        self.keep_place(current, &reel, complete);
        self.flush_if_full()?;
        Ok(if complete {
            Outcome::Done
        } else {
            Outcome::Wait { due_ms: due_ms.max(current.now_ms + GRAIN_MS), stamp: changed.unwrap_or(stamp) }
        })
    }

    /// Remembers under which path a file was read, by its inode, with the proof of what was in it.
    fn note_place(&mut self, current: &Current<'_>, reel: &Reel) {
        let table_key = place_of_inode(&self.sources[current.source].config.id, reel.stamp.inode);
        let prefix = &reel.reader.prefix;
        let place =
            [&prefix.bytes().to_be_bytes(), &prefix.proof()[..], current.found.key.as_bytes()].concat();
        self.set_state(&table_key, place.into());
    }

    /// Whether this file, with what is in it, was read under another path: the inode alone says nothing, it
    /// may be used again.
    fn came_from_elsewhere(
        &mut self,
        current: &Current<'_>,
        file: &File,
        packing: Packing,
        charset: Option<&str>,
        stamp: &Stamp,
    ) -> Result<io::Result<bool>, WatcherError> {
        let place = self.state(&place_of_inode(&self.sources[current.source].config.id, stamp.inode))?;
        let Some((bytes, rest)) = place.as_deref().and_then(|place| place.split_first_chunk::<8>()) else {
            return Ok(Ok(false));
        };
        let Some((proof, path)) = rest.split_first_chunk::<32>() else { return Ok(Ok(false)) };
        if path == current.found.key.as_bytes() {
            return Ok(Ok(false));
        }
        let found = io::Seek::rewind(&mut &*file)
            .and_then(|()| file.try_clone())
            .and_then(|file| LineReader::resume(file, packing, charset, u64::from_be_bytes(*bytes), proof));
        Ok(match found {
            Ok(reader) => Ok(reader.is_some()),
            Err(error) if is_of_the_system(&error) => Err(error),
            Err(_) => Ok(false),
        })
    }

    fn count_oddities(&self, reader: &LineReader) {
        let (tail_bytes, is_plain) = reader.oddities();
        self.count_packing(tail_bytes, is_plain);
    }

    fn no_lines(&mut self, current: &Current<'_>, error: &io::Error) -> Outcome {
        self.fault(current, error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error));
        Outcome::Done
    }

    /// The file, wound to where reading goes on. The outer error is the log's, the inner one the file's.
    fn reel(
        &mut self,
        current: &Current<'_>,
        file: File,
        stamp: &Stamp,
        waiting: Option<Reel>,
        fields: &Fields,
    ) -> Result<io::Result<Reel>, WatcherError> {
        let (packing, _) = Packing::of(current.found.key);
        if let Some(mut reel) = waiting {
            if reel.stamp == *stamp {
                return Ok(Ok(reel));
            }
            let (bytes, proof) = (reel.reader.prefix.bytes(), reel.reader.prefix.proof());
            let is_plain = packing == Packing::Plain && reel.stamp.inode == stamp.inode;
            let file = file.try_clone();
            let again = file
                .and_then(|file| LineReader::resume(file, packing, reel.charset.as_deref(), bytes, &proof));
            if let (true, Ok(Some(reader))) = (is_plain, again) {
                (reel.reader, reel.stamp) = (reader, *stamp);
                return Ok(Ok(reel));
            }
        }
        let previous = self.checkpoint(current)?;
        let charset = self.sources[current.source].config.charset.clone();
        let is_earlier = previous.as_ref().is_some_and(|previous| previous.more.is_earlier);
        let is_moved = match self.came_from_elsewhere(current, &file, packing, charset.as_deref(), stamp)? {
            Ok(is_moved) => is_moved,
            Err(error) => return Ok(Err(error)),
        };
        let opened = io::Seek::rewind(&mut &file)
            .and_then(|()| open(file, packing, charset.as_deref(), stamp, previous));
        Ok(opened.map(|(reader, lines, is_fresh)| Reel {
            reader,
            stamp: *stamp,
            lines,
            is_resumed: lines.count > 0,
            is_fresh,
            is_moved,
            has_ended: is_fresh,
            is_earlier,
            is_settled: false,
            fields: fields.clone(),
            charset,
            held: Held::default(),
            slice_end: u64::MAX,
        }))
    }

    /// The outer error is the file's, the inner one the log's.
    fn read_lines(
        &mut self,
        current: &Current<'_>,
        reel: &mut Reel,
    ) -> io::Result<Result<End, WatcherError>> {
        let config = &self.sources[current.source].config;
        let (limit, most_kept) = (config.max_document_bytes, config.max_rejected_bytes);
        loop {
            match reel.reader.next(limit, most_kept) {
                Ok(true) if reel.reader.line.has_end || reel.is_settled => (),
                Ok(true) => return Ok(Ok(End::Unfinished)),
                Ok(false) => return Ok(Ok(End::OfFile)),
                Err(error) if is_of_the_system(&error) => return Err(error),
                Err(error) => return Ok(Ok(End::Damaged(error.to_string()))),
            }
            if let Err(error) = self.take_line(current, reel) {
                return Ok(Err(error));
            }
            if !reel.reader.line.has_end {
                return Ok(Ok(End::OfFile));
            }
            reel.reader.accept();
            reel.lines.count += 1;
            let is_full = self.is_full();
            if is_full {
                self.keep_place(current, reel, false);
                if let Err(error) = self.flush() {
                    return Ok(Err(error));
                }
            }
            if is_full || reel.lines.count.is_multiple_of(LINES_BETWEEN_LOOKS) {
                if let Err(error) = self.outbox.tend() {
                    return Ok(Err(error));
                }
                if self.wish() == Wish::Stop {
                    return Ok(Ok(End::Stopped));
                }
            }
            if reel.reader.prefix.bytes() >= reel.slice_end {
                return Ok(Ok(End::Paused));
            }
        }
    }

    /// Hands one line over, unless it is known.
    fn take_line(&mut self, current: &Current<'_>, reel: &mut Reel) -> Result<(), WatcherError> {
        let line = &reel.reader.line;
        let content = line.content();
        let is_blank = content.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0);
        if is_blank && line.long_sha256().is_none() {
            // Zeros are what a disk left of a file that was made long before it was written.
            if content.contains(&0) && line.has_end {
                self.count_mended(Mend::Control);
            }
            return Ok(());
        }
        let read = match line.long_sha256() {
            Some(_) => Err((Reason::TooLarge, format!("a line of {} bytes", line.bytes))),
            None => fields::read(content, reel.charset.as_deref(), &reel.fields)
                .map_err(|problem| (Reason::BadJson, problem)),
        };
        let sha256 = line.long_sha256().unwrap_or_else(|| Sha256::digest(content).into());
        match read {
            Ok(read) => self.take_article(current, reel, read, &sha256),
            Err((reason, detail)) => {
                let kept = if reason == Reason::BadJson { content } else { &line.kept };
                let dropped_bytes =
                    if reason == Reason::BadJson { 0 } else { line.bytes - line.kept.len() as u64 };
                let delivery = Delivery {
                    sha256,
                    read_sha256: sha256,
                    body: Bytes::copy_from_slice(kept),
                    hints: Hints::default(),
                    refused: Some(Refusal { reason, detail, dropped_bytes }),
                };
                let place = reel.reader.prefix.bytes().to_string();
                let earlier = reel.is_earlier.then_some((&*place, &sha256));
                if self.is_unread_news(current, &sha256, earlier)? {
                    // Nothing goes on under this key: it says where the line stood, for people.
                    let number = reel.lines.count + 1;
                    let key = format!("{}#L{number}", current.found.key);
                    self.deliver(current, &key, Collector::JsonLines, Some(number), delivery);
                }
                Ok(())
            }
        }
    }

    /// Hands over the article of a line, unless it is known.
    fn take_article(
        &mut self,
        current: &Current<'_>,
        reel: &mut Reel,
        line: Line,
        sha256: &[u8; 32],
    ) -> Result<(), WatcherError> {
        let saying = Saying::of(&line, current.found.key);
        let mut name = Name::of(&line);
        let (mut articles, at, word) = loop {
            let mut articles = self.articles(current, reel, &name, &line, sha256, &saying)?;
            let has_versions = !matches!(name, Name::Content(_));
            let stands_behind = reel.is_resumed || has_versions && reel.held.meet(&name);
            match articles.hear(&name, &saying, stands_behind) {
                (_, Word::NoName) => name = Name::by_content(&line),
                (at, word) => break (articles, at, word),
            }
        };
        let number = reel.lines.count + 1;
        match word {
            Word::News(key) => {
                reel.stands(&name, at);
                self.keep_articles(current, &name, &articles);
                self.deliver_line(current, &key, number, line);
            }
            Word::Known => {
                let was_held = reel.stands(&name, at);
                if was_held {
                    articles.keeps_old_lines(at);
                }
                if was_held || articles.has_moved() {
                    self.keep_articles(current, &name, &articles);
                }
                self.unchanged(current);
            }
            Word::Back(_) | Word::Past if reel.is_fresh => {
                if let Some(key) = articles.take_back(&name, at, &saying, true) {
                    self.keep_articles(current, &name, &articles);
                    self.deliver_line(current, &key, number, line);
                }
            }
            Word::Back(_) if !reel.is_moved => {
                let delivery = delivery_of(line);
                let line = HeldLine { at, name: name.clone(), saying, number, delivery };
                if !reel.held.hold(line) {
                    articles.keeps_old_lines(at);
                    self.keep_articles(current, &name, &articles);
                    self.unchanged(current);
                }
            }
            Word::Past | Word::Back(_) | Word::NoName => self.unchanged(current),
        }
        Ok(())
    }

    /// The articles of a name. What 0.1.0 delivered is among them.
    fn articles(
        &mut self,
        current: &Current<'_>,
        reel: &Reel,
        name: &Name,
        line: &Line,
        sha256: &[u8; 32],
        saying: &Saying,
    ) -> Result<Articles, WatcherError> {
        let stored = self.state(&article(&self.sources[current.source].config.id, &name.hash()))?;
        let mut articles = stored.and_then(|value| Articles::from_bytes(name, &value)).unwrap_or_default();
        if articles.is_empty() && reel.is_earlier {
            let place = reel.reader.prefix.bytes();
            if self.adopt(current, &mut articles, line, place, sha256, saying)? {
                self.keep_articles(current, name, &articles);
            }
        }
        Ok(articles)
    }

    fn keep_articles(&mut self, current: &Current<'_>, name: &Name, articles: &Articles) {
        let table_key = article(&self.sources[current.source].config.id, &name.hash());
        self.set_state(&table_key, articles.to_bytes(name).into());
    }

    fn deliver_line(&mut self, current: &Current<'_>, key: &str, number: u64, line: Line) {
        line.mended.iter().for_each(|fault| self.count_mended(*fault));
        self.deliver(current, key, Collector::JsonLines, Some(number), delivery_of(line));
    }

    /// Looks a line up as 0.1.0 would have; true where its article goes on under the key it had then.
    fn adopt(
        &mut self,
        current: &Current<'_>,
        articles: &mut Articles,
        line: &Line,
        place: u64,
        sha256: &[u8; 32],
        saying: &Saying,
    ) -> Result<bool, WatcherError> {
        let by_id = line.id.is_some();
        let key = earlier_key(current.found.key, &line.id.clone().unwrap_or_else(|| place.to_string()));
        let table_key = earlier_line(&self.sources[current.source].config.id, &key);
        let known = self.outbox.get(&table_key)?;
        let is_same = known.as_deref().is_some_and(|known| known == &sha256[..16]);
        match (known, is_same) {
            (Some(_), true) => articles.adopt(saying, key),
            // Another text under the same id is its newer version. At the same place it may be anything.
            (Some(_), false) if by_id => articles.adopt_other(saying, key),
            (Some(_) | None, _) => return Ok(false),
        }
        Ok(true)
    }

    /// Whether what could not be read was not met before, wherever. `earlier`: where it stands, and its
    /// SHA-256.
    fn is_unread_news(
        &mut self,
        current: &Current<'_>,
        sha256: &[u8; 32],
        earlier: Option<(&str, &[u8; 32])>,
    ) -> Result<bool, WatcherError> {
        let source_id = &self.sources[current.source].config.id;
        let name = Name::Unread(*sha256);
        let table_key = article(source_id, &name.hash());
        let earlier = earlier
            .map(|(place, sha256)| (earlier_line(source_id, &earlier_key(current.found.key, place)), sha256));
        let mut is_known = self.state(&table_key)?.is_some();
        if let (false, Some((key, sha256))) = (is_known, earlier) {
            is_known = self.outbox.get(&key)?.is_some_and(|known| known == sha256[..16]);
        }
        if is_known {
            self.unchanged(current);
            return Ok(false);
        }
        self.set_state(&table_key, Articles::default().to_bytes(&name).into());
        Ok(true)
    }

    /// Hands over what was held: it is the file's last word.
    fn release(&mut self, current: &Current<'_>, reel: &mut Reel) -> Result<(), WatcherError> {
        for line in reel.held.release() {
            let HeldLine { at, name, saying, number, delivery } = line;
            let stored = self.state(&article(&self.sources[current.source].config.id, &name.hash()))?;
            let Some(mut articles) = stored.and_then(|value| Articles::from_bytes(&name, &value)) else {
                continue;
            };
            let Some(key) = articles.take_back(&name, at, &saying, false) else { continue };
            self.keep_articles(current, &name, &articles);
            self.deliver(current, &key, Collector::JsonLines, Some(number), delivery);
        }
        Ok(())
    }

    /// Puts the checkpoint into the unit. While lines are held it stays where it was: they are found again
    /// from there.
    fn keep_place(&mut self, current: &Current<'_>, reel: &Reel, complete: bool) {
        if !reel.held.is_empty() {
            return;
        }
        let lines = Lines { offset_bytes: reel.reader.prefix.bytes(), ..reel.lines };
        let sha256 = reel.reader.prefix.proof();
        let more = More { has_ended: reel.has_ended, is_earlier: reel.is_earlier, ..More::default() };
        self.keep(current, &Checkpoint { stamp: reel.stamp, complete, sha256, lines, more });
    }
}

/// In the keys of 0.1.0 the first `#` ended the path.
fn earlier_key(path: &str, name: &str) -> String {
    format!("{}#{name}", path.replace('#', "%23"))
}

fn delivery_of(line: Line) -> Delivery {
    Delivery {
        sha256: Sha256::digest(&line.text).into(),
        read_sha256: all_of(&line),
        body: Bytes::from(line.text),
        hints: line.hints,
        refused: None,
    }
}

/// Opens the lines that were not read yet, and says what was read before them, and whether what follows was
/// proved to stand behind that.
fn open(
    file: File,
    packing: Packing,
    charset: Option<&str>,
    stamp: &Stamp,
    previous: Option<Checkpoint>,
) -> io::Result<(LineReader, Lines, bool)> {
    let packing = if stamp.size == 0 { Packing::Plain } else { packing };
    let Some(previous) = previous else {
        return Ok((LineReader::new(file, packing, charset)?, Lines::default(), false));
    };
    let has_only_grown = match packing {
        Packing::Plain => {
            previous.stamp.inode == stamp.inode && (!previous.complete || previous.stamp.size < stamp.size)
        }
        Packing::Gzip | Packing::Zstd => !previous.complete && previous.stamp == *stamp,
    };
    // What 0.1.0 read is read once more: its articles get names that are no places.
    if has_only_grown && !previous.more.is_of_earlier_form {
        let lines = previous.lines;
        match LineReader::resume(file.try_clone()?, packing, charset, lines.offset_bytes, &previous.sha256) {
            Ok(Some(reader)) => return Ok((reader, lines, previous.more.has_ended)),
            Err(error) if is_of_the_system(&error) => return Err(error),
            Ok(None) | Err(_) => (),
        }
    }
    io::Seek::rewind(&mut &file)?;
    let lines = Lines { restarts: previous.lines.restarts + 1, ..Lines::default() };
    Ok((LineReader::new(file, packing, charset)?, lines, false))
}

/// Whether the system failed to give the bytes, and not the bytes to make sense.
fn is_of_the_system(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}
