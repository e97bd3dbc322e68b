//! Problems found after everything was read: each at the place its key came from.

use super::problem::{Problem, Severity};
use super::reader::{Origin, Setting, place_of};

/// What was found, and where keys came from.
#[derive(Debug)]
pub(super) struct Findings<'s> {
    settings: &'s [Setting],
    /// In the order they were found.
    pub(super) problems: Vec<Problem>,
}

impl<'s> Findings<'s> {
    pub(super) fn new(settings: &'s [Setting]) -> Self {
        Self { settings, problems: Vec::new() }
    }

    /// Nobody can run with this. `path` is a key such as `feed[1].url`, or a text of a list such as `feeds.watch[2]`.
    pub(super) fn error(&mut self, code: &'static str, path: &str, why: impl Into<String>, hint: &str) {
        self.add(Severity::Error, code, path, &why.into(), hint);
    }

    /// It runs, and hardly as meant.
    pub(super) fn warning(&mut self, code: &'static str, path: &str, why: impl Into<String>, hint: &str) {
        self.add(Severity::Warning, code, path, &why.into(), hint);
    }

    /// Whether somebody wrote this key, or one below it.
    pub(super) fn is_written(&self, path: &str) -> bool {
        let below = format!("{path}.");
        let ours = |setting: &&Setting| setting.path == path || setting.path.starts_with(&below);
        self.settings.iter().filter(ours).any(|setting| setting.origin != Origin::Default)
    }

    /// Whether that was said of the key already.
    pub(super) fn is_said(&self, code: &str, path: &str) -> bool {
        let about = format!("`{path}`");
        self.problems.iter().any(|problem| problem.code == code && problem.message.starts_with(&about))
    }

    fn add(&mut self, severity: Severity, code: &'static str, path: &str, why: &str, hint: &str) {
        let (place, span) = place_of(self.settings, path);
        let message = format!("`{path}`{place}: {why}");
        self.problems.push(Problem { severity, code, message, span, hint: Some(hint.to_owned()) });
    }
}
