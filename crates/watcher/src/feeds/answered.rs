//! A response as the engine is told of it: its headers, and the document in its body, whole or as far as it came.

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use memchr::memmem;

use super::engine::{Answer, Came};
use super::fetch::{self, Broke, Response};
use super::read;
use super::reading::Content;

/// A response that is still to be read, which may take a while.
pub(super) struct Unread {
    came: Came,
    body: Bytes,
    media: Option<String>,
    broke: Option<Broke>,
    brings_document: bool,
}

impl Unread {
    /// Of a response that came at that time.
    pub(super) fn new(response: Response, now_ms: i64) -> Self {
        let media = response.headers.get(CONTENT_TYPE);
        Self {
            came: fetch::came(&response, now_ms),
            media: media.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            brings_document: fetch::brings_document(response.status),
            body: response.body,
            broke: response.broke,
        }
    }

    /// Whether reading it takes so long that others should not wait.
    pub(super) fn is_large(&self) -> bool {
        self.body.len() > 128 << 10
    }

    /// The answer, and why it has no document or not all of it. `base` is the feed's configured address; `last_hash` that of its last document.
    ///
    /// A body that broke off is a feed as far as it came, if one can be read in it; what is complete in it is good. Else it is a failure.
    pub(super) fn read(self, base: &str, last_hash: u64) -> (Answer, Option<String>) {
        let Self { mut came, body, media, broke, brings_document } = self;
        if !brings_document {
            return (Answer::Came(came), None);
        }
        let mut content = read::read(&body, media.as_deref(), base, last_hash);
        if let Content::NotAFeed { detail, .. } = &mut content {
            detail.push_str(beside(&body, !came.cookies.is_empty()));
        }
        let Some(broke) = broke else {
            came.content = Some(content);
            return (Answer::Came(came), None);
        };
        match &mut content {
            Content::Feed { reading, .. } if !reading.items.is_empty() || reading.index.is_some() => {
                came.is_cut = true;
                came.content = Some(content);
                (Answer::Came(came), Some(broke.detail))
            }
            // Of a document that was never whole nobody knows the hash; and what cannot be read is no document.
            Content::Feed { .. } | Content::Same | Content::NotAFeed { .. } => {
                (Answer::Failed(broke.failure), Some(broke.detail))
            }
        }
    }
}

/// What else tells why a page came instead of a feed.
fn beside(body: &[u8], sets_cookie: bool) -> &'static str {
    const HEAD: usize = 4 << 10;
    let head = body[..body.len().min(HEAD)].to_ascii_lowercase();
    if memmem::find(&head, b"http-equiv").is_some() && memmem::find(&head, b"refresh").is_some() {
        return "; the page sends browsers elsewhere (meta refresh), which is not followed: give the address it names";
    }
    if sets_cookie {
        return "; it sets a cookie: it may show the feed only to who brings that back, and no cookie outlives a redirect here";
    }
    ""
}
