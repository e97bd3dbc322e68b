//! Levels of logs. `EnvFilter` takes every word for the name of a part, so that `inof` would log nothing at all.

use tracing_subscriber::EnvFilter;

use crate::config::findings::Findings;
use crate::config::problem::nearest;
use crate::config::reader::Env;

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
const HINT: &str = "error, warn, info, debug, trace or off, or directives such as \"info,barid_log=debug\"";
/// Who writes log lines in this process: our crates, and those below them.
const PARTS: [&str; 22] = [
    "barid",
    "barid_core",
    "barid_feed",
    "barid_log",
    "barid_record",
    "barid_sink",
    "barid_stage",
    "barid_watcher",
    "barid_web",
    "axum",
    "h2",
    "html5ever",
    "hyper",
    "hyper_util",
    "librdkafka",
    "lsm_tree",
    "mio",
    "notify",
    "rdkafka",
    "rustls",
    "tokio",
    "tower",
];

/// What is wrong with a list of directives.
enum Fault {
    /// It means nothing.
    Unusable(String, String),
    /// It names a part that nobody knows.
    Stranger(String),
}

pub(super) fn check(level: &str, env: &Env, found: &mut Findings<'_>) {
    for fault in faults(level) {
        match fault {
            Fault::Unusable(why, hint) => found.error("E0105", "telemetry.level", why, &hint),
            Fault::Stranger(why) => found.warning("E0105", "telemetry.level", why, HINT),
        }
    }
    let from_env = env.get("BARID_LOG").map_or_else(Vec::new, |level| faults(level));
    for fault in from_env {
        let (Fault::Unusable(why, _) | Fault::Stranger(why)) = fault;
        found.warning("E0105", "BARID_LOG", why, "telemetry.level is taken instead where it cannot be read");
    }
}

/// Whether a run can log by these directives.
pub(crate) fn is_usable(level: &str) -> bool {
    !faults(level).iter().any(|fault| matches!(fault, Fault::Unusable(..)))
}

fn faults(level: &str) -> Vec<Fault> {
    let unusable = |why: String| vec![Fault::Unusable(why, HINT.to_owned())];
    if level.trim().is_empty() {
        return unusable("must not be empty".to_owned());
    }
    if let Err(error) = EnvFilter::try_new(level) {
        return unusable(error.to_string());
    }
    // Spans may hold commas of their own; nobody writes them by mistake.
    if level.contains('[') {
        return Vec::new();
    }
    level.split(',').map(str::trim).filter_map(of_directive).collect()
}

fn of_directive(directive: &str) -> Option<Fault> {
    let is_level = |word: &str| {
        LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level))
            || matches!(word, "0" | "1" | "2" | "3" | "4" | "5")
    };
    let target = match directive.split_once('=') {
        None if is_level(directive) => return None,
        None => directive,
        Some((target, _)) => target.trim(),
    };
    let inside = |known: &str| {
        target.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    // `barid_` and the like stand for every part that begins so.
    let begins = |known: &str| target.len() >= 3 && known.starts_with(target);
    if PARTS.iter().any(|known| inside(known) || begins(known)) {
        return None;
    }
    if target == directive {
        let near = nearest(directive, LEVELS.into_iter().chain(PARTS));
        let why = format!("`{directive}` is neither a level nor a part that logs: nothing would be logged");
        return Some(Fault::Unusable(
            why,
            near.map_or_else(|| HINT.to_owned(), |near| format!("did you mean `{near}`?")),
        ));
    }
    let meant = nearest(target, PARTS).map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
    Some(Fault::Stranger(format!("no part is called `{target}`{meant}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_levels_are_told_from_parts() {
        for good in [
            "info",
            "INFO",
            "off",
            "3",
            "info,barid_log=debug",
            "barid_log",
            "barid_watcher::feeds=trace",
            "warn,hyper=error",
            "info,[poll{feed=\"a\"}]=debug",
        ] {
            assert!(faults(good).is_empty(), "{good}");
        }
        for bad in [
            "",
            " ",
            "inof",
            "verbose",
            "info,deubg",
            "info;debug",
            "warn, hyper=error",
            "lots=of=noise",
            "info,barid_log=loud",
        ] {
            assert!(!is_usable(bad), "{bad}");
        }
        let strange = faults("info,barid_wacher=debug");
        assert!(matches!(&strange[..], [Fault::Stranger(why)] if why.contains("`barid_watcher`")));
        assert!(is_usable("info,mycrate=debug"));
    }
}
