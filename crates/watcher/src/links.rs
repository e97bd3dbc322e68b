//! The one address of an article: without what only counts visitors, and the page's own word where that can be believed.

mod identity;

use url::Url;

pub(crate) use self::identity::{identity, is_only_counting};

use crate::feeds::address::MOST_URL_BYTES;
use crate::feeds::budget::Domain;

/// Parameters that say how a reader came, and nothing about what is read; with who writes them, by their maker's own documentation. A `*` at the end
/// stands for any rest. Ambiguous ones (`ref`, `source`, `id`) stay: a longer address is better than a wrong one.
const TRACKING: [(&str, &str); 46] = [
    // Google Analytics: "Campaign URL Builder", support.google.com/analytics/answer/10917952.
    ("utm_*", "Google Analytics"),
    ("_ga", "Google Analytics, linker of domains"),
    ("_gl", "Google Analytics, linker of domains"),
    // Google Ads: "About auto-tagging" and "About gclid, gbraid, wbraid", support.google.com/google-ads.
    ("gclid", "Google Ads"),
    ("gclsrc", "Google Ads"),
    ("gbraid", "Google Ads"),
    ("wbraid", "Google Ads"),
    ("gad_source", "Google Ads"),
    ("gad_campaignid", "Google Ads"),
    ("dclid", "Google Campaign Manager 360"),
    ("srsltid", "Google Merchant Center"),
    // Meta: "fbp and fbc parameters", developers.facebook.com/docs/marketing-api/conversions-api.
    ("fbclid", "Facebook"),
    ("fb_action_ids", "Facebook"),
    ("fb_action_types", "Facebook"),
    ("fb_source", "Facebook"),
    ("igsh", "Instagram"),
    ("igshid", "Instagram"),
    // Microsoft Advertising: "Auto-tagging of Microsoft Click ID", help.ads.microsoft.com.
    ("msclkid", "Microsoft Advertising"),
    // Yandex: "yclid" and "ysclid", yandex.com/support/direct and /metrica.
    ("yclid", "Yandex Direct"),
    ("ysclid", "Yandex Search"),
    // X, TikTok, LinkedIn, Pinterest, Snapchat, Reddit: the click ids of their conversion interfaces.
    ("twclid", "X"),
    ("__twitter_impression", "X"),
    ("ttclid", "TikTok"),
    ("li_fat_id", "LinkedIn"),
    ("epik", "Pinterest"),
    ("sccid", "Snapchat"),
    ("rdt_cid", "Reddit"),
    // Newsletters: Mailchimp (e-commerce tracking), HubSpot (email links), Marketo (mkt_tok), Vero, Oracle Eloqua.
    ("mc_cid", "Mailchimp"),
    ("mc_eid", "Mailchimp"),
    ("_hsenc", "HubSpot"),
    ("_hsmi", "HubSpot"),
    ("mkt_tok", "Adobe Marketo"),
    ("vero_id", "Vero"),
    ("elqtrack*", "Oracle Eloqua"),
    // Measurement of audiences that news sites use: Piano (AT Internet), comScore, Adobe Analytics, Mapp, Matomo.
    ("xtor", "Piano Analytics (AT Internet)"),
    ("at_medium", "Piano Analytics"),
    ("at_campaign", "Piano Analytics"),
    ("at_custom*", "Piano Analytics"),
    ("at_link_*", "Piano Analytics"),
    ("ns_mchannel", "comScore Digital Analytix"),
    ("ns_source", "comScore Digital Analytix"),
    ("ns_campaign", "comScore Digital Analytix"),
    ("ns_linkname", "comScore Digital Analytix"),
    ("ns_fee", "comScore Digital Analytix"),
    ("s_cid", "Adobe Analytics"),
    ("mtm_*", "Matomo"),
];

/// An address without tracking parameters and fragment. What stays keeps its spelling and order.
pub(crate) fn clean(url: &Url) -> Url {
    let mut url = url.clone();
    // A fragment that is a path (`#!/a`, `#/a`) names the article on pages made by scripts.
    if url.fragment().is_some_and(|fragment| !fragment.starts_with(['!', '/'])) {
        url.set_fragment(None);
    }
    if let Some(query) = url.query() {
        let kept: Vec<&str> = query.split('&').filter(|pair| !is_tracking(pair)).collect();
        let kept = kept.join("&");
        url.set_query(Some(kept.as_str()).filter(|query| !query.is_empty()));
    }
    url
}

fn is_tracking(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    TRACKING.iter().any(|(known, _)| match known.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == *known,
    })
}

