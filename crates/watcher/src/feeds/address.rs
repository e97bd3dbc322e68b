//! Which addresses a feed may lead to: those of the public internet, and those the operator lists.
//!
//! A feed's publisher, a redirect or a name server may point anywhere; a poller that goes there reads the inside of the network it runs in. So an
//! address is judged after the name is resolved, and only the judged one is connected to. Addresses that carry another one inside (IPv4-mapped, NAT64,
//! 6to4, Teredo) are judged by both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(head: [u16; 4], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(head[0], head[1], head[2], head[3], 0, 0, 0, 0), bits)
}

/// IANA's special-purpose IPv4 blocks that are not globally reachable, with multicast and the reserved end. The anycast and AS112 blocks are
/// reachable on paper; no feed is served there.
const NOT_PUBLIC_V4: [Ipv4Net; 19] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(192, 175, 48, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    // In no registry, but what a cloud's metadata service is also reached by.
    v4(168, 63, 129, 16, 32),
];

/// What of 2000::/3, the only part of IPv6 given out, is not public all the same.
const NOT_PUBLIC_V6: [Ipv6Net; 6] = [
    v6([0x2001, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0], 32),
    v6([0x2002, 0, 0, 0], 16),
    v6([0x2620, 0x4f, 0x8000, 0], 48),
    v6([0x3fff, 0, 0, 0], 20),
    v6([0x3ffe, 0, 0, 0], 16),
];
const GIVEN_OUT_V6: Ipv6Net = v6([0x2000, 0, 0, 0], 3);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96);

/// Blocks that are allowed although they are not public: the operator's list, empty unless written. A feed cannot add to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(pub Vec<IpNet>);

impl Allowed {
    /// Whether a poll may connect to this address.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = plain(address);
        is_public(address) || self.is_inside(address)
    }

    /// Whether only the operator's list permits it.
    pub fn is_inside(&self, address: IpAddr) -> bool {
        let address = plain(address);
        !is_public(address) && self.0.iter().any(|block| block.contains(&address))
    }
}

/// An IPv4 address in IPv6 clothes is that IPv4 address: the kernel connects to it.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
    }
}

/// Whether anybody on the internet may be at this address.
pub fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(four) => is_public_v4(four),
        IpAddr::V6(six) => is_public_v6(six),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4.iter().any(|block| block.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if NAT64.contains(&address) {
        // A network with IPv6 only reaches the whole of IPv4 this way.
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    GIVEN_OUT_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|block| block.contains(&address))
}

/// Why an address of the web is not asked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// It cannot be read as one.
    #[error("not an address of the web")]
    Unreadable,
    /// Not `http:` or `https:`.
    #[error("only http: and https: are asked")]
    Scheme,
    /// It carries a user name or password.
    #[error("it carries a user name or password")]
    Credentials,
    /// It names an address that is not public.
    #[error("it names an address that is not public")]
    NotPublic,
    /// It names this machine or a name of no public network.
    #[error("it names a host of no public network")]
    LocalName,
    /// It leads from https: to http:.
    #[error("it leads from https: to http:")]
    Downgrade,
    /// No address of the web is so long: see [`MOST_URL_BYTES`] and [`MOST_HOST_BYTES`].
    #[error("it is longer than 8 KiB, or its host than 253 bytes")]
    TooLong,
}

impl BadUrl {
    /// Whether it is an address all the same, and one that must not be asked.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::Unreadable => false,
            Self::Scheme
            | Self::Credentials
            | Self::NotPublic
            | Self::LocalName
            | Self::Downgrade
            | Self::TooLong => true,
        }
    }
}

/// Longest address that is asked, in bytes: what servers take, and more than an article has. What is longer would also be written down and kept.
pub const MOST_URL_BYTES: usize = 8 << 10;
/// Longest name of a host that DNS can carry (RFC 1035), in bytes. Origins are keys of a table: no name may be longer than a key.
pub const MOST_HOST_BYTES: usize = 253;

/// Name endings that never belong to the public internet (RFC 6761, 6762, 7686, 8375, 9476 and ICANN's `internal`).
const LOCAL_NAMES: [&str; 8] =
    ["localhost", "local", "internal", "intranet", "home.arpa", "onion", "invalid", "alt"];

/// Reads and checks an address that a feed list, a redirect or a feed gave. The fragment goes: it is not sent. Spellings such as `0x7f.1`, `2130706433` or
/// `①②⑦.1` are read as the address they mean.
///
/// # Errors
/// Why it must not be asked. A name that resolves to what is not public is found when it is resolved, not here.
pub fn check_url(text: &str, allowed: &Allowed) -> Result<Url, BadUrl> {
    let text = text.trim();
    if text.len() > MOST_URL_BYTES {
        return Err(BadUrl::TooLong);
    }
    let mut url = Url::parse(text).map_err(|_| BadUrl::Unreadable)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BadUrl::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadUrl::Credentials);
    }
    url.set_fragment(None);
    let host_bytes = url.host_str().map_or(0, |host| host.trim_end_matches('.').len());
    // Escapes and Punycode are longer than what was written.
    if url.as_str().len() > MOST_URL_BYTES || host_bytes > MOST_HOST_BYTES {
        return Err(BadUrl::TooLong);
    }
    let named = match url.host().ok_or(BadUrl::Unreadable)? {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            // Names of no public network may be listed too, by the address they have: that is found when connecting.
            if allowed.0.is_empty() && is_local_name(name) {
                return Err(BadUrl::LocalName);
            }
            None
        }
    };
    if named.is_some_and(|address| !allowed.permits(address)) {
        return Err(BadUrl::NotPublic);
    }
    Ok(url)
}

fn is_local_name(name: &str) -> bool {
    let ends = |local: &str| {
        name.strip_suffix(local).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    name.is_empty() || LOCAL_NAMES.iter().any(|local| ends(local))
}

/// Where a redirect leads, checked as [`check_url`] does.
///
/// # Errors
/// Why it is not followed.
pub fn check_redirect(from: &Url, location: &str, allowed: &Allowed) -> Result<Url, BadUrl> {
    let to = from.join(location.trim()).map_err(|_| BadUrl::Unreadable)?;
    let to = check_url(to.as_str(), allowed)?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(BadUrl::Downgrade);
    }
    Ok(to)
}

#[cfg(test)]
mod tests;
