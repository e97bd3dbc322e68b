//! The item machine: tags in, entries out. It keeps what is open, closes what was left open, and hands out an entry the moment it ends,
//! so that memory holds one entry however long the feed is.
//!
//! Which element means what follows the reader everybody compares with (feedparser): later statements win over earlier ones unless they
//! stand deeper in the tree, a guid is the link of an entry that has none, a second description is a content.

mod capture;
mod finish;
mod markup;
mod relative;
mod space;
mod start;

use crate::draft::Draft;
use crate::entities::Entities;
use crate::error::NotAFeed;
use crate::fault::{Fault, Faults};
use crate::id;
use crate::model::{Entry, Feed};
use crate::names::Element;
use crate::scan::{Scanner, Token};
use capture::Capture;
use space::Binding;

/// Deeper elements are passed over.
const MAX_DEPTH: usize = 512;
/// How far an end tag is looked for among the open elements: more would make hostile input slow, and no feed nests so.
const MAX_SEARCH: usize = 64;

/// An open element.
#[derive(Debug)]
struct Frame<'a> {
    /// With its prefix, as found.
    name: &'a str,
    element: Element,
    /// Where its text starts in the buffer.
    start: usize,
    /// An unknown element inside one whose text is kept: its text belongs there too.
    is_inline: bool,
}

/// The state of one parse.
pub(crate) struct Machine<'a, 'c> {
    scanner: Scanner<'a>,
    faults: Faults,
    entities: Entities<'a>,
    bindings: Vec<Binding<'a>>,
    attributes: Vec<(&'a str, &'a str)>,
    frames: Vec<Frame<'a>>,
    /// Elements open beyond [`MAX_DEPTH`].
    too_deep: usize,
    /// The markup being collected by the innermost frame.
    capture: Option<Capture>,
    /// Text of all open elements, innermost last.
    buffer: String,
    /// Bases in force, each with the depth it holds from.
    bases: Vec<(usize, String)>,
    feed: Draft,
    item: Option<Draft>,
    /// Index of the open item's frame.
    item_frame: usize,
    source: Draft,
    in_source: usize,
    /// Picture and search box: they have titles and links of their own.
    aside: Draft,
    in_aside: usize,
    /// The guid of the open item is its permanent link.
    guid_is_link: bool,
    is_alternate: bool,
    meta: Feed,
    count: u64,
    /// Items closed by their own end tags.
    ended: u64,
    /// The item that is open began in a document that broke off before it ended.
    is_cut: bool,
    has_root: bool,
    root_is_closed: bool,
    is_html: bool,
    on_entry: &'c mut dyn FnMut(Entry),
}

impl<'a, 'c> Machine<'a, 'c> {
    pub(crate) fn new(
        text: &'a str,
        base: Option<&str>,
        faults: Faults,
        on_entry: &'c mut dyn FnMut(Entry),
    ) -> Self {
        let base = base.map(str::trim).filter(|base| !base.is_empty() && crate::url::is_safe_base(base));
        Self {
            scanner: Scanner::new(text),
            faults,
            entities: Entities::default(),
            bindings: Vec::new(),
            attributes: Vec::new(),
            frames: Vec::new(),
            too_deep: 0,
            capture: None,
            buffer: String::new(),
            bases: base.map(|base| (0, base.to_owned())).into_iter().collect(),
            feed: Draft::default(),
            item: None,
            item_frame: 0,
            source: Draft::default(),
            in_source: 0,
            aside: Draft::default(),
            in_aside: 0,
            guid_is_link: false,
            is_alternate: false,
            meta: Feed::default(),
            count: 0,
            ended: 0,
            is_cut: false,
            has_root: false,
            root_is_closed: false,
            is_html: false,
            on_entry,
        }
    }

    /// Reads to the end.
    pub(crate) fn run(self) -> Result<Feed, NotAFeed> {
        self.run_to_end().0
    }

    /// Reads to the end; gives the faults back too, with the places where they were met.
    pub(crate) fn run_to_end(mut self) -> (Result<Feed, NotAFeed>, Faults) {
        loop {
            self.faults.at = self.scanner.offset();
            let Some(token) = self.scanner.next(&mut self.faults) else { break };
            match token {
                Token::Text(raw) => self.text(raw, false),
                Token::Cdata(raw) => self.text(raw, true),
                Token::Start { name, attributes, empty } => self.start(name, attributes, empty),
                Token::End { name } => self.end(name),
                Token::Doctype(inside) => self.entities.declare(inside),
            }
        }
        if !self.has_root {
            return (Err(if self.is_html { NotAFeed::Html } else { NotAFeed::NoRoot }), self.faults);
        }
        if !self.frames.is_empty() && self.faults.count(Fault::Truncated) == 0 {
            self.faults.note(Fault::Truncated);
        }
        self.meta.is_cut = !self.frames.is_empty();
        self.is_cut = self.item.is_some() && !self.is_whole();
        self.close_to(0);
        let mut meta = self.meta;
        self.feed.into_feed(&mut meta);
        meta.entries = self.count;
        meta.faults = self.faults.list();
        (Ok(meta), self.faults)
    }

