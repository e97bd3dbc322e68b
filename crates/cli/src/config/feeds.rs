//! `[feeds]` and `[[feed]]`: what to poll, and how.

use std::net::SocketAddr;
use std::path::PathBuf;

use barid_watcher::feeds::fetch::MOST_FEED_BYTES;
use barid_watcher::feeds::{given, opml};
use ipnet::IpNet;

use super::files::optional;
use super::reader::{Reader, Section};

/// `[feeds]` with every `[[feed]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedsSection {
    /// Who polls: an address of the web or of mail, sent with every request.
    pub(crate) contact: Option<String>,
    /// OPML files.
    pub(crate) lists: Vec<PathBuf>,
    /// Feeds with series of their own in the metrics.
    pub(crate) watch: Vec<String>,
    /// Blocks of addresses that may be asked although they are not public.
    pub(crate) allow_addresses: Vec<IpNet>,
    /// Certificates of further authorities, in PEM.
    pub(crate) extra_ca: Option<PathBuf>,
    /// How hubs are heard.
    pub(crate) websub: Option<WebSubSection>,
    /// Bytes of a feed's document, as sent and unpacked.
    pub(crate) max_feed_bytes: u64,
    /// Requests under way, at most.
    pub(crate) max_in_flight: usize,
    /// Whether items get the text of the pages they link to, where a feed's own table says nothing else.
    pub(crate) full_text: bool,
    /// Parts into which processes on Kafka divide the feeds, when topics are made.
    pub(crate) shards: u32,
    /// The feeds written here.
    pub(crate) feeds: Vec<FeedSource>,
}

/// `[feeds.websub]`, where it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebSubSection {
    /// Where hubs are heard.
    pub(crate) listen: SocketAddr,
    /// The address they call, from outside.
    pub(crate) callback: String,
}

/// One feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedSource {
    /// Names the source in records, metrics and logs. Record ids depend on it.
    pub(crate) id: String,
    /// Its address.
    pub(crate) url: String,
    /// Whether it may be asked every quarter of an hour.
    pub(crate) fast: bool,
    /// Whether its items get the text of the pages they link to.
    pub(crate) full_text: bool,
}

impl FeedsSection {
    /// Whether there is anything to poll.
    pub(crate) fn is_used(&self) -> bool {
        !self.feeds.is_empty() || !self.lists.is_empty()
    }
}

/// More feeds than this are not polled by nobody in particular.
const WITHOUT_CONTACT: usize = 10;
/// Each watched feed is about 20 series.
const MOST_WATCHED: usize = 2000;

pub(super) fn read(reader: &mut Reader<'_>, root: &mut Section<'_>) -> FeedsSection {
    let mut section = reader.table(root, "feeds");
    let contact = optional(reader.text(&mut section, "contact", ""));
    let lists: Vec<PathBuf> =
        reader.list(&mut section, "lists", &[]).into_iter().map(PathBuf::from).collect();
    let watch = reader.list(&mut section, "watch", &[]);
    let blocks = reader.list(&mut section, "allow_addresses", &[]);
    let extra_ca = optional(reader.text(&mut section, "extra_ca", "")).map(PathBuf::from);
    let max_feed_bytes =
        reader.integer(&mut section, "max_feed_bytes", MOST_FEED_BYTES, 65_536..=1_073_741_824);
    let max_in_flight = reader.integer(&mut section, "max_in_flight", 200, 1..=10_000);
    let full_text = reader.boolean(&mut section, "full_text", false);
    let shards = reader.integer(&mut section, "shards", 8, 1..=256);
    let websub = websub(reader, &mut section);
    reader.end(&section);
    let mut allow_addresses = Vec::new();
    for block in blocks {
        match block.parse() {
            Ok(block) => allow_addresses.push(block),
            Err(_) => {
                let hint = Some("address and length, such as \"10.1.0.0/16\" or \"::1/128\"".to_owned());
                let why = format!("`{block}` is not a block of addresses");
                reader.refuse("E0105", "feeds.allow_addresses", why, hint);
            }
        }
    }
    if watch.len() > MOST_WATCHED {
        let why = format!("{} feeds are more than {MOST_WATCHED}", watch.len());
        reader.refuse(
            "E0105",
            "feeds.watch",
            why,
            Some("`barid feed list --state late` shows the others".into()),
        );
    }
    let sections = reader.tables(root, "feed");
    let feeds: Vec<FeedSource> =
        sections.into_iter().map(|mut section| feed(reader, &mut section, full_text)).collect();
    for (index, feed) in feeds.iter().enumerate() {
        if let Some(first) = feeds[..index].iter().position(|earlier| earlier.id == feed.id) {
            let why = format!("`{}` is the id of `feed[{first}]` already", feed.id);
            reader.refuse(
                "E0107",
                &format!("feed[{index}].id"),
                why,
                Some("give each feed its own id".into()),
            );
        }
    }
    if contact.is_none() && (feeds.len() > WITHOUT_CONTACT || !lists.is_empty()) {
        let why = format!("needed for a list, and for more than {WITHOUT_CONTACT} feeds");
        let hint = "an address of the web or of mail, such as \"https://example.org/bot\": it is sent with every request, so that a publisher can reach you";
        reader.refuse("E0115", "feeds.contact", why, Some(hint.to_owned()));
    }
    let max_in_flight = usize::try_from(max_in_flight).unwrap_or(200);
    let shards = u32::try_from(shards).unwrap_or(8);
    FeedsSection {
        contact,
        lists,
        watch,
        allow_addresses,
        extra_ca,
        websub,
        max_feed_bytes,
        max_in_flight,
        full_text,
        shards,
        feeds,
    }
}

