//! One walk over the tags: which elements stand where, and what their values are.

use std::collections::BTreeSet;

use super::{Finding, Lines, Rule, values};
use crate::entities::Entities;
use crate::fault::Faults;
use crate::names::{self, Space};
use crate::scan::{Attributes, Scanner, Token};

/// Deeper elements are markup, and not looked at.
const MAX_DEPTH: usize = 12;
/// Longest value shown in a finding.
const VALUE_LETTERS: usize = 60;

/// What may stand in an element, what must, and what may stand once.
struct Shape {
    parent: &'static str,
    is_atom: bool,
    required: &'static [&'static str],
    single: &'static [&'static str],
    many: &'static [&'static str],
}

const SHAPES: [Shape; 11] = [
    Shape {
        parent: "channel",
        is_atom: false,
        required: &["title", "link", "description"],
        single: &[
            "title",
            "link",
            "description",
            "language",
            "copyright",
            "managingeditor",
            "webmaster",
            "pubdate",
            "lastbuilddate",
            "generator",
            "docs",
            "cloud",
            "ttl",
            "image",
            "rating",
            "textinput",
            "skiphours",
            "skipdays",
            "items",
        ],
        many: &["category", "item"],
    },
    Shape {
        parent: "item",
        is_atom: false,
        required: &[],
        single: &["title", "link", "description", "author", "comments", "guid", "pubdate", "source"],
        many: &["category", "enclosure"],
    },
    Shape {
        parent: "image",
        is_atom: false,
        required: &["title", "link", "url"],
        single: &["title", "link", "url", "width", "height", "description"],
        many: &[],
    },
    Shape {
        parent: "textinput",
        is_atom: false,
        required: &["title", "link", "description", "name"],
        single: &["title", "link", "description", "name"],
        many: &[],
    },
    Shape { parent: "skiphours", is_atom: false, required: &["hour"], single: &[], many: &["hour"] },
    Shape { parent: "skipdays", is_atom: false, required: &["day"], single: &[], many: &["day"] },
    Shape { parent: "rss", is_atom: false, required: &["channel"], single: &["channel"], many: &[] },
    Shape {
        parent: "feed",
        is_atom: true,
        required: &["title", "id", "updated"],
        single: &["title", "id", "updated", "subtitle", "rights", "generator", "icon", "logo"],
        many: &["author", "contributor", "category", "link", "entry"],
    },
    Shape {
        parent: "entry",
        is_atom: true,
        required: &["title", "id", "updated"],
        single: &["title", "id", "updated", "published", "summary", "content", "rights", "source"],
        many: &["author", "contributor", "category", "link"],
    },
    Shape {
        parent: "source",
        is_atom: true,
        required: &["title", "id", "updated"],
        single: &["title", "id", "updated", "subtitle", "rights", "generator", "icon", "logo"],
        many: &["author", "contributor", "category", "link"],
    },
    Shape {
        parent: "author",
        is_atom: true,
        required: &["name"],
        single: &["name", "uri", "email"],
        many: &[],
    },
];

/// An open element.
struct Node {
    /// Lower case, without its prefix.
    local: String,
    /// As found.
    name: String,
    space: Space,
    children: Vec<String>,
    links: BTreeSet<String>,
    line: usize,
    text: String,
    has_tags: bool,
    media_type: String,
    rel_self: bool,
}

/// The state of the walk.
struct Walk<'a> {
    scanner: Scanner<'a>,
    lines: Lines<'a>,
    nodes: Vec<Node>,
    deep: usize,
    bindings: Vec<(&'a str, Option<Space>, usize)>,
    entities: Entities<'a>,
    ids: BTreeSet<String>,
    is_atom: bool,
    /// Atom 0.3 and RDF have other words, which this lint does not know.
    is_strict: bool,
    has_author: bool,
    findings: Vec<Finding>,
}