    /// The statements an element belongs to.
    fn draft(&mut self) -> &mut Draft {
        if self.in_source > 0 {
            &mut self.source
        } else if self.in_aside > 0 {
            &mut self.aside
        } else {
            self.item.as_mut().unwrap_or(&mut self.feed)
        }
    }

    /// True where [`Self::draft`] is the open item.
    fn in_item(&self) -> bool {
        self.in_source == 0 && self.in_aside == 0 && self.item.is_some()
    }

    fn text(&mut self, raw: &'a str, is_cdata: bool) {
        let Some(top) = self.frames.last() else {
            self.text_outside(raw);
            return;
        };
        if let Some(capture) = &self.capture {
            match (capture.is_markup(), is_cdata) {
                (false, false) => self.entities.unescape_into(raw, &mut self.buffer, &mut self.faults),
                (false, true) => self.buffer.push_str(raw),
                (true, false) => self.entities.escape_into(raw, &mut self.buffer, &mut self.faults),
                (true, true) => crate::entities::push_escaped(raw, &mut self.buffer),
            }
        } else if (top.is_inline || start::wants_text(top.element)) && self.too_deep == 0 {
            if is_cdata {
                self.buffer.push_str(raw);
            } else {
                self.entities.unescape_into(raw, &mut self.buffer, &mut self.faults);
            }
        } else if !is_cdata {
            self.entities.check(raw, &mut self.faults);
        }
    }

    fn text_outside(&mut self, raw: &str) {
        // A byte order mark in the wrong place is no text.
        if !raw.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}').is_empty() {
            self.junk();
        }
    }

    /// Counts what stands outside the feed.
    fn junk(&mut self) {
        let fault = if self.has_root { Fault::JunkAfter } else { Fault::JunkBefore };
        self.faults.note(fault);
    }

    fn end(&mut self, name: &'a str) {
        if self.capture.is_some() {
            if self.end_in_capture(name) {
                return;
            }
        } else if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        let Some(found) = self.open_frame(name) else {
            if self.has_root && !(self.root_is_closed && self.frames.is_empty()) {
                self.faults.note(Fault::StrayEndTag);
            } else {
                self.junk();
            }
            return;
        };
        self.faults.add(Fault::MissingEndTag, (self.frames.len() - found - 1) as u64);
        self.ended += u64::from(self.frames[found].element == Element::Item);
        self.close_to(found);
    }

    /// At the document's end: the open item says all it has to say. Some software ends no item and no feed at all, and the last of its items is as
    /// whole as the others.
    fn is_whole(&self) -> bool {
        self.ended == 0 && self.count > 0 && self.frames.len() == self.item_frame + 1
    }

    /// The open element an end tag closes. An end tag closes nothing beyond its item, unless it ends the item or the feed.
    fn open_frame(&self, name: &str) -> Option<usize> {
        let is_it = |frame: &Frame<'_>| frame.name.eq_ignore_ascii_case(name);
        let last = self.frames.len().checked_sub(1)?;
        if is_it(&self.frames[last]) {
            return Some(last);
        }
        let lowest = if self.item.is_some() { self.item_frame } else { 0 };
        let near = self.frames.len().saturating_sub(MAX_SEARCH).max(lowest);
        let found = (near..last).rev().find(|index| is_it(&self.frames[*index]));
        if found.is_some() {
            return found;
        }
        if self.item.is_some() && is_it(&self.frames[self.item_frame]) {
            return Some(self.item_frame);
        }
        let roots = self.frames.iter().take(lowest.max(near).min(4));
        roots
            .enumerate()
            .find(|(_, frame)| frame.element.is_container() && is_it(frame))
            .map(|(index, _)| index)
    }

    /// Closes open elements, innermost first, until `depth` are left.
    fn close_to(&mut self, depth: usize) {
        if self.capture.is_none() {
            self.too_deep = 0;
        }
        while self.frames.len() > depth {
            self.close_top();
        }
    }

    /// Closes the innermost element and keeps what it said.
    fn close_top(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        self.too_deep = 0;
        let buffer = std::mem::take(&mut self.buffer);
        let text = buffer.get(frame.start..).unwrap_or_default();
        self.finish(frame.element, text);
        self.buffer = buffer;
        if !frame.is_inline {
            self.buffer.truncate(frame.start);
        }
        let depth = self.frames.len();
        while self.bindings.last().is_some_and(|binding| binding.depth > depth) {
            self.bindings.pop();
        }
        while self.bases.last().is_some_and(|(at, _)| *at > depth) {
            self.bases.pop();
        }
        if depth == 0 {
            self.root_is_closed = true;
        }
    }

    /// Hands out the open item.
    fn emit(&mut self) {
        let Some(draft) = self.item.take() else { return };
        let mut entry = draft.into_entry(self.count);
        id::settle(&mut entry);
        entry.is_cut = std::mem::take(&mut self.is_cut);
        self.meta.cut_entries += u64::from(entry.is_cut);
        self.count += 1;
        (self.on_entry)(entry);
    }

    /// The base in force.
    fn base(&self) -> &str {
        self.bases.last().map_or("", |(_, base)| base)
    }

    fn resolve(&self, reference: &str) -> String {
        crate::url::resolve(self.base(), reference)
    }
}
