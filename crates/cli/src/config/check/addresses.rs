//! Addresses that can never be asked, and those that would be asked twice.

use std::collections::HashMap;

use barid_watcher::feeds::address::{Allowed, BadUrl, check_url};
use url::Url;

use crate::config::Config;
use crate::config::findings::Findings;

pub(super) fn check(config: &Config, found: &mut Findings<'_>) {
    let allowed = Allowed(config.feeds.allow_addresses.clone());
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, feed) in config.feeds.feeds.iter().enumerate() {
        let key = format!("feed[{index}].url");
        // What is missing, or of another scheme, was refused when it was read.
        if !has_scheme(&feed.url) {
            continue;
        }
        let url = match asked(&feed.url, &allowed) {
            Ok(url) => url,
            Err((why, hint)) => {
                found.error("E0117", &key, format!("{} can never be asked: {why}", shown(&feed.url)), hint);
                continue;
            }
        };
        let plain = without_scheme(&url);
        match seen.get(&plain) {
            // That one was refused by its id.
            Some(first) if config.feeds.feeds[*first].id == feed.id => {}
            Some(first) if config.feeds.feeds[*first].url.split(':').next() == feed.url.split(':').next() => {
                let why = format!("{url} is asked by `feed[{first}]` already: each item would come twice");
                found.error("E0118", &key, why, "take one of them out");
            }
            Some(first) => {
                let why = format!(
                    "`feed[{first}]` asks the same address by another scheme: each item may come twice"
                );
                found.warning("E0118", &key, why, "take the one with http:// out");
            }
            None => drop(seen.insert(plain, index)),
        }
    }
    contact(config.feeds.contact.as_deref(), found);
    blocks(config, found);
    watched(config, found);
    if let Some(websub) = &config.feeds.websub
        && has_scheme(&websub.callback)
        && let Err((why, hint)) = asked(&websub.callback, &allowed)
    {
        found.warning("E0117", "feeds.websub.callback", format!("no hub can call it: {why}"), hint);
    }
}

fn has_scheme(url: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme))
}

/// The address as it is asked, or why it never is and what to do.
fn asked(url: &str, allowed: &Allowed) -> Result<Url, (String, &'static str)> {
    let read = check_url(url, allowed).map_err(|bad| (bad.to_string(), hint(bad)))?;
    let host = read.host_str().unwrap_or_default();
    if matches!(host, "http" | "https") {
        return Err(("its host is called `".to_owned() + host + "`", "write the scheme once"));
    }
    if read.port() == Some(0) {
        return Err(("no server has port 0".to_owned(), "take the port out, or write the right one"));
    }
    Ok(read)
}

fn hint(bad: BadUrl) -> &'static str {
    match bad {
        BadUrl::Unreadable => "such as \"https://news.example/feed.xml\"",
        BadUrl::Scheme => "files are read by [[files]]",
        BadUrl::Credentials => "feeds behind a password cannot be polled: take name and password out",
        BadUrl::NotPublic => {
            "where it is yours, add its block to `feeds.allow_addresses`, such as \"10.1.0.0/16\""
        }
        BadUrl::LocalName => "where it is yours, add the block of its address to `feeds.allow_addresses`",
        BadUrl::Downgrade => "write https://",
        BadUrl::TooLong => "no server takes so long an address",
    }
}

fn without_scheme(url: &Url) -> String {
    url.as_str()
        .split_once("://")
        .map_or_else(|| url.to_string(), |(_, rest)| rest.trim_end_matches('/').to_owned())
}

/// An address without the password in it: what is printed ends up in tickets.
fn shown(url: &str) -> String {
    if let Ok(mut parsed) = Url::parse(url)
        && parsed.password().is_some()
        && parsed.set_password(Some("...")).is_ok()
    {
        return parsed.to_string();
    }
    url.chars().take(200).collect()
}

fn contact(contact: Option<&str>, found: &mut Findings<'_>) {
    const HINT: &str =
        "an address of the web or of mail, such as \"https://example.org/bot\" or \"crawler@example.org\"";
    let Some(contact) = contact else { return };
    if !contact.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        let why = "HTTP carries letters, digits and punctuation of ASCII only";
        found.error("E0105", "feeds.contact", why, HINT);
        return;
    }
    let is_mail = contact.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    let bare = contact.strip_prefix("mailto:").unwrap_or(contact);
    let is_web = Url::parse(bare).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_mail && !is_web {
        let why =
            format!("`{contact}` is neither an address of the web nor of mail: no publisher can reach you");
        found.warning("E0105", "feeds.contact", why, HINT);
    }
}

fn blocks(config: &Config, found: &mut Findings<'_>) {
    let blocks = &config.feeds.allow_addresses;
    for (index, block) in blocks.iter().enumerate() {
        let key = format!("feeds.allow_addresses[{index}]");
        if block.prefix_len() == 0 {
            let why = format!("{block} allows every address: a feed may then lead into your own network");
            found.warning("E0105", &key, why, "name the blocks that your feeds are in");
        }
        if blocks[..index].contains(block) {
            found.warning("E0118", &key, format!("{block} is named twice"), "take one of them out");
        }
    }
}

/// Ids with metrics of their own. Where lists are polled, too, they are compared once those were read.
fn watched(config: &Config, found: &mut Findings<'_>) {
    let section = &config.feeds;
    for (index, id) in section.watch.iter().enumerate() {
        let key = format!("feeds.watch[{index}]");
        if section.watch[..index].contains(id) {
            found.warning("E0118", &key, format!("`{id}` is named twice"), "take one of them out");
        } else if section.lists.is_empty() && section.feeds.iter().all(|feed| feed.id != *id) {
            let (why, hint) = unknown_id(id, section.feeds.iter().map(|feed| feed.id.as_str()));
            found.error("E0120", &key, why, &hint);
        }
    }
}

/// What to say of a watched id that no feed has.
pub(in crate::config) fn unknown_id<'a>(
    id: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> (String, String) {
    let near = crate::config::nearest(id, known);
    let hint = near.map_or_else(
        || "the `id` of a [[feed]] or of a list; one without gets an id of its address: see `barid feed list`".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    (format!("no feed has the id `{id}`"), hint)
}
