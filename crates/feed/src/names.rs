//! Names of elements: which namespace a prefix means, and what an element is called in every format.

/// The vocabularies this parser knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// RSS, Atom, RDF's RSS, CDF: they share their words, and feeds mix them.
    Core,
    Rdf,
    Dc,
    DcTerms,
    Content,
    Itunes,
    Media,
    Syndication,
    Sitemap,
    News,
    Xhtml,
    Feedburner,
    CreativeCommons,
    Cc,
    /// Known or not, it says nothing this parser keeps.
    Other,
}

/// The vocabulary of a namespace name, if it is known.
pub(crate) fn space_of_uri(uri: &str) -> Option<Space> {
    let mut lower = uri.trim().to_ascii_lowercase();
    if lower.contains("backend.userland.com/rss") {
        return Some(Space::Core);
    }
    if lower.ends_with('/') || lower.ends_with('#') {
        lower.pop();
    }
    Some(match lower.as_str() {
        "http://www.w3.org/2005/atom"
        | "http://purl.org/atom/ns"
        | "http://purl.org/rss/1.0"
        | "http://my.netscape.com/rdf/simple/0.9"
        | "http://my.netscape.com/publish/formats/rss-0.91.dtd"
        | "http://channel.netscape.com/rdf/simple/0.9"
        | "http://blogs.law.harvard.edu/tech/rss"
        | "http://cyber.law.harvard.edu/rss/rss.html"
        | "http://purl.org/rss/1.0/modules/rss091"
        | "http://purl.org/net/rss1.1"
        | "http://example.com/newformat"
        | "http://example.com/necho"
        | "http://purl.org/echo"
        | "uri/of/echo/namespace"
        | "http://purl.org/pie" => Space::Core,
        "http://www.w3.org/1999/02/22-rdf-syntax-ns" => Space::Rdf,
        "http://purl.org/dc/elements/1.1" | "http://purl.org/dc/elements/1.0" | "http://purl.org/dc" => {
            Space::Dc
        }
        "http://purl.org/dc/terms" => Space::DcTerms,
        "http://purl.org/rss/1.0/modules/content" => Space::Content,
        "http://www.itunes.com/dtds/podcast-1.0.dtd" | "http://example.com/dtds/podcast-1.0.dtd" => {
            Space::Itunes
        }
        "http://search.yahoo.com/mrss" => Space::Media,
        "http://purl.org/rss/1.0/modules/syndication" => Space::Syndication,
        "http://www.sitemaps.org/schemas/sitemap/0.9" | "http://www.google.com/schemas/sitemap/0.84" => {
            Space::Sitemap
        }
        "http://www.google.com/schemas/sitemap-news/0.9" => Space::News,
        "http://www.w3.org/1999/xhtml" => Space::Xhtml,
        "http://rssnamespace.org/feedburner/ext/1.0" => Space::Feedburner,
        "http://cyber.law.harvard.edu/rss/creativecommonsrssmodule.html"
        | "http://backend.userland.com/creativecommonsrssmodule" => Space::CreativeCommons,
        "http://web.resource.org/cc" | "http://creativecommons.org/ns" => Space::Cc,
        _ => return None,
    })
}

/// The vocabulary a prefix means where nobody has said: feeds forget the declaration and keep the custom.
pub(crate) fn space_of_prefix(prefix: &str) -> Space {
    match prefix.to_ascii_lowercase().as_str() {
        "atom" | "atom10" | "atom03" | "a10" | "rss" => Space::Core,
        "rdf" => Space::Rdf,
        "dc" => Space::Dc,
        "dcterms" => Space::DcTerms,
        "content" => Space::Content,
        "itunes" => Space::Itunes,
        "media" => Space::Media,
        "sy" => Space::Syndication,
        "sitemap" => Space::Sitemap,
        "news" => Space::News,
        "xhtml" => Space::Xhtml,
        "feedburner" => Space::Feedburner,
        "creativecommons" => Space::CreativeCommons,
        "cc" => Space::Cc,
        _ => Space::Other,
    }
}

/// What an element is, whatever its format calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Rss,
    Rdf,
    AtomFeed,
    Channel,
    Item,
    UrlSet,
    SitemapIndex,
    Title,
    MediaTitle,
    Link,
    Guid,
    Description,
    Abstract,
    Summary,
    Subtitle,
    Content,
    ContentEncoded,
    Body,
    Author,
    Contributor,
    DcContributor,
    Owner,
    Publisher,
    DcPublisher,
    Name,
    Email,
    Uri,
    Published,
    Updated,
    Created,
    Category,
    Keywords,
    ItunesCategory,
    Language,
    Rights,
    Source,
    Image,
    ItunesImage,
    TextInput,
    Enclosure,
    MediaContent,
    MediaThumbnail,
    Generator,
    Comments,
    Icon,
    Logo,
    Ttl,
    SkipHours,
    SkipDays,
    Hour,
    Day,
    SyPeriod,
    SyFrequency,
    SyBase,
    CcLicense,
    License,
    Loc,
    SchemaPublication,
    Html,
    Other,
}

