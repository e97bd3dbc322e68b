//! Tags written back as text.

use memchr::memchr;

use crate::scan::Attributes;

/// Appends a start tag as found, without its prefix and without namespaces.
pub(super) fn push_start(local: &str, attributes: &str, empty: bool, out: &mut String) {
    out.push('<');
    out.push_str(local);
    let attributes = attributes.trim();
    if !attributes.contains("xmlns") {
        if !attributes.is_empty() {
            out.push(' ');
            out.push_str(attributes);
        }
    } else {
        for (name, value) in Attributes::new(attributes) {
            if name.starts_with("xmlns") {
                continue;
            }
            let quote = if value.contains('"') { '\'' } else { '"' };
            out.push(' ');
            out.push_str(name);
            out.push('=');
            out.push(quote);
            out.push_str(value);
            out.push(quote);
        }
    }
    out.push_str(if empty { " />" } else { ">" });
}

/// Appends an end tag.
pub(super) fn push_end(local: &str, out: &mut String) {
    out.push_str("</");
    out.push_str(local);
    out.push('>');
}

/// The inside of the one `div` around XHTML text, which Atom requires and nobody wrote; anything else unchanged.
pub(super) fn without_div(text: &str) -> &str {
    let text = text.trim();
    let is_div = text.starts_with("<div>") || text.starts_with("<div ");
    if !is_div || !text.ends_with("</div>") {
        return text;
    }
    let Some(open_end) = memchr(b'>', text.as_bytes()) else { return text };
    if text.as_bytes()[open_end - 1] == b'/' {
        return text;
    }
    let close = text.len() - "</div>".len();
    let inside = text.get(open_end + 1..close).unwrap_or_default();
    let mut depth = 0_u64;
    let mut rest = inside;
    while let Some(found) = memchr(b'<', rest.as_bytes()) {
        rest = &rest[found..];
        let end = memchr(b'>', rest.as_bytes()).unwrap_or(rest.len() - 1);
        let tag = &rest[..=end];
        if tag.starts_with("</div") {
            // The first `div` ends before the last: they stand side by side.
            let Some(less) = depth.checked_sub(1) else { return text };
            depth = less;
        } else if tag.starts_with("<div") && !tag.ends_with("/>") {
            depth += 1;
        }
        rest = &rest[end + 1..];
    }
    if depth == 0 { inside } else { text }
}
