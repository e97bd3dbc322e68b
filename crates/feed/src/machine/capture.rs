//! Text that holds markup: from its start tag to its end tag, tags inside become text again.

use super::start::is_restart;
use super::{Machine, markup};
use crate::fault::Fault;
use crate::model::TextKind;
use crate::names::Element;

/// The markup text being collected.
#[derive(Debug)]
pub(super) struct Capture {
    /// Media type, mapped: `text/plain`, `text/html`, `application/xhtml+xml` or as found.
    media_type: String,
    is_markup: bool,
    /// The feed itself says the type.
    is_stated: bool,
    /// Stated to be XML of some other kind, where even an `item` is text.
    is_foreign: bool,
    is_base64: bool,
    /// A summary that comes second is kept as content.
    pub(super) as_content: bool,
    /// A line of text rather than a body.
    is_line: bool,
    /// Elements of the same name open inside.
    same: u32,
    /// Elements open inside.
    open: u32,
    /// `div`s around escaped text, which are not part of it.
    skipped: u32,
}

impl Capture {
    /// For an element with this `type` and `mode`; `default` where it has no type.
    pub(super) fn new(element: Element, media_type: Option<&str>, mode: Option<&str>, default: &str) -> Self {
        let stated = media_type.map(str::trim).filter(|given| !given.is_empty());
        let media_type = mapped(stated.unwrap_or(default));
        let is_xhtml = media_type == "application/xhtml+xml";
        let is_xml = media_type.ends_with("+xml") || media_type.ends_with("/xml");
        let is_base64 = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("base64"))
            || !(media_type.starts_with("text/") || is_xml);

        Self {
            media_type,
            is_markup: is_xml,
            is_stated: stated.is_some(),
            is_foreign: is_xml && !is_xhtml,
            is_base64,
            as_content: false,
            is_line: is_line(element),
            same: 0,
            open: 0,
            skipped: 0,
        }
    }

    /// Text is written escaped: tags stand in it.
    pub(super) fn is_markup(&self) -> bool {
        self.is_markup
    }

    pub(super) fn is_base64(&self) -> bool {
        self.is_base64
    }

    pub(super) fn is_xhtml(&self) -> bool {
        self.is_markup && !self.is_foreign
    }

    /// Text a reader can show where a summary is missing.
    pub(super) fn is_readable(&self) -> bool {
        matches!(self.media_type.as_str(), "text/plain" | "text/html" | "application/xhtml+xml")
    }

    /// Text with tags in it, by its type or, where the format leaves it open, by its look.
    pub(super) fn is_html(&self, text: &str, is_atom: bool) -> bool {
        match self.media_type.as_str() {
            "text/html" | "application/xhtml+xml" => true,
            "text/plain" => self.is_markup || (!is_atom && text.contains("</")),
            _ => false,
        }
    }

    /// What the text is made of. Where nothing is said Atom 1.0 means plain text, `content:encoded` is HTML by its own definition, and
    /// everything else is either.
    pub(super) fn kind(&self, element: Element, is_atom10: bool) -> TextKind {
        match self.media_type.as_str() {
            "text/html" if self.is_stated || element == Element::ContentEncoded => TextKind::Html,
            "application/xhtml+xml" => TextKind::Html,
            "text/plain" if (self.is_stated || is_atom10) && !self.is_markup => TextKind::Plain,
            _ => TextKind::Unknown,
        }
    }

    /// Nothing was left open.
    pub(super) fn is_balanced(&self) -> bool {
        self.open == 0 && self.same == 0
    }

    fn is_ended_by(&self, element: Element) -> bool {
        match (self.is_foreign, self.is_line) {
            (true, _) => false,
            (false, true) => element.never_in_line(),
            (false, false) => element.never_in_markup(),
        }
    }
}

/// One line of text, not a body.
fn is_line(element: Element) -> bool {
    matches!(element, Element::Title | Element::MediaTitle | Element::Subtitle | Element::Rights)
}

fn mapped(media_type: &str) -> String {
    match media_type.to_ascii_lowercase().as_str() {
        "text" | "plain" => "text/plain".to_owned(),
        "html" => "text/html".to_owned(),
        "xhtml" => "application/xhtml+xml".to_owned(),
        other => other.to_owned(),
    }
}

impl<'a> Machine<'a, '_> {
    /// A start tag inside captured text. True when it became text; false when it ended the capture and stands for itself.
    pub(super) fn start_in_capture(&mut self, name: &'a str, attributes: &'a str, empty: bool) -> bool {
        let element = self.resolve_in_capture(name);
        let Some(frame) = self.frames.last() else { return false };
        let is_same = frame.name.eq_ignore_ascii_case(name);
        let Some(capture) = &mut self.capture else { return false };
        let is_end = capture.is_ended_by(element) && !(is_same && element != Element::Description);
        if is_end || (!capture.is_foreign && is_restart(element, attributes)) {
            self.faults.note(Fault::MissingEndTag);
            self.close_top();
            return false;
        }
        let local = name.rsplit_once(':').map_or(name, |(_, local)| local);
        if !empty {
            capture.open += 1;
            capture.same += u32::from(is_same);
        }
        if !capture.is_markup {
            if local.eq_ignore_ascii_case("div") {
                capture.skipped += u32::from(!empty);
                return true;
            }
            capture.is_markup = true;
        }
        markup::push_start(local, attributes, empty, &mut self.buffer);
        true
    }

    /// What a name means inside captured text: names without a prefix there are HTML's, and only prefixes in force count.
    fn resolve_in_capture(&mut self, name: &str) -> Element {
        let is_cheap = name.len() <= 3
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            && name != "rss";
        if is_cheap { Element::Other } else { self.resolve_element(name) }
    }

    /// An end tag inside captured text. True when that is all; false when the capture is over and the tag ends something outside.
    pub(super) fn end_in_capture(&mut self, name: &'a str) -> bool {
        let Some(frame) = self.frames.last() else { return false };
        let is_same = frame.name.eq_ignore_ascii_case(name);
        let is_outer = !is_same && self.ends_outer(name);
        let Some(capture) = &mut self.capture else { return false };
        if is_same && capture.same == 0 {
            if capture.open > 0 {
                self.faults.note(Fault::UnclosedTag);
            }
            self.close_top();
            return true;
        }
        if is_outer {
            self.faults.note(Fault::MissingEndTag);
            self.close_top();
            return false;
        }
        if capture.open == 0 {
            self.faults.note(Fault::StrayEndTag);
            return true;
        }
        capture.open -= 1;
        capture.same -= u32::from(is_same).min(capture.same);
        let local = name.rsplit_once(':').map_or(name, |(_, local)| local);
        if local.eq_ignore_ascii_case("div") && capture.skipped > 0 && capture.open < capture.skipped {
            capture.skipped -= 1;
        } else if capture.is_markup {
            markup::push_end(local, &mut self.buffer);
        }
        true
    }

    /// The tag ends the item or the feed, or an open element around the text that HTML does not know.
    fn ends_outer(&mut self, name: &str) -> bool {
        let Some(found) = self.open_frame(name) else { return false };
        let element = self.frames[found].element;
        let is_strong = matches!(element, Element::Item) || element.is_container();
        let nothing_open = self.capture.as_ref().is_some_and(|capture| capture.open == 0);
        (is_strong && !self.capture.as_ref().is_some_and(|capture| capture.is_foreign && capture.open > 0))
            || nothing_open
    }
}
