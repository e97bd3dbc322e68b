//! Which `<` begin tags, in text of which nobody knows for sure that it is HTML: `<p>` does, `A<B 2-1` and `Vec<T>` do not.

use std::collections::HashSet;

use memchr::{memchr, memchr_iter, memmem};

mod tag;

use tag::{Ahead, Tag};

/// Every element of HTML, old ones too.
const KNOWN: [&str; 137] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "applet",
    "area",
    "article",
    "aside",
    "audio",
    "b",
    "base",
    "basefont",
    "bdi",
    "bdo",
    "bgsound",
    "big",
    "blink",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "datalist",
    "dd",
    "del",
    "details",
    "dfn",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "embed",
    "fieldset",
    "figcaption",
    "figure",
    "font",
    "footer",
    "form",
    "frame",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "i",
    "iframe",
    "img",
    "input",
    "ins",
    "kbd",
    "label",
    "legend",
    "li",
    "link",
    "main",
    "map",
    "mark",
    "marquee",
    "math",
    "menu",
    "meta",
    "meter",
    "nav",
    "nobr",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "ol",
    "optgroup",
    "option",
    "output",
    "p",
    "param",
    "picture",
    "plaintext",
    "pre",
    "progress",
    "q",
    "rb",
    "rp",
    "rt",
    "rtc",
    "ruby",
    "s",
    "samp",
    "script",
    "search",
    "section",
    "select",
    "slot",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "track",
    "tt",
    "u",
    "ul",
    "var",
    "video",
    "wbr",
    "xmp",
    "xml",
];

/// Elements without an end tag, and one whose end tag is left out more often than not.
const ALONE: [&str; 6] = ["br", "hr", "img", "input", "p", "wbr"];
/// Short names that are the names of types and variables too.
const SHORT: [&str; 6] = ["a", "b", "i", "q", "s", "u"];
/// Elements that HTML reads to their end tag without looking at what is inside; without an end tag the whole rest would go.
const RAW: [&str; 9] =
    ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext"];
/// Of these: what nobody is meant to read.
const HIDDEN: [&str; 2] = ["script", "style"];
/// Elements that end a line.
const LINES: [&str; 24] = [
    "address",
    "article",
    "blockquote",
    "br",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "p",
    "pre",
    "section",
    "tr",
];

fn is(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A text taken apart.
#[derive(Debug)]
pub(super) struct Marks {
    /// The same as HTML, in which every `<` that is text is written as one.
    pub(super) html: String,
    /// What stands between the tags, references as found: what people see, and nothing that scripts and styles hold.
    pub(super) plain: String,
    /// How many tags and comments there were.
    pub(super) tags: usize,
}

/// Takes a text apart. One that need not be HTML is so only if some tag in it proves that.
pub(super) fn take_apart(text: &str, is_html: bool) -> Marks {
    let mut scan = Scan::new(text);
    if is_html || scan.has_proof() {
        return scan.run();
    }
    Marks { html: text.replace('<', "&lt;"), plain: text.to_owned(), tags: 0 }
}

/// Whether an escaped text is HTML that was escaped once too often: it begins with a tag, and some tag ends.
pub(super) fn is_escaped_html(text: &str) -> bool {
    let Some(rest) = text.trim_start().strip_prefix("&lt;") else { return false };
    let name = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
    is(&rest[..name], &KNOWN) && !text.contains('<') && text.contains("&gt;") && text.contains("&lt;/")
}

/// What a `<` begins.
enum Mark<'t> {
    /// Text.
    Sign,
    Start(Tag<'t>),
    End {
        name: &'t str,
        end: usize,
    },
    /// A comment or an instruction; without its end only its sign goes.
    Aside {
        end: usize,
    },
}

struct Scan<'t> {
    text: &'t str,
    ahead: Ahead<'t>,
    /// Names of all end tags, in lower case.
    ends: HashSet<String>,
    /// Names of all start tags, in lower case, once somebody asks.
    starts: Option<HashSet<String>>,
    out: Marks,
}

impl<'t> Scan<'t> {
    fn new(text: &'t str) -> Self {
        let ends = memmem::find_iter(text.as_bytes(), b"</").map(|at| tag::name_at(text, at + 2));
        Self {
            text,
            ahead: Ahead::new(text),
            ends: ends.filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect(),
            starts: None,
            out: Marks { html: String::new(), plain: String::new(), tags: 0 },
        }
    }

    /// Something that nobody writes into plain text: a tag with attributes or with its end tag, one that needs no end tag, a comment.
    fn has_proof(&mut self) -> bool {
        memchr_iter(b'<', self.text.as_bytes()).any(|at| match self.mark(at) {
            Mark::Start(tag) => {
                tag.values > 0 || tag.is_closed || is(tag.name, &ALONE) || self.is_ended(tag.name)
            }
            Mark::End { .. } | Mark::Sign => false,
            Mark::Aside { .. } => true,
        })
    }

    fn is_ended(&self, name: &str) -> bool {
        self.ends.contains(&name.to_ascii_lowercase())
    }

    fn run(mut self) -> Marks {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while let Some(found) = bytes.get(at..).and_then(|rest| memchr(b'<', rest)) {
            self.push(at, at + found);
            at += found;
            let next = match self.mark(at) {
                Mark::Sign => None,
                Mark::Aside { end } => Some(end),
                Mark::End { name, end } => {
                    self.out.html.push_str(&self.text[at..end]);
                    self.line(name);
                    Some(end)
                }
                Mark::Start(tag) => Some(self.start(at, &tag)),
            };
            if let Some(next) = next {
                self.out.tags += 1;
                at = next;
            } else {
                self.out.html.push_str("&lt;");
                self.out.plain.push('<');
                at += 1;
            }
        }
        self.push(at, bytes.len());
        self.out
    }

