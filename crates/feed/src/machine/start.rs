//! Start tags: what an element opens, and what its attributes say.

use std::borrow::Cow;

use super::capture::Capture;
use super::space::Binding;
use super::{Frame, MAX_DEPTH, Machine};
use crate::draft::Draft;
use crate::fault::Fault;
use crate::id::is_blank;
use crate::model::{Enclosure, Link, Person};
use crate::names::Element;
use crate::url;

/// Longer bases are attacks: every link of the feed would carry a copy.
const MAX_BASE_BYTES: usize = 2048;

/// The root of a feed, as documents begin with it; a mere `<feed>` or `<channel>` inside an item is somebody's own element.
pub(super) fn is_restart(element: Element, attributes: &str) -> bool {
    let is_root = matches!(
        element,
        Element::Rss | Element::Rdf | Element::AtomFeed | Element::UrlSet | Element::SitemapIndex
    );
    is_root && (attributes.contains("xmlns") || attributes.contains("version"))
}

/// Elements whose own text is kept.
pub(super) fn wants_text(element: Element) -> bool {
    match element {
        Element::Rss
        | Element::Rdf
        | Element::AtomFeed
        | Element::Channel
        | Element::Item
        | Element::UrlSet
        | Element::SitemapIndex
        | Element::Image
        | Element::TextInput
        | Element::SkipHours
        | Element::SkipDays
        | Element::Owner
        | Element::Contributor
        | Element::DcContributor
        | Element::Publisher
        | Element::Enclosure
        | Element::MediaContent
        | Element::ItunesImage
        | Element::CcLicense
        | Element::Html
        | Element::Other => false,
        Element::Title
        | Element::MediaTitle
        | Element::Link
        | Element::Guid
        | Element::Description
        | Element::Abstract
        | Element::Summary
        | Element::Subtitle
        | Element::Content
        | Element::ContentEncoded
        | Element::Body
        | Element::Author
        | Element::Name
        | Element::Email
        | Element::Uri
        | Element::Published
        | Element::Updated
        | Element::Created
        | Element::Category
        | Element::Keywords
        | Element::ItunesCategory
        | Element::DcPublisher
        | Element::Language
        | Element::Rights
        | Element::Source
        | Element::MediaThumbnail
        | Element::Generator
        | Element::Comments
        | Element::Icon
        | Element::Logo
        | Element::Ttl
        | Element::Hour
        | Element::Day
        | Element::SyPeriod
        | Element::SyFrequency
        | Element::SyBase
        | Element::License
        | Element::Loc
        | Element::SchemaPublication => true,
    }
}