/// Everything wrong with elements, attributes and values.
pub(super) fn walk(text: &str) -> Vec<Finding> {
    let mut walk = Walk {
        scanner: Scanner::new(text),
        lines: Lines { text, offset: 0, line: 1 },
        nodes: Vec::new(),
        deep: 0,
        bindings: Vec::new(),
        entities: Entities::default(),
        ids: BTreeSet::new(),
        is_atom: false,
        is_strict: false,
        has_author: false,
        findings: Vec::new(),
    };
    let mut ignored = Faults::default();
    loop {
        let offset = walk.scanner.offset();
        let Some(token) = walk.scanner.next(&mut ignored) else { break };
        match token {
            Token::Start { name, attributes, empty } => walk.start(name, attributes, empty, offset),
            Token::End { name } => walk.end(name),
            Token::Text(raw) => walk.text(raw, false),
            Token::Cdata(raw) => walk.text(raw, true),
            Token::Doctype(inside) => walk.entities.declare(inside),
        }
    }
    while !walk.nodes.is_empty() {
        walk.close();
    }
    walk.findings
}

impl<'a> Walk<'a> {
    fn find(&mut self, line: usize, rule: Rule, element: &str, value: &str) {
        let value = value.chars().take(VALUE_LETTERS).collect();
        self.findings.push(Finding { line, rule, element: element.to_owned(), value });
    }

    fn text(&mut self, raw: &str, is_cdata: bool) {
        let Some(top) = self.nodes.last_mut() else { return };
        if is_cdata {
            top.text.push_str(raw);
        } else {
            self.entities.unescape_into(raw, &mut top.text, &mut Faults::default());
        }
    }

    fn space_of(&self, name: &str) -> Space {
        let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
        let bound = self.bindings.iter().rev().find(|(known, ..)| *known == prefix);
        match bound {
            Some((_, Some(space), _)) => *space,
            // A namespace nobody knows is nobody's error.
            Some((_, None, _)) => Space::Other,
            None if prefix.is_empty() => Space::Core,
            None => names::space_of_prefix(prefix),
        }
    }

    fn start(&mut self, name: &'a str, attributes: &'a str, empty: bool, offset: usize) {
        if self.deep > 0
            || self.nodes.len() >= MAX_DEPTH
            || self.nodes.last().is_some_and(|top| holds_text(top, self.is_atom))
        {
            if let Some(top) = self.nodes.last_mut() {
                top.has_tags = true;
                top.text.push('<');
                top.text.push_str(name);
                top.text.push('>');
            }
            self.deep += usize::from(!empty);
            return;
        }
        let all: Vec<(&str, &str)> = Attributes::new(attributes).collect();
        let depth = self.nodes.len() + 1;
        for (key, value) in &all {
            if let Some(rest) = key.strip_prefix("xmlns") {
                self.bindings.push((
                    rest.strip_prefix(':').unwrap_or(rest),
                    names::space_of_uri(value),
                    depth,
                ));
            }
        }
        let space = self.space_of(name);
        let local = name.rsplit_once(':').map_or(name, |(_, local)| local).to_ascii_lowercase();
        let line = self.lines.at(offset);
        self.note_child(&local, space, name, line);
        let mut node = Node {
            local,
            name: name.to_owned(),
            space,
            children: Vec::new(),
            links: BTreeSet::new(),
            line,
            text: String::new(),
            has_tags: false,
            media_type: String::new(),
            rel_self: false,
        };
        if self.nodes.is_empty() {
            self.root(&node, &all);
        }
        self.attributes(&mut node, &all);
        self.nodes.push(node);
        if empty {
            self.close();
        }
    }

    fn root(&mut self, node: &Node, attributes: &[(&str, &str)]) {
        let is_old = attributes.iter().any(|(key, value)| *key == "version" && *value == "0.3");
        self.is_atom = node.local == "feed" || node.local == "entry";
        self.is_strict = !is_old && matches!(node.local.as_str(), "rss" | "feed" | "entry");
        let has_namespace = self.bindings.iter().any(|(_, space, _)| *space == Some(Space::Core));
        if self.is_atom && !is_old && !has_namespace {
            self.find(node.line, Rule::MissingNamespace, &node.name, "");
        }
        if node.local == "rss" && !attributes.iter().any(|(key, _)| *key == "version") {
            self.find(node.line, Rule::MissingAttribute, "rss@version", "");
        }
    }