    /// Keeps text. A name behind `&` without its semicolon is no reference where it goes on: `?a=1&copy=2`.
    fn push(&mut self, start: usize, end: usize) {
        let piece = self.text.get(start..end).unwrap_or_default();
        self.out.plain.push_str(piece);
        let mut rest = piece;
        while let Some(at) = memchr(b'&', rest.as_bytes()) {
            self.out.html.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
            let name = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
            let is_number = rest.starts_with('#');
            if !is_number && !rest[name..].starts_with(';') {
                self.out.html.push_str("amp;");
            }
        }
        self.out.html.push_str(rest);
    }

    fn line(&mut self, name: &str) {
        if is(name, &LINES) {
            self.out.plain.push('\n');
        } else if is(name, &["td", "th"]) {
            self.out.plain.push(' ');
        }
    }

    /// Keeps a start tag, and passes over what is hidden in its element. Where it goes on.
    fn start(&mut self, at: usize, tag: &Tag<'t>) -> usize {
        self.line(tag.name);
        let end_tag = if is(tag.name, &RAW) { self.ahead.end_tag(tag.name, tag.end) } else { Some(0) };
        if let Some(end_tag) = end_tag {
            if tag.is_sound {
                self.out.html.push_str(&self.text[at..tag.end]);
            } else {
                self.out.html.extend(["<", tag.name, ">"]);
            }
            if is(tag.name, &HIDDEN) {
                self.out.html.push_str(&self.text[tag.end..end_tag]);
                return end_tag;
            }
        }
        tag.end
    }

    fn mark(&mut self, at: usize) -> Mark<'t> {
        let rest = &self.text.as_bytes()[at..];
        match rest.get(1) {
            Some(b'!' | b'?') => self.aside(at),
            Some(b'/') => {
                let name = tag::name_at(self.text, at + 2);
                let after = at + 2 + name.len();
                let end =
                    self.ahead.tag_end(after).filter(|end| !name.is_empty() && self.is_short(after, *end));
                match end {
                    Some(end) if is(name, &KNOWN) || name.contains([':', '-']) => {
                        Mark::End { name, end: end + 1 }
                    }
                    Some(end) if self.is_started(name) => Mark::End { name, end: end + 1 },
                    Some(_) | None => Mark::Sign,
                }
            }
            Some(byte) if byte.is_ascii_alphabetic() => {
                let tag = Tag::at(self.text, at, &mut self.ahead);
                tag.filter(|tag| self.is_tag(at, tag)).map_or(Mark::Sign, Mark::Start)
            }
            Some(_) | None => Mark::Sign,
        }
    }

    /// Nothing but what may stand in an end tag.
    fn is_short(&self, from: usize, to: usize) -> bool {
        self.text[from..to].bytes().all(|byte| byte.is_ascii_whitespace())
    }

    /// There is a start tag of this name, which is a tag because it has an end tag.
    fn is_started(&mut self, name: &str) -> bool {
        let text = self.text;
        let starts = self.starts.get_or_insert_with(|| {
            let all = memchr_iter(b'<', text.as_bytes()).map(|at| tag::name_at(text, at + 1));
            all.filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect()
        });
        starts.contains(&name.to_ascii_lowercase())
    }

    /// Comments, `<!DOCTYPE ...>`, `<![endif]>`, `<?xml ...?>`: up to the end that browsers see.
    fn aside(&mut self, at: usize) -> Mark<'t> {
        let rest = &self.text.as_bytes()[at..];
        if rest.starts_with(b"<!--") {
            let end = self.ahead.comment_end(at + 2).map(|end| end + 3);
            // Without its end the whole rest would be one.
            return Mark::Aside { end: end.unwrap_or(at + 4) };
        }
        if rest.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<![CDATA[")) {
            return Mark::Aside { end: at + 9 };
        }
        let is_doctype = rest.get(2..9).is_some_and(|name| name.eq_ignore_ascii_case(b"doctype"));
        let is_instruction = rest.starts_with(b"<![")
            || is_doctype
            || (rest[1] == b'?' && rest.get(2).is_some_and(u8::is_ascii_alphabetic));
        let end = self.ahead.tag_end(at).filter(|_| is_instruction);
        match end {
            Some(end) if memchr(b'<', &self.text.as_bytes()[at + 1..end]).is_none() => {
                Mark::Aside { end: end + 1 }
            }
            Some(_) | None => Mark::Sign,
        }
    }

    /// Whether what looks like a start tag is one.
    fn is_tag(&self, at: usize, tag: &Tag<'_>) -> bool {
        let is_behind_a_word = self.text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        let is_bare = tag.values == 0 && tag.bare > 0;
        if !is(tag.name, &KNOWN) {
            // Elements that pages define themselves, and those of word processors.
            let is_own = tag.name.contains(['-', ':']) && !tag.name.ends_with(['-', ':']);
            return tag.is_ended && (is_own || tag.values > 0 || tag.is_closed || self.is_ended(tag.name));
        }
        if !tag.is_ended {
            // Cut off: `<a href="x` may be, `5<a` is not.
            return tag.values > 0;
        }
        let is_like_text = is(tag.name, &SHORT) || is_behind_a_word;
        if is_bare && is_like_text && !tag.is_closed {
            return false;
        }
        let is_raw = is(tag.name, &RAW) && tag.values == 0;
        if is_raw || (is(tag.name, &SHORT) && is_behind_a_word && tag.values == 0) {
            return self.is_ended(tag.name) || is(tag.name, &["textarea", "plaintext"]);
        }
        true
    }
}
