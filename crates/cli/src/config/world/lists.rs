//! Lists of feeds: there, readable, and without feeds that cannot be asked or come twice.

use std::collections::HashMap;
use std::path::Path;

use barid_watcher::feeds::address::{Allowed, check_url};
use barid_watcher::feeds::opml::Outline;

use super::Duty;
use crate::config::Config;
use crate::config::check::unknown_id;
use crate::config::findings::Findings;
use crate::input;
use crate::settings;

/// At most so many feeds of a list are named.
const NAMED: usize = 10;

/// A run parses them anyhow: only `check-config` does it here.
pub(super) fn check(config: &Config, duty: Duty, found: &mut Findings<'_>) {
    let mut read: Vec<(String, Vec<Outline>)> = Vec::new();
    for (index, path) in config.feeds.lists.iter().enumerate() {
        let key = format!("feeds.lists[{index}]");
        if config.feeds.lists[..index].contains(path) {
            found.warning(
                "E0118",
                &key,
                format!("{} is named twice", path.display()),
                "take one of them out",
            );
            continue;
        }
        if duty != Duty::Any {
            if let Err(error) = input::probe(path) {
                unreadable(&key, path, &error.to_string(), found);
            }
            continue;
        }
        match settings::list(path) {
            Ok(outlines) => read.push((key, outlines)),
            Err(error) => {
                let said = error.to_string();
                let said = said.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&said);
                unreadable(&key, path, said.split("; hint:").next().unwrap_or(said), found);
            }
        }
    }
    if duty == Duty::Any && read.len() == config.feeds.lists.len() && !read.is_empty() {
        feeds(config, &read, found);
    }
}

fn unreadable(key: &str, path: &Path, why: &str, found: &mut Findings<'_>) {
    let why = why.strip_prefix(&format!("read {}: ", path.display())).unwrap_or(why);
    let hint = "an OPML file that this user may read; `barid feed import FILE` writes one";
    found.error("E0116", key, format!("{}: {why}", path.display()), hint);
}

fn feeds(config: &Config, lists: &[(String, Vec<Outline>)], found: &mut Findings<'_>) {
    let allowed = Allowed(config.feeds.allow_addresses.clone());
    let own: Vec<(&str, &str)> =
        config.feeds.feeds.iter().map(|feed| (feed.id.as_str(), feed.url.as_str())).collect();
    let mut urls: HashMap<&str, String> =
        own.iter().map(|(id, url)| (*url, format!("the [[feed]] `{id}`"))).collect();
    let mut ids: HashMap<&str, &str> = HashMap::new();
    for (key, outlines) in lists {
        if outlines.is_empty() {
            found.warning("E0116", key, "it names no feed", "every <outline> with an `xmlUrl` is one");
        }
        let (mut said, mut more) = (0, 0);
        let mut say = |code, why: String, hint: &str| {
            if said < NAMED {
                found.warning(code, key, why, hint);
                said += 1;
            } else {
                more += 1;
            }
        };
        for feed in outlines.iter().map(|outline| &outline.feed) {
            let is_override = own.iter().any(|(id, _)| *id == feed.id);
            if let Err(bad) = check_url(&feed.url, &allowed) {
                let url: String = feed.url.chars().take(200).collect();
                say(
                    "E0117",
                    format!("{url} can never be asked: {bad}"),
                    "correct it in the list, or take it out",
                );
            }
            if let Some(before) = ids.insert(&feed.id, &feed.url).filter(|before| *before != feed.url) {
                let why = format!(
                    "`{}` is the id of {before} and of {}: only the first is polled",
                    feed.id, feed.url
                );
                say("E0107", why, "give each its own `barid:id`");
            }
            let before = urls.insert(&feed.url, format!("`{}`", feed.id));
            if let Some(before) = before.filter(|before| !is_override && *before != format!("`{}`", feed.id))
            {
                let why = format!("{} is asked by {before} already: each item may come twice", feed.url);
                say("E0118", why, "take one of them out, or give both the same id");
            }
        }
        if more > 0 {
            found.warning(
                "E0116",
                key,
                format!("{more} more problems of its feeds are not shown"),
                "mend those that are",
            );
        }
    }
    let known: Vec<&str> = own.iter().map(|(id, _)| *id).chain(ids.keys().copied()).collect();
    for (index, id) in config.feeds.watch.iter().enumerate().filter(|(_, id)| !known.contains(&id.as_str())) {
        let (why, hint) = unknown_id(id, known.iter().copied());
        // A list may change while the ids stay: that must not end anything.
        found.warning("E0120", &format!("feeds.watch[{index}]"), why, &hint);
    }
}