/// The address of an item without its page: its link, cleaned. `None` where that is no address of the web, or names a user.
pub(crate) fn of_link(link: &str) -> Option<String> {
    let link = Some(link.trim()).filter(|link| link.len() <= MOST_URL_BYTES)?;
    let url =
        Url::parse(link).ok().filter(|url| matches!(url.scheme(), "http" | "https") && !names_user(url))?;
    Some(clean(&url).into())
}

/// Whether it carries a user name or password: nobody's one address does.
fn names_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// What a page calls its one address is not believed if it is longer.
const MOST_CANONICAL_BYTES: usize = 2 << 10;

/// The address of a page: what it calls its canonical one, if that is believable, or else where it was found, cleaned.
///
/// Believed is an address of the same registered domain that is not merely the site's front page: templates with a fault name that for every article.
/// One of another owner is not: whoever reprints may say so, but so may whoever wants to be taken for another.
pub(crate) fn of_page(found_at: &Url, says: Option<&str>) -> String {
    let says = says.map(str::trim).filter(|says| says.len() <= MOST_CANONICAL_BYTES);
    let said = says.and_then(|says| found_at.join(says).ok()).filter(|url| {
        let is_short = url.as_str().len() <= MOST_CANONICAL_BYTES;
        let is_front = url.path() == "/" && url.query().is_none() && found_at.path() != "/";
        matches!(url.scheme(), "http" | "https")
            && Domain::of(url) == Domain::of(found_at)
            && !is_front
            && is_short
            && !names_user(url)
    });
    clean(said.as_ref().unwrap_or(found_at)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_visitors_goes_and_everything_else_keeps_its_spelling() {
        for (link, cleaned) in [
            ("https://news.example/a?utm_source=rss&UTM_Medium=x", "https://news.example/a"),
            ("https://news.example/a?id=7&fbclid=x&p=%d8%a3+b", "https://news.example/a?id=7&p=%d8%a3+b"),
            (
                "https://news.example/a?ref=home&source=x&utm=1",
                "https://news.example/a?ref=home&source=x&utm=1",
            ),
            (
                "https://news.example/a?at_medium=RSS&at_campaign=KARANGA#xtor=RSS-3208",
                "https://news.example/a",
            ),
            ("https://news.example/a?gclid#top", "https://news.example/a"),
            ("https://news.example/#!/story/7", "https://news.example/#!/story/7"),
            ("https://news.example/a?b&&c=", "https://news.example/a?b&&c="),
        ] {
            assert_eq!(of_link(link).as_deref(), Some(cleaned));
        }
        assert_eq!(of_link("urn:uuid:7"), None);
        assert_eq!(
            (of_link("https://me@news.example/a"), of_link("https://:me@news.example/a")),
            (None, None)
        );
        assert_eq!(of_link(&format!("https://news.example/{}", "a".repeat(MOST_URL_BYTES))), None);
        assert_eq!(of_link("news"), None);
    }

    #[test]
    fn every_parameter_is_listed_once_and_says_who_writes_it() {
        let names: std::collections::BTreeSet<&str> = TRACKING.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), TRACKING.len());
        assert!(TRACKING.iter().all(|(name, maker)| !maker.is_empty() && *name == name.to_ascii_lowercase()));
    }

    #[test]
    fn a_page_is_believed_about_its_own_site() {
        let found = Url::parse("https://m.news.example/a/7?utm_source=x&page=2").expect("an address");
        let (long, escaped) = ("a".repeat(MOST_CANONICAL_BYTES + 1), "خ".repeat(MOST_CANONICAL_BYTES / 3));
        for (says, canonical) in [
            (Some("https://www.news.example/a/7?utm_medium=y"), "https://www.news.example/a/7"),
            (Some("/story"), "https://m.news.example/story"),
            (Some("https://other.example/a/7"), "https://m.news.example/a/7?page=2"),
            (Some("https://www.news.example/"), "https://m.news.example/a/7?page=2"),
            (Some("javascript:void(0)"), "https://m.news.example/a/7?page=2"),
            (Some("http://["), "https://m.news.example/a/7?page=2"),
            (Some("https://me:secret@www.news.example/a/7"), "https://m.news.example/a/7?page=2"),
            (Some("https://me@www.news.example/a/7"), "https://m.news.example/a/7?page=2"),
            (Some(&long), "https://m.news.example/a/7?page=2"),
            (Some(&escaped), "https://m.news.example/a/7?page=2"),
            (None, "https://m.news.example/a/7?page=2"),
        ] {
            assert_eq!(of_page(&found, says), canonical, "{says:?}");
        }
    }
}
