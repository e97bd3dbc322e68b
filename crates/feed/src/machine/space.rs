//! Attributes and namespaces of the tag at hand.

use std::borrow::Cow;

use super::Machine;
use crate::fault::Fault;
use crate::names::{self, Element, Space};
use crate::scan::Attributes;

/// Longer names mean nothing to a feed.
const MAX_NAME_BYTES: usize = 40;
/// Up to here attributes are compared in pairs; beyond, they are sorted.
const FEW_ATTRIBUTES: usize = 12;

/// `xmlns:prefix="..."`, in force inside the element that has it.
#[derive(Debug)]
pub(super) struct Binding<'a> {
    prefix: &'a str,
    /// `None`: a namespace nobody here knows, so the prefix says what it usually says.
    space: Option<Space>,
    /// Number of open elements with its own.
    pub(super) depth: usize,
}

impl Binding<'_> {
    /// A namespace of feeds, in force without a prefix.
    pub(super) fn is_feed(&self) -> bool {
        self.prefix.is_empty() && self.space == Some(Space::Core)
    }
}

impl<'a> Machine<'a, '_> {
    /// Reads the attributes of a start tag and puts its namespaces in force.
    pub(super) fn read_attributes(&mut self, raw: &'a str) {
        self.attributes.clear();
        if raw.is_empty() {
            return;
        }
        self.attributes.extend(Attributes::new(raw));
        let depth = self.frames.len() + 1;
        for (name, value) in &self.attributes {
            let prefix = match name.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) => match rest.strip_prefix(':') {
                    Some(prefix) => prefix,
                    None => continue,
                },
                None => continue,
            };
            self.bindings.push(Binding { prefix, space: names::space_of_uri(value), depth });
        }
        self.count_attribute_faults(raw);
    }

    fn count_attribute_faults(&mut self, raw: &'a str) {
        let names = self.attributes.iter().map(|(name, _)| *name);
        let doubled = if self.attributes.len() <= FEW_ATTRIBUTES {
            let all = &self.attributes;
            (1..all.len()).filter(|at| all[..*at].iter().any(|(name, _)| *name == all[*at].0)).count()
        } else {
            let mut sorted: Vec<_> = names.collect();
            sorted.sort_unstable();
            sorted.windows(2).filter(|pair| pair[0] == pair[1]).count()
        };
        self.faults.add(Fault::DuplicateAttribute, doubled as u64);
        if memchr::memchr(b'&', raw.as_bytes()).is_some() {
            for at in 0..self.attributes.len() {
                self.entities.check(self.attributes[at].1, &mut self.faults);
            }
        }
        for (name, _) in &self.attributes {
            if let Some((prefix, _)) = name.split_once(':')
                && prefix != "xml"
                && prefix != "xmlns"
                && !self.bindings.iter().any(|binding| binding.prefix == prefix)
            {
                self.faults.note(Fault::UndeclaredPrefix);
            }
        }
    }

    /// The value of an attribute of the tag at hand; names in lower case.
    pub(super) fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        let (_, raw) = self.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(self.value(raw))
    }

    /// The value of an attribute with any prefix (`rdf:about`), or with none.
    pub(super) fn prefixed_attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        let is_it = |known: &str| {
            known.rsplit_once(':').map_or(known, |(_, local)| local).eq_ignore_ascii_case(name)
                && !known.starts_with("xmlns")
        };
        let (_, raw) = self.attributes.iter().find(|(known, _)| is_it(known))?;
        Some(self.value(raw))
    }

    fn value(&self, raw: &'a str) -> Cow<'a, str> {
        // The faults were counted when the attributes were read.
        self.entities.unescape(raw, &mut crate::fault::Faults::default())
    }

    /// What an element is, by its name and the namespaces in force.
    pub(super) fn resolve_element(&mut self, name: &str) -> Element {
        let (space, local) = self.space_and_local(name);
        if local.len() > MAX_NAME_BYTES {
            return Element::Other;
        }
        let mut lower = [0_u8; MAX_NAME_BYTES];
        let lower = &mut lower[..local.len()];
        lower.copy_from_slice(local.as_bytes());
        lower.make_ascii_lowercase();
        let Ok(local) = std::str::from_utf8(lower) else { return Element::Other };
        let element = names::element(space, local);
        // Sitemaps without their namespace.
        match (self.frames.last().map(|top| top.element), local) {
            (Some(Element::UrlSet), "url") | (Some(Element::SitemapIndex), "sitemap") => Element::Item,
            (Some(Element::Item), "loc") => Element::Loc,
            (Some(Element::Item), "lastmod") => Element::Updated,
            _ => element,
        }
    }

    /// The vocabulary of a name, and the name without its prefix.
    pub(super) fn space_and_local<'n>(&mut self, name: &'n str) -> (Space, &'n str) {
        let Some(colon) = memchr::memchr(b':', name.as_bytes()) else {
            return (self.default_space(), name);
        };
        let (prefix, local) = (&name[..colon], &name[colon + 1..]);
        match self.bindings.iter().rev().find(|binding| binding.prefix == prefix) {
            Some(Binding { space: Some(space), .. }) => (*space, local),
            Some(_) => (names::space_of_prefix(prefix), local),
            None => {
                if prefix != "xml" {
                    self.faults.note(Fault::UndeclaredPrefix);
                }
                (names::space_of_prefix(prefix), local)
            }
        }
    }

    fn default_space(&self) -> Space {
        let bound = self.bindings.iter().rev().find(|binding| binding.prefix.is_empty());
        bound.and_then(|binding| binding.space).unwrap_or(Space::Core)
    }
}
