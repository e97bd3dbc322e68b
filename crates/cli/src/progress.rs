//! Progress of a run with `--once`, on a terminal. Elsewhere nothing is drawn.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// How far a run is. Plain totals since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Documents found by the watcher.
    pub(crate) files_found: u64,
    /// Documents that the poller has handed over.
    pub(crate) entries_found: u64,
    /// Documents that have become records or were rejected.
    pub(crate) documents_done: u64,
    /// Their bytes.
    pub(crate) bytes_done: u64,
    /// Records produced.
    pub(crate) records: u64,
    /// Documents rejected.
    pub(crate) rejected: u64,
}

/// A bar that knows when not to be drawn.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

/// The place on the terminal that log lines and bars share.
pub(crate) fn bars() -> MultiProgress {
    MultiProgress::with_draw_target(ProgressDrawTarget::stderr())
}

impl Progress {
    /// A bar for a run that ends by itself. With `wanted` false, or without a terminal, it stays invisible.
    pub(crate) fn new(bars: &MultiProgress, wanted: bool) -> Self {
        let bar = if wanted && std::io::stderr().is_terminal() && !output::lines::is_json() {
            bars.add(ProgressBar::new(0))
        } else {
            ProgressBar::hidden()
        };
        // The template is a constant; a test draws it.
        bar.set_style(style().unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, started: Instant::now() }
    }

    /// Shows the totals.
    pub(crate) fn show(&self, totals: &Totals) {
        self.bar.set_length((totals.files_found + totals.entries_found).max(totals.documents_done));
        self.bar.set_position(totals.documents_done);
        self.bar.set_message(message(totals, self.started.elapsed()));
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style() -> Result<ProgressStyle, indicatif::style::TemplateError> {
    ProgressStyle::with_template("{elapsed_precise} {wide_bar} {human_pos}/{human_len} documents  {msg}")
}

fn message(totals: &Totals, elapsed: Duration) -> String {
    let rate = totals.bytes_done as f64 / 1e6 / elapsed.as_secs_f64().max(1e-3);
    format!(
        "{} records  {rate:.1} MB/s  {} rejected",
        HumanCount(totals.records),
        HumanCount(totals.rejected)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_documents_records_rate_and_rejected() {
        assert!(style().is_ok());
        let totals = Totals {
            files_found: 4,
            entries_found: 5,
            documents_done: 5,
            bytes_done: 3_000_000,
            records: 12_345,
            rejected: 2,
        };
        assert_eq!(message(&totals, Duration::from_secs(2)), "12,345 records  1.5 MB/s  2 rejected");
    }
}