/// What `local` (lower case) means in a vocabulary.
pub(crate) fn element(space: Space, local: &str) -> Element {
    match space {
        Space::Core => core_element(local),
        Space::Rdf => match local {
            "rdf" => Element::Rdf,
            _ => Element::Other,
        },
        Space::Dc => dc_element(local),
        Space::DcTerms => match local {
            "created" => Element::Created,
            "issued" => Element::Published,
            "modified" => Element::Updated,
            _ => Element::Other,
        },
        Space::Content => match local {
            "encoded" => Element::ContentEncoded,
            _ => Element::Other,
        },
        Space::Itunes => itunes_element(local),
        Space::Media => match local {
            "title" => Element::MediaTitle,
            "description" => Element::Description,
            "keywords" => Element::Keywords,
            "category" => Element::Category,
            "content" => Element::MediaContent,
            "thumbnail" => Element::MediaThumbnail,
            _ => Element::Other,
        },
        Space::Syndication => match local {
            "updateperiod" => Element::SyPeriod,
            "updatefrequency" => Element::SyFrequency,
            "updatebase" => Element::SyBase,
            _ => Element::Other,
        },
        Space::Sitemap => match local {
            "urlset" => Element::UrlSet,
            "sitemapindex" => Element::SitemapIndex,
            "url" | "sitemap" => Element::Item,
            "loc" => Element::Loc,
            "lastmod" => Element::Updated,
            _ => Element::Other,
        },
        Space::News => match local {
            "title" => Element::Title,
            "publication_date" => Element::Published,
            "keywords" => Element::Keywords,
            "name" => Element::SchemaPublication,
            "language" => Element::Language,
            _ => Element::Other,
        },
        Space::Xhtml => match local {
            "body" => Element::Body,
            "html" => Element::Html,
            _ => Element::Other,
        },
        Space::Feedburner => Element::Other,
        Space::CreativeCommons | Space::Cc => match (space, local) {
            (Space::Cc, "license") => Element::CcLicense,
            (_, "license") => Element::License,
            _ => Element::Other,
        },
        Space::Other => Element::Other,
    }
}

fn core_element(local: &str) -> Element {
    match local {
        "item" | "entry" => Element::Item,
        "title" => Element::Title,
        "link" => Element::Link,
        "description" => Element::Description,
        "pubdate" | "published" | "issued" => Element::Published,
        "guid" | "id" => Element::Guid,
        "category" => Element::Category,
        "author" | "managingeditor" => Element::Author,
        "updated" | "modified" | "lastbuilddate" => Element::Updated,
        "summary" => Element::Summary,
        "content" => Element::Content,
        "name" => Element::Name,
        "email" => Element::Email,
        "uri" | "url" | "homepage" => Element::Uri,
        "enclosure" => Element::Enclosure,
        "comments" => Element::Comments,
        "source" => Element::Source,
        "rss" => Element::Rss,
        "rdf" => Element::Rdf,
        "feed" => Element::AtomFeed,
        "channel" => Element::Channel,
        "image" => Element::Image,
        "textinput" => Element::TextInput,
        "contributor" => Element::Contributor,
        "subtitle" | "tagline" => Element::Subtitle,
        "rights" | "copyright" => Element::Rights,
        "language" => Element::Language,
        "webmaster" => Element::Publisher,
        "created" => Element::Created,
        "keywords" | "tags" => Element::Keywords,
        "abstract" => Element::Abstract,
        "generator" => Element::Generator,
        "body" => Element::Body,
        "fullitem" => Element::ContentEncoded,
        "icon" => Element::Icon,
        "logo" => Element::Logo,
        "ttl" => Element::Ttl,
        "skiphours" => Element::SkipHours,
        "skipdays" => Element::SkipDays,
        "hour" => Element::Hour,
        "day" => Element::Day,
        "urlset" => Element::UrlSet,
        "sitemapindex" => Element::SitemapIndex,
        "html" => Element::Html,
        _ => Element::Other,
    }
}

fn dc_element(local: &str) -> Element {
    match local {
        "creator" | "author" => Element::Author,
        "date" => Element::Updated,
        "description" => Element::Description,
        "language" => Element::Language,
        "publisher" => Element::DcPublisher,
        "rights" => Element::Rights,
        "subject" => Element::Category,
        "title" => Element::Title,
        "contributor" => Element::DcContributor,
        _ => Element::Other,
    }
}

fn itunes_element(local: &str) -> Element {
    match local {
        "author" => Element::Author,
        "category" => Element::ItunesCategory,
        "name" => Element::Name,
        "email" => Element::Email,
        "subtitle" => Element::Subtitle,
        "summary" => Element::Summary,
        "owner" => Element::Owner,
        "keywords" => Element::Keywords,
        "image" | "link" => Element::ItunesImage,
        _ => Element::Other,
    }
}

impl Element {
    /// Elements that hold entries.
    pub(crate) fn is_container(self) -> bool {
        matches!(
            self,
            Self::Rss | Self::Rdf | Self::AtomFeed | Self::Channel | Self::UrlSet | Self::SitemapIndex
        )
    }

    /// Elements whose text may hold markup: tags inside belong to the text.
    pub(crate) fn holds_markup(self) -> bool {
        matches!(
            self,
            Self::Title
                | Self::MediaTitle
                | Self::Description
                | Self::Abstract
                | Self::Summary
                | Self::Subtitle
                | Self::Content
                | Self::ContentEncoded
                | Self::Body
                | Self::Rights
        )
    }

    /// Elements whose start shows that the text before them should have ended: no HTML element is called so.
    pub(crate) fn never_in_markup(self) -> bool {
        matches!(
            self,
            Self::Item
                | Self::Guid
                | Self::Published
                | Self::Updated
                | Self::ContentEncoded
                | Self::Enclosure
                | Self::Channel
                | Self::Description
        )
    }

    /// Elements that cannot stand in a line of text such as a title, though HTML has some of that name.
    pub(crate) fn never_in_line(self) -> bool {
        self.never_in_markup()
            || matches!(self, Self::Link | Self::Author | Self::Summary | Self::Content | Self::Category)
    }
}
