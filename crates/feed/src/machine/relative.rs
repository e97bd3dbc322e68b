//! Relative links inside HTML text, made absolute: once an entry has left its feed, nobody knows the base any more. Nothing else in the
//! text is touched, and text whose links are absolute is not copied.

use std::borrow::Cow;

use crate::fault::Faults;
use crate::scan::{Attributes, Scanner, Token};
use crate::url;

/// Attributes that hold a link, with the elements they do so on; none named means every element.
const LINKS: [(&str, &[&str]); 11] = [
    ("href", &[]),
    ("src", &[]),
    ("cite", &["blockquote", "del", "ins", "q"]),
    ("poster", &["video"]),
    ("action", &["form"]),
    ("background", &["body"]),
    ("longdesc", &["img", "frame", "iframe"]),
    ("usemap", &["img", "input", "object"]),
    ("data", &["object"]),
    ("codebase", &["applet", "object"]),
    ("profile", &["head"]),
];

fn is_link(element: &str, attribute: &str) -> bool {
    LINKS.iter().any(|(name, elements)| {
        name.eq_ignore_ascii_case(attribute)
            && (elements.is_empty() || elements.iter().any(|known| known.eq_ignore_ascii_case(element)))
    })
}

/// The text with its relative links seen from `base`.
pub(super) fn resolved<'t>(text: &'t str, base: &str) -> Cow<'t, str> {
    if base.is_empty() || memchr::memchr(b'<', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut done = 0;
    // Faults inside HTML are the author's style, not the feed's.
    let mut ignored = Faults::default();
    let mut scanner = Scanner::new(text);
    while let Some(token) = scanner.next(&mut ignored) {
        let Token::Start { name, attributes, .. } = token else { continue };
        for (attribute, value) in Attributes::new(attributes) {
            if !is_link(name, attribute)
                || value.is_empty()
                || (url::scheme(value).is_some() && value.trim() == value)
            {
                continue;
            }
            // The value is a part of the text; how far in, its place in memory says.
            let start = (value.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
            let Some(start) = start.filter(|start| *start >= done && start + value.len() <= text.len())
            else {
                continue;
            };
            out.push_str(text.get(done..start).unwrap_or_default());
            out.push_str(&url::resolve(base, value));
            done = start + value.len();
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_links_change() {
        let base = "http://a.example/b/c";
        let text = r#"<a href="d">x</a> <img src=" /e.png " alt="f"><a href='https://g.example/h'>y</a> <q cite="i">z</q> <p cite="j">1 < 2"#;
        let expected = r#"<a href="http://a.example/b/d">x</a> <img src="http://a.example/e.png" alt="f"><a href='https://g.example/h'>y</a> <q cite="http://a.example/b/i">z</q> <p cite="j">1 < 2"#;
        assert_eq!(resolved(text, base), expected);
        assert!(matches!(resolved(r#"<a href="http://x.example/">"#, base), Cow::Borrowed(_)));
        assert!(matches!(resolved(text, ""), Cow::Borrowed(_)));
        assert_eq!(resolved("<a href>x</a> <a href=\"\">y</a>", base), "<a href>x</a> <a href=\"\">y</a>");
    }
}