/// Both keys, or neither.
fn websub(reader: &mut Reader<'_>, feeds: &mut Section<'_>) -> Option<WebSubSection> {
    let mut section = reader.table(feeds, "websub");
    let listen = optional(reader.text(&mut section, "listen", ""));
    let callback = optional(reader.text(&mut section, "callback", ""));
    reader.end(&section);
    let (listen, callback) = match (listen, callback) {
        (None, None) => return None,
        (Some(listen), Some(callback)) => (listen, callback),
        (Some(_), None) => {
            let hint =
                "the address under which hubs reach `listen`, such as \"https://barid.example.org/hubs\"";
            reader.refuse("E0105", "feeds.websub.callback", "needed with `listen`".into(), Some(hint.into()));
            return None;
        }
        (None, Some(_)) => {
            let hint = "an address and a port of this machine, such as \"0.0.0.0:8414\"";
            reader.refuse("E0105", "feeds.websub.listen", "needed with `callback`".into(), Some(hint.into()));
            return None;
        }
    };
    let base = url::Url::parse(&callback).ok();
    let is_base = base.is_some_and(|base| {
        matches!(base.scheme(), "http" | "https") && base.query().is_none() && base.fragment().is_none()
    });
    if !is_base {
        let why = format!("`{callback}` is not the beginning of an address of the web");
        let hint = "such as \"https://barid.example.org/hubs\": each feed has a path of its own below it";
        reader.refuse("E0105", "feeds.websub.callback", why, Some(hint.to_owned()));
    }
    match listen.parse() {
        Ok(listen) => Some(WebSubSection { listen, callback }),
        Err(_) => {
            let hint = Some("address and port, such as \"0.0.0.0:8414\" or \"[::]:8414\"".to_owned());
            let why = format!("`{listen}` is not an address to listen on");
            reader.refuse("E0110", "feeds.websub.listen", why, hint);
            None
        }
    }
}

fn feed(reader: &mut Reader<'_>, section: &mut Section<'_>, full_text: bool) -> FeedSource {
    let written = reader.required_text(section, "url", None);
    let address = given::address(&written);
    let url = address.as_ref().unwrap_or(&written).clone();
    let made = opml::id_of(&url);
    let id = reader.text(section, "id", &made);
    let fast = reader.boolean(section, "fast", false);
    let full_text = reader.boolean(section, "full_text", full_text);
    reader.end(section);
    if !opml::is_id(&id) {
        let hint = "it becomes a metric label and part of every record id".to_owned();
        reader.refuse("E0105", &section.key_path("id"), "use 1 to 64 of a-z 0-9 - _".into(), Some(hint));
    }
    if let (Err(why), false) = (address, written.is_empty()) {
        let why = format!("{}: {why}", given::shown(&written));
        let hint =
            "an address of the web, such as \"https://news.example/feed.xml\"; files are read by [[files]]";
        reader.refuse("E0105", &section.key_path("url"), why, Some(hint.to_owned()));
    }
    FeedSource { id, url, fast, full_text }
}
