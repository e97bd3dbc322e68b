//! Resolving references (RFC 3986, 5.2) on text, because links are kept as found: nothing is escaped, lower-cased or completed, which
//! is what URL libraries do, and an absolute link comes out as it went in. Spaces and letters of any script may stand in a link.

/// The parts of a reference, all borrowed; `query` and `fragment` with their marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: &'a str,
    fragment: &'a str,
}

/// The scheme of an absolute reference.
pub(crate) fn scheme(reference: &str) -> Option<&str> {
    let colon = memchr::memchr3(b':', b'/', b'?', reference.as_bytes())?;
    let name = reference.get(..colon)?;
    let is_name = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    (is_name && reference.as_bytes()[colon] == b':').then_some(name)
}

fn split(reference: &str) -> Parts<'_> {
    let scheme = scheme(reference);
    let rest = scheme.map_or(reference, |scheme| &reference[scheme.len() + 1..]);
    let (rest, fragment) = rest.split_at(memchr::memchr(b'#', rest.as_bytes()).unwrap_or(rest.len()));
    let (rest, query) = rest.split_at(memchr::memchr(b'?', rest.as_bytes()).unwrap_or(rest.len()));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (Some(authority), path)
        }
        None => (None, rest),
    };
    Parts { scheme, authority, path, query, fragment }
}

/// `reference` seen from `base`; unchanged when it is absolute or the base is none.
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    let reference = reference.trim();
    if base.is_empty() || scheme(reference).is_some() {
        return reference.to_owned();
    }
    if reference.is_empty() {
        return base.to_owned();
    }
    let (base, there) = (split(base.trim()), split(reference));
    // A base such as `mailto:` or `urn:` has no places beside it.
    let is_hierarchical = base.authority.is_some() || base.path.starts_with('/') || base.scheme.is_none();
    if !is_hierarchical {
        return reference.to_owned();
    }
    let authority = there.authority.or(base.authority);
    let (path, query) = if there.authority.is_some() {
        (without_dots(there.path), there.query)
    } else if there.path.is_empty() {
        let query = if there.query.is_empty() { base.query } else { there.query };
        (base.path.to_owned(), query)
    } else if there.path.starts_with('/') {
        (without_dots(there.path), there.query)
    } else {
        (without_dots(&merged(&base, there.path)), there.query)
    };
    let mut out = String::with_capacity(path.len() + reference.len() + 32);
    if let Some(scheme) = base.scheme {
        out.push_str(scheme);
        out.push(':');
    }
    if let Some(authority) = authority {
        out.push_str("//");
        out.push_str(authority);
    }
    out.push_str(&path);
    out.push_str(query);
    out.push_str(there.fragment);
    out
}

fn merged(base: &Parts<'_>, path: &str) -> String {
    if base.authority.is_some() && base.path.is_empty() {
        return format!("/{path}");
    }
    let folder = base.path.rfind('/').map_or("", |slash| &base.path[..=slash]);
    format!("{folder}{path}")
}

/// Takes `.` and `..` out of a path.
fn without_dots(path: &str) -> String {
    if !path.contains("/.") && !path.starts_with('.') {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." && kept.len() > 1 {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    kept.join("/")
}

/// True for a base that places can be resolved against without surprises: a web or file address, never a script.
pub(crate) fn is_safe_base(base: &str) -> bool {
    scheme(base).is_none_or(|scheme| {
        ["http", "https", "ftp", "ftps", "file", "feed", "news", "rtsp", "sftp", "gopher"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        let base = "http://a/b/c/d;p?q";
        for (reference, expected) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
        ] {
            assert_eq!(resolve(base, reference), expected, "{reference}");
        }
    }

    #[test]
    fn links_stay_as_found() {
        assert_eq!(resolve("", " a b "), "a b");
        assert_eq!(resolve("http://a.example", "خبر/1"), "http://a.example/خبر/1");
        assert_eq!(resolve("http://a.example/x", "HTTP://B.example"), "HTTP://B.example");
        assert_eq!(resolve("urn:uuid:1", "x"), "x");
        assert!(!is_safe_base("javascript:alert(1)"));
    }
}
