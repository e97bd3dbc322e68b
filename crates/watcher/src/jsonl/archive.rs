//! A packed file of lines that breaks off: it is handed over as it is, and its good lines are on their way already.

use super::*;

impl Intake<'_> {
    /// Hands over an archive that breaks off, as it is. Its good lines are already on their way.
    pub(super) fn reject_archive(
        &mut self,
        current: &Current<'_>,
        file: &OwnedFd,
        stamp: &Stamp,
        reel: &Reel,
        problem: &str,
    ) -> Result<Option<Outcome>, WatcherError> {
        let source = &self.sources[current.source];
        let reading = rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0))
            .and_then(|_| self.reader.start(file, &source.config));
        let (kept, sha256, size_bytes) = match reading {
            Ok(read) => read,
            Err(error) => {
                self.fault(current, error);
                return Ok(Some(Outcome::Done));
            }
        };
        if let Some(stamp) = changed_meanwhile(file, stamp) {
            return Ok(Some(Outcome::Wait { due_ms: current.now_ms + GRAIN_MS, stamp }));
        }
        let detail = format!("{problem} after {} unpacked bytes", reel.reader.prefix.bytes());
        let dropped_bytes = size_bytes - kept.len() as u64;
        let reading =
            Reading::Refused { reason: Reason::BadCompression, detail, kept, sha256, dropped_bytes };
        let delivery = Delivery::of_file(reading, sha256);
        if self.is_unread_news(current, &sha256, None)? {
            self.deliver(current, current.found.key, Collector::File, None, delivery);
        }
        Ok(None)
    }
}
