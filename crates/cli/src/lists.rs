//! What is polled: the feeds of the configuration and of its lists, each once, and what of them can never be.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use barid_watcher::feeds::engine::Feed;
use barid_watcher::feeds::given;
use barid_watcher::feeds::opml::{self, List};

use crate::config::{FeedsSection, Problem, Severity};
use crate::error::CliError;

/// The feeds.
pub(crate) struct Polled {
    /// In order; of two with one address the first.
    pub(crate) feeds: Vec<Feed>,
    /// Ids of those that get the text of their pages.
    pub(crate) full_text: Vec<String>,
    /// What is not polled, and why.
    pub(crate) problems: Vec<Problem>,
}

/// Reads a list.
///
/// # Errors
/// A file that cannot be read, or is no OPML.
pub(crate) fn read(path: &Path) -> Result<List, CliError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.to_owned(), source })?;
    opml::parse(&text).map_err(|source| CliError::FeedList { path: path.to_owned(), source })
}

/// All feeds of a configuration.
///
/// # Errors
/// A list that cannot be read.
pub(crate) fn polled(section: &FeedsSection) -> Result<Polled, CliError> {
    let own: HashSet<&str> = section.feeds.iter().map(|feed| feed.id.as_str()).collect();
    let mut polled = Polled { feeds: Vec::new(), full_text: Vec::new(), problems: Vec::new() };
    // By address, however spelt.
    let mut by_address: HashMap<String, String> = HashMap::new();
    for source in &section.feeds {
        let feed = Feed { id: source.id.clone(), url: source.url.clone(), is_listed: source.fast };
        if source.full_text {
            polled.full_text.push(source.id.clone());
        }
        add(&mut polled, &mut by_address, feed, "[[feed]]");
    }
    for path in &section.lists {
        let List { feeds, refused, .. } = read(path)?;
        let shown = path.display().to_string();
        for refused in refused {
            let message = format!("{shown}, {refused}");
            let hint = "take the line from the list, or mend its address".to_owned();
            polled.problems.push(problem(message, hint));
        }
        for outline in feeds {
            // A feed's own table goes before a list.
            if section.full_text && !own.contains(outline.feed.id.as_str()) {
                polled.full_text.push(outline.feed.id.clone());
            }
            add(&mut polled, &mut by_address, outline.feed, &shown);
        }
    }
    Ok(polled)
}

fn add(polled: &mut Polled, by_address: &mut HashMap<String, String>, feed: Feed, place: &str) {
    let first = match by_address.entry(given::identity(&feed.url)) {
        Entry::Vacant(free) => {
            free.insert(feed.id.clone());
            return polled.feeds.push(feed);
        }
        // The same feed of a table and of a list: the table says how.
        Entry::Occupied(taken) if *taken.get() == feed.id => return,
        Entry::Occupied(taken) => taken.get().clone(),
    };
    let message = format!("{place}: `{}` has the address of `{first}`, and is not polled beside it", feed.id);
    let hint = format!("its articles come as those of `{first}`: take one of the two out");
    polled.problems.push(problem(message, hint));
}

fn problem(message: String, hint: String) -> Problem {
    Problem { severity: Severity::Warning, code: "E0117", message, span: None, hint: Some(hint) }
}
