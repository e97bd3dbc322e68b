//! What a run did, in a few lines at its end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use barid_record::Verdict;
use indicatif::{HumanBytes, HumanCount};

use crate::output::lines;

/// What a run did. `documents == verdicts + rejected`: every document that came in is accounted for once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Documents that came in.
    pub(crate) documents: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Main articles by verdict, in the order of [`Verdict::ALL`].
    pub(crate) verdicts: [u64; 5],
    /// Related articles split out of them.
    pub(crate) related: u64,
    /// Records written.
    pub(crate) records: u64,
    /// Files they were written to.
    pub(crate) files: u64,
    /// Where those are.
    pub(crate) records_dir: PathBuf,
    /// Rejected documents by reason code.
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    /// How long it took.
    pub(crate) duration: Duration,
}

impl Summary {
    /// Documents that came in and are neither records, repeats nor rejected: 0 unless barid has a fault or was stopped half-way.
    pub(crate) fn unaccounted(&self) -> u64 {
        let accounted = self.verdicts.iter().sum::<u64>() + self.rejected.values().sum::<u64>();
        self.documents.saturating_sub(accounted)
    }

    /// Says it on standard error.
    pub(crate) fn tell(&self) -> io::Result<()> {
        let mut stderr = io::stderr().lock();
        if lines::is_json() { stderr.write_all(self.as_json().as_bytes()) } else { self.write(&mut stderr) }
    }

    /// It as one line for machines.
    fn as_json(&self) -> String {
        let mut text = Vec::new();
        // Writing to memory does not fail.
        let _ = self.write(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let verdicts =
            Verdict::ALL.into_iter().zip(self.verdicts).map(|(verdict, count)| (verdict.name(), count));
        let verdicts: BTreeMap<&str, u64> = verdicts.collect();
        let fields = serde_json::json!({
            "documents": self.documents,
            "bytes": self.bytes,
            "seconds": self.duration.as_secs_f64(),
            "verdicts": verdicts,
            "rejected": self.rejected,
            "related": self.related,
            "records": self.records,
            "files": self.files,
            "records_dir": self.records_dir.display().to_string(),
            "waiting": self.unaccounted(),
        });
        lines::line("INFO", text.trim_end(), lines::object(fields))
    }

    /// Writes it for people.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let seconds = self.duration.as_secs_f64();
        let rate = self.documents as f64 / seconds.max(1e-3);
        writeln!(
            out,
            "{} documents, {} in {seconds:.2} s ({rate:.0}/s)",
            HumanCount(self.documents),
            HumanBytes(self.bytes)
        )?;
        for (verdict, count) in Verdict::ALL.into_iter().zip(self.verdicts).filter(|(_, count)| *count > 0) {
            writeln!(out, "  {:>9}  {}", HumanCount(count).to_string(), verdict_line(verdict))?;
        }
        for (reason, count) in &self.rejected {
            writeln!(out, "  {:>9}  rejected: {reason}", HumanCount(*count).to_string())?;
        }
        if self.related > 0 {
            writeln!(out, "{} related articles were split out of them", HumanCount(self.related))?;
        }
        let place = self.records_dir.display();
        writeln!(
            out,
            "{} records in {} new files in {place}",
            HumanCount(self.records),
            HumanCount(self.files)
        )?;
        if !self.rejected.is_empty() {
            writeln!(out, "see what was rejected, and why: barid rejected list")?;
        }
        if self.unaccounted() > 0 {
            writeln!(out, "{} documents wait in the log for the next run", HumanCount(self.unaccounted()))?;
        }
        Ok(())
    }
}

fn verdict_line(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unique => "unique",
        Verdict::ExactCopy => "exact copies: linked to the first of their text",
        Verdict::NearCopy => "near copies: linked to the first of their text",
        Verdict::Revision => "revisions: the same place, changed text",
        Verdict::Repeat => "repeats: the same place, the same text; not written again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            documents: 1_234,
            bytes: 7 << 20,
            verdicts: [1_000, 200, 0, 3, 30],
            related: 40,
            records: 1_243,
            files: 2,
            records_dir: "barid-data/records".into(),
            rejected: BTreeMap::from([("binary", 1)]),
            duration: Duration::from_millis(500),
        }
    }

    #[test]
    fn it_says_what_came_in_what_came_out_and_where_to_look() {
        let mut text = Vec::new();
        summary().write(&mut text).unwrap();
        let expected = "\
1,234 documents, 7.00 MiB in 0.50 s (2468/s)
      1,000  unique
        200  exact copies: linked to the first of their text
          3  revisions: the same place, changed text
         30  repeats: the same place, the same text; not written again
          1  rejected: binary
40 related articles were split out of them
1,243 records in 2 new files in barid-data/records
see what was rejected, and why: barid rejected list
";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut text = Vec::new();
        let summary = Summary { documents: 1_239, ..summary() };
        summary.write(&mut text).unwrap();
        assert_eq!(summary.unaccounted(), 5);
        assert!(String::from_utf8(text).unwrap().ends_with("5 documents wait in the log for the next run\n"));
    }
}