    fn shape(&self, parent: &Node) -> Option<&'static Shape> {
        let is_person = self.is_atom && parent.local == "contributor";
        let local = if is_person { "author" } else { parent.local.as_str() };
        (parent.space == Space::Core && self.is_strict)
            .then(|| SHAPES.iter().find(|shape| shape.parent == local && shape.is_atom == self.is_atom))
            .flatten()
    }

    /// Holds a new element against what may stand in the one around it.
    fn note_child(&mut self, local: &str, space: Space, name: &str, line: usize) {
        let Some(parent) = self.nodes.last() else { return };
        let shape = self.shape(parent);
        let key = if space == Space::Core && !name.contains(':') {
            local.to_owned()
        } else {
            name.to_ascii_lowercase()
        };
        let is_twice = parent.children.contains(&key);
        let is_core = space == Space::Core && (!name.contains(':') || self.is_atom);
        if let Some(shape) = shape.filter(|_| is_core) {
            let key = local;
            if !shape.single.contains(&key) && !shape.many.contains(&key) {
                self.find(line, Rule::UndefinedElement, name, "");
            } else if is_twice && shape.single.contains(&key) {
                self.find(line, Rule::DuplicateElement, name, "");
            }
        } else if is_twice
            && matches!(space, Space::Syndication | Space::Itunes | Space::Content)
            && !matches!(local, "category" | "link")
        {
            self.find(line, Rule::DuplicateElement, name, "");
        }
        if let Some(parent) = self.nodes.last_mut() {
            parent.children.push(key);
        }
    }

    /// Attributes the format demands, and their values.
    fn attributes(&mut self, node: &mut Node, all: &[(&str, &str)]) {
        let of = |wanted: &str| {
            all.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
        };
        node.media_type = of("type").unwrap_or_default().trim().to_ascii_lowercase();
        let line = node.line;
        if let Some(language) = of("xml:lang")
            .or_else(|| of("hreflang"))
            .filter(|language| !language.is_empty() && !values::is_language(language))
        {
            self.find(line, Rule::InvalidLanguage, &format!("{}@xml:lang", node.name), language);
        }
        let required: &[&str] = match (node.space, node.local.as_str(), self.is_atom) {
            (Space::Core, "enclosure", false) => &["url", "length", "type"],
            (Space::Core, "source", false) => &["url"],
            (Space::Core, "cloud", false) => &["domain", "port", "path", "registerProcedure", "protocol"],
            (Space::Core, "link", true) => &["href"],
            (Space::Core, "category", true) => &["term"],
            _ => &[],
        };
        for key in required {
            match of(key) {
                None => self.find(line, Rule::MissingAttribute, &format!("{}@{key}", node.name), ""),
                Some(value) if value.trim().is_empty() && *key != "href" => {
                    self.find(line, Rule::Blank, &format!("{}@{key}", node.name), value);
                }
                Some(_) => {}
            }
        }
        if node.space != Space::Core {
            return;
        }
        if let Some(length) = of("length").filter(|length| length.parse::<u64>().is_err()) {
            self.find(line, Rule::InvalidNumber, &format!("{}@length", node.name), length);
        }
        for key in ["href", "url", "uri", "scheme", "src"] {
            let is_link = key != "scheme" || self.is_atom;
            if let Some(link) = of(key).filter(|link| {
                is_link && !values::is_reference(&self.entities.unescape(link, &mut Faults::default()))
            }) {
                self.find(line, Rule::InvalidLink, &format!("{}@{key}", node.name), link);
            }
        }
        self.link_and_type(node, all);
    }

    fn link_and_type(&mut self, node: &Node, all: &[(&str, &str)]) {
        let of = |wanted: &str| {
            all.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
        };
        let line = node.line;
        let is_text = matches!(node.local.as_str(), "title" | "summary" | "subtitle" | "rights");
        let wrong_type = of("type").is_some_and(|given| match node.local.as_str() {
            "enclosure" | "link" => !values::is_media_type(given),
            _ if is_text && self.is_atom => !matches!(given, "text" | "html" | "xhtml"),
            "content" if self.is_atom => {
                !matches!(given, "text" | "html" | "xhtml") && !values::is_media_type(given)
            }
            _ => false,
        });
        if wrong_type && self.is_strict {
            self.find(
                line,
                Rule::InvalidMediaType,
                &format!("{}@type", node.name),
                of("type").unwrap_or_default(),
            );
        }
        if node.local != "link" || !self.is_atom {
            return;
        }
        if of("rel").is_some_and(|rel| rel.trim().is_empty()) {
            self.find(line, Rule::Blank, &format!("{}@rel", node.name), "");
        }
        let rel = of("rel").unwrap_or("alternate").to_ascii_lowercase();
        let key = format!("{rel} {} {}", of("type").unwrap_or_default(), of("hreflang").unwrap_or_default());
        let Some(parent) = self.nodes.last_mut() else { return };
        parent.rel_self |= rel == "self";
        if rel == "alternate" && !parent.links.insert(key) {
            self.find(line, Rule::DuplicateLink, &node.name, of("href").unwrap_or_default());
        }
    }

    fn end(&mut self, name: &str) {
        let is_top = self.nodes.last().is_some_and(|top| top.name == name);
        let found = self.nodes.iter().rposition(|node| node.name == name);
        match found {
            // Inside text only its own end tag counts, and those of the item and the feed.
            Some(found)
                if is_top
                    || self.deep == 0
                    || matches!(self.nodes[found].local.as_str(), "item" | "entry") =>
            {
                while self.nodes.len() > found {
                    self.close();
                }
            }
            Some(_) | None => self.deep = self.deep.saturating_sub(1),
        }
    }

    /// Judges an element that is whole.
    fn close(&mut self) {
        let Some(node) = self.nodes.pop() else { return };
        self.deep = 0;
        let depth = self.nodes.len();
        self.bindings.retain(|(.., at)| *at <= depth);
        if let Some(shape) = self.shape(&node) {
            self.required(&node, shape);
        }
        self.value(&node);
    }

    fn required(&mut self, node: &Node, shape: &Shape) {
        let has = |key: &str| {
            node.children.iter().any(|child| child == key || child.rsplit(':').next() == Some(key))
        };
        for key in shape.required.iter().filter(|key| !has(key)) {
            self.find(node.line, Rule::MissingElement, key, "");
        }
        if shape.parent == "item" && !has("title") && !has("description") {
            self.find(node.line, Rule::MissingElement, "title", "");
        }
        if shape.parent == "item" && !has("guid") {
            self.find(node.line, Rule::MissingGuid, &node.name, "");
        }
        if shape.parent == "feed" && !node.rel_self {
            self.find(node.line, Rule::MissingSelfLink, &node.name, "");
        }
        if shape.parent == "feed" && has("author") {
            self.has_author = true;
        }
        let feed_has_author =
            self.nodes.first().is_some_and(|root| root.children.iter().any(|child| child == "author"));
        if shape.parent == "entry" && !has("author") && !has("source") && !feed_has_author {
            self.find(node.line, Rule::MissingElement, "author", "");
        }
        if shape.parent == "entry" && !has("content") && node.links.is_empty() {
            self.find(node.line, Rule::MissingElement, "link", "");
        }
    }

    /// Judges what an element says.
    fn value(&mut self, node: &Node) {
        let text = node.text.trim();
        let parent = self.nodes.last().map_or("", |parent| parent.local.as_str()).to_owned();
        let rule = match (node.space, node.local.as_str()) {
            (Space::Core, _) if self.is_atom && self.is_strict => self.atom_value(node, text, &parent),
            (Space::Core, _) if self.is_strict && !node.name.contains(':') => {
                self.rss_value(node, text, &parent)
            }
            (Space::Dc, "date") => (!values::is_w3cdtf(text)).then_some(Rule::InvalidDate),
            (Space::Dc, "language") => (!values::is_language(text)).then_some(Rule::InvalidLanguage),
            (Space::Syndication, "updatefrequency") => {
                text.parse::<u32>().map_or(true, |times| times == 0).then_some(Rule::InvalidNumber)
            }
            (Space::Syndication, "updateperiod") => (!["hourly", "daily", "weekly", "monthly", "yearly"]
                .contains(&text))
            .then_some(Rule::InvalidValue),
            (Space::Content | Space::Xhtml, "encoded" | "body") => {
                values::has_script(text).then_some(Rule::Script)
            }
            _ => None,
        };
        if let Some(rule) = rule {
            self.find(node.line, rule, &node.name, text);
        }
    }

    fn rss_value(&mut self, node: &Node, text: &str, parent: &str) -> Option<Rule> {
        let when = |wrong: bool, rule: Rule| wrong.then_some(rule);
        match node.local.as_str() {
            "title" if parent == "channel" || parent == "image" || parent == "textinput" => {
                when(text.is_empty(), Rule::Blank)
                    .or_else(|| when(values::has_markup(text), Rule::ContainsHtml))
            }
            "title" | "name" | "category" | "generator" | "copyright" if parent != "rss" => {
                when(values::has_markup(text), Rule::ContainsHtml)
            }
            "link" | "url" | "docs" | "comments" => when(!values::is_absolute(text), Rule::InvalidLink),
            "pubdate" | "lastbuilddate" => when(!values::is_rfc822(text), Rule::InvalidDate),
            "author" | "managingeditor" | "webmaster" => {
                let address = text.split([' ', '(']).next().unwrap_or_default();
                when(!values::is_email(address), Rule::InvalidEmail)
            }
            "ttl" => when(!text.parse::<u32>().is_ok_and(|minutes| minutes > 0), Rule::InvalidNumber),
            "hour" => self.listed(text, text.parse::<u8>().is_ok_and(|hour| hour < 24), "hour"),
            "day" => {
                let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
                self.listed(text, days.contains(&text), "day")
            }
            "width" => when(
                !text.parse::<u32>().is_ok_and(|pixels| (1..=144).contains(&pixels)),
                Rule::InvalidNumber,
            ),
            "height" => when(
                !text.parse::<u32>().is_ok_and(|pixels| (1..=400).contains(&pixels)),
                Rule::InvalidNumber,
            ),
            "language" => when(!values::is_language(text), Rule::InvalidLanguage),
            "guid" => when(text.is_empty(), Rule::Blank)
                .or_else(|| when(!self.ids.insert(format!("guid {text}")), Rule::DuplicateId)),
            "description" => when(values::has_script(text), Rule::Script),
            _ => None,
        }
    }

    /// One value of a list that may hold each once.
    fn listed(&mut self, text: &str, is_valid: bool, kind: &str) -> Option<Rule> {
        if !is_valid {
            return Some(Rule::InvalidValue);
        }
        (!self.ids.insert(format!("{kind} {text}"))).then_some(Rule::DuplicateElement)
    }

    fn atom_value(&mut self, node: &Node, text: &str, parent: &str) -> Option<Rule> {
        let when = |wrong: bool, rule: Rule| wrong.then_some(rule);
        let spaced = node.text.len() != text.len();
        match node.local.as_str() {
            "id" => when(text.is_empty(), Rule::Blank)
                .or_else(|| when(spaced, Rule::UnexpectedSpace))
                .or_else(|| when(values::id_of_known_scheme(text) == Some(false), Rule::InvalidId))
                .or_else(|| when(!values::is_absolute(text), Rule::InvalidLink))
                .or_else(|| {
                    when(parent == "entry" && !self.ids.insert(format!("id {text}")), Rule::DuplicateId)
                }),
            "updated" | "published" => when(!values::is_rfc3339(text), Rule::InvalidDate)
                .or_else(|| when(spaced, Rule::UnexpectedSpace)),
            "name" => when(text.is_empty(), Rule::Blank)
                .or_else(|| when(values::has_markup(text), Rule::ContainsHtml)),
            "email" => when(!values::is_email(text), Rule::InvalidEmail),
            "uri" | "icon" | "logo" => when(!values::is_reference(text), Rule::InvalidLink)
                .or_else(|| when(spaced, Rule::UnexpectedSpace)),
            "title" | "subtitle" | "rights" | "summary" | "content" => {
                let is_plain = matches!(node.media_type.as_str(), "" | "text");
                let is_xhtml = node.media_type == "xhtml";
                when(node.local == "title" && text.is_empty(), Rule::Blank)
                    .or_else(|| when(is_xhtml && !node.has_tags, Rule::MissingDiv))
                    .or_else(|| when(is_plain && values::has_markup(text), Rule::ContainsHtml))
                    .or_else(|| when(values::has_script(text), Rule::Script))
            }
            _ => None,
        }
    }
}

/// Elements whose inside is text, tags or not.
fn holds_text(node: &Node, is_atom: bool) -> bool {
    match (node.space, node.local.as_str()) {
        (
            Space::Core,
            "title" | "description" | "summary" | "subtitle" | "content" | "rights" | "tagline" | "info"
            | "copyright",
        ) => !is_atom || node.local != "description",
        (Space::Content | Space::Xhtml, _) => true,
        _ => false,
    }
}