impl<'a> Machine<'a, '_> {
    pub(super) fn start(&mut self, name: &'a str, attributes: &'a str, empty: bool) {
        if self.capture.is_some() && self.start_in_capture(name, attributes, empty) {
            return;
        }
        if self.frames.len() >= MAX_DEPTH {
            if !empty {
                self.too_deep += 1;
                if self.too_deep == 1 {
                    self.faults.note(Fault::TooDeep);
                }
            }
            // An item is seen however deep the mess above it is.
            if !matches!(name, "item" | "entry") {
                return;
            }
            self.close_to(4);
        }
        self.read_attributes(attributes);
        let element = self.resolve_element(name);
        if !self.is_inside(element) {
            self.drop_bindings();
            return;
        }
        if element == Element::Item {
            self.before_item();
        } else if self.item.is_some() && is_restart(element, attributes) {
            self.before_feed();
        }
        let is_inline = element == Element::Other
            && !name.contains(':')
            && self.frames.last().is_some_and(|top| top.is_inline || wants_text(top.element));
        self.frames.push(Frame { name, element, start: self.buffer.len(), is_inline });
        self.enter(element);
        if empty {
            self.close_top();
        }
    }

    /// Forgets the namespaces of a tag that opens nothing.
    fn drop_bindings(&mut self) {
        let depth = self.frames.len();
        while self.bindings.last().is_some_and(|binding| binding.depth > depth) {
            self.bindings.pop();
        }
    }

    /// True for what belongs to the feed; what stands before its root or after its end is counted and passed over.
    fn is_inside(&mut self, element: Element) -> bool {
        if !self.frames.is_empty() {
            return true;
        }
        let opens = element.is_container() || element == Element::Item;
        if !self.has_root {
            match element {
                // An Atom entry may be a document of its own.
                Element::Item if self.bindings.iter().any(Binding::is_feed) => self.meta.version = "atom10",
                Element::Item => self.faults.note(Fault::NoRoot),
                Element::Html => self.is_html = true,
                _ if opens => {}
                _ => self.junk(),
            }
            self.has_root = opens;
        } else if !opens || self.root_is_closed {
            self.junk();
        }
        opens
    }

    /// Ends the item before this one, and every element of the feed that was left open in front of it.
    fn before_item(&mut self) {
        if self.item.is_some() {
            self.faults.note(Fault::MissingEndTag);
            self.close_to(self.item_frame);
        }
        while let Some(top) = self.frames.last() {
            if top.element.is_container() || top.element == Element::Other {
                break;
            }
            self.faults.note(Fault::MissingEndTag);
            self.close_top();
        }
    }

    /// A feed begins inside an item: the document broke off, and was sent again from its start. What the item has said so far is a part.
    fn before_feed(&mut self) {
        self.faults.note(Fault::Truncated);
        self.is_cut = true;
        self.close_to(0);
    }

    /// Takes base and language from the attributes, then what the element itself says.
    fn enter(&mut self, element: Element) {
        let depth = self.frames.len();
        if !self.attributes.is_empty() {
            let base = self.attribute("xml:base").or_else(|| self.attribute("base"));
            if let Some(base) = base.filter(|base| !base.trim().is_empty()) {
                let base = self.resolve(&base);
                if base.len() <= MAX_BASE_BYTES && url::is_safe_base(&base) {
                    self.bases.push((depth, base));
                }
            }
            if matches!(element, Element::Rss | Element::Rdf | Element::AtomFeed)
                && let Some(language) = self.attribute("xml:lang").or_else(|| self.attribute("lang"))
                && !language.trim().is_empty()
            {
                self.feed.language = Some(language.trim().to_owned());
            }
        }
        self.set_version(element);
        if element.holds_markup() {
            self.enter_markup(element);
            return;
        }
        match element {
            Element::Item => self.enter_item(depth - 1),
            Element::Channel => self.cdf_attributes(),
            Element::Link => self.enter_link(),
            Element::Guid => {
                let permanent = self.attribute("ispermalink");
                self.guid_is_link = permanent.is_none_or(|value| value.trim().eq_ignore_ascii_case("true"));
            }
            Element::Author => self.draft().authors.push(Person::default()),
            Element::Source => {
                self.source = Draft::default();
                self.in_source += 1;
                if let Some(url) = self.attribute("url") {
                    self.source.link = Some(self.resolve(&url));
                }
            }
            Element::Image | Element::TextInput => {
                self.aside = Draft::default();
                self.in_aside += 1;
            }
            _ => self.enter_small(element),
        }
    }

    /// Elements that say what they say in their attributes.
    fn enter_small(&mut self, element: Element) {
        match element {
            Element::Category | Element::ItunesCategory => {
                let term = self.attribute("term").or_else(|| self.attribute("text"));
                let term = term.or_else(|| self.attribute("label"));
                if let Some(term) = term {
                    self.draft().tag(&term);
                }
            }
            Element::Enclosure => {
                let href = self.href();
                self.push_link(href, "enclosure");
            }
            Element::CcLicense => {
                let href = self.prefixed_attribute("resource");
                self.push_link(href, "license");
            }
            Element::MediaContent | Element::MediaThumbnail => {
                if let Some(file) = self.file() {
                    self.draft().media.push(file);
                }
            }
            Element::ItunesImage => {
                if let Some(href) = self.href() {
                    let href = self.resolve(&href);
                    self.draft().image = Some(href);
                }
            }
            _ => {}
        }
    }

    fn enter_markup(&mut self, element: Element) {
        let default = match element {
            Element::Description | Element::ContentEncoded => "text/html",
            Element::Body => "application/xhtml+xml",
            _ => "text/plain",
        };
        let (media_type, mode) = (self.attribute("type"), self.attribute("mode"));
        let mut capture = Capture::new(element, media_type.as_deref(), mode.as_deref(), default);
        let in_item = self.in_item();
        let draft = self.draft();
        match element {
            Element::Description | Element::Summary
                if in_item && draft.summary.is_set() && !draft.has_content =>
            {
                capture.as_content = true;
                draft.has_content = true;
            }
            Element::Content | Element::ContentEncoded => draft.has_content = true,
            _ => {}
        }
        self.capture = Some(capture);
    }

    fn enter_item(&mut self, frame: usize) {
        self.item = Some(Draft::default());
        self.item_frame = frame;
        self.in_source = 0;
        self.in_aside = 0;
        self.guid_is_link = false;
        if let Some(about) = self.prefixed_attribute("about") {
            let depth = self.frames.len();
            let draft = self.draft();
            if is_blank(&about) {
                draft.has_blank_id = true;
            } else {
                draft.id.set(about.trim(), depth);
            }
        }
        self.cdf_attributes();
    }

    /// CDF says link and date of channel and item in attributes.
    fn cdf_attributes(&mut self) {
        if self.attributes.is_empty() {
            return;
        }
        if let Some(date) = self.attribute("lastmod") {
            let date = self.instant(&date);
            self.draft().updated = date;
        }
        if let Some(href) = self.attribute("href") {
            self.is_alternate = true;
            self.push_link(Some(href.clone()), "alternate");
            let href = self.resolve(&href);
            self.draft().link = Some(href);
            self.is_alternate = false;
        }
    }

    fn href(&self) -> Option<Cow<'a, str>> {
        let found =
            self.attribute("url").or_else(|| self.attribute("uri")).or_else(|| self.attribute("href"));
        found.filter(|href| !href.is_empty() || !self.base().is_empty())
    }

    /// Media RSS: a file in attributes.
    fn file(&self) -> Option<Enclosure> {
        Some(Enclosure {
            href: self.resolve(&self.href()?),
            media_type: self.attribute("type").or_else(|| self.attribute("medium")).map(Cow::into_owned),
            length: self.attribute("filesize").map(Cow::into_owned),
        })
    }

    fn enter_link(&mut self) {
        let rel = self.attribute("rel").map(|rel| rel.trim().to_ascii_lowercase());
        let rel = rel.filter(|rel| !rel.is_empty()).unwrap_or_else(|| "alternate".to_owned());
        let media_type = self.attribute("type").map(|given| given.trim().to_ascii_lowercase());
        let is_html = media_type
            .as_deref()
            .is_none_or(|given| matches!(given, "text/html" | "application/xhtml+xml" | "html" | "xhtml"));
        self.is_alternate = rel == "alternate" && is_html;
        let href = self.href();
        let is_alternate = self.is_alternate;
        if let Some(href) = &href
            && is_alternate
        {
            let href = self.resolve(href);
            self.draft().link = Some(href);
        }
        if self.in_aside == 0 {
            self.push_link(href, &rel);
        }
    }

    /// Adds a link with the other attributes of the tag at hand.
    fn push_link(&mut self, href: Option<Cow<'a, str>>, rel: &str) {
        let text = |value: Cow<'_, str>| value.trim().to_owned();
        let given = self.attribute("type").map(|given| given.trim().to_ascii_lowercase());
        let usual = match rel {
            "self" => Some("application/atom+xml".to_owned()),
            "enclosure" | "license" => None,
            _ => Some("text/html".to_owned()),
        };
        let link = Link {
            href: href.map(|href| self.resolve(&href)).unwrap_or_default(),
            rel: rel.to_owned(),
            media_type: given.filter(|given| !given.is_empty()).or(usual),
            title: self.attribute("title").map(text),
            length: self.attribute("length").map(text),
        };
        self.draft().links.push(link);
    }

    fn set_version(&mut self, element: Element) {
        if !element.is_container() || !self.meta.version.is_empty() {
            return;
        }
        let stated = self.attribute("version").map(|version| version.trim().to_owned()).unwrap_or_default();
        let names = |part: &str| {
            self.attributes.iter().any(|(name, value)| name.starts_with("xmlns") && value.contains(part))
        };
        self.meta.version = match element {
            Element::Rss => match stated.as_str() {
                "0.90" => "rss090",
                "0.91" => "rss091u",
                "0.92" => "rss092",
                "0.93" => "rss093",
                "0.94" => "rss094",
                "1.0" => "rss10",
                _ if stated.starts_with("2.") => "rss20",
                _ => "rss",
            },
            Element::Rdf if names("my.netscape.com/rdf/simple/0.9") || names("channel.netscape.com") => {
                "rss090"
            }
            Element::Rdf => "rss10",
            Element::AtomFeed if names("www.w3.org/2005/Atom") => "atom10",
            Element::AtomFeed => match stated.as_str() {
                "0.1" => "atom01",
                "0.2" => "atom02",
                "0.3" => "atom03",
                "1.0" => "atom10",
                _ if names("purl.org/atom/ns#") => "atom03",
                _ => "atom",
            },
            Element::Channel => "cdf",
            Element::UrlSet => "sitemap",
            Element::SitemapIndex => "sitemapindex",
            _ => "",
        };
    }
}
