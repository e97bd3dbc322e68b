//! Addresses to listen on, and those of brokers.

use std::net::{IpAddr, SocketAddr};

use crate::config::Config;
use crate::config::findings::Findings;

pub(super) fn check(config: &Config, found: &mut Findings<'_>) {
    if let (Some(web), Some(hubs)) =
        (config.web.listen, config.feeds.websub.as_ref().map(|websub| websub.listen))
        && is_same(web, hubs)
    {
        let why = format!("{hubs} is where `web.listen` ({web}) serves already");
        found.error("E0119", "feeds.websub.listen", why, "give each its own port");
    }
    if config.feeds.websub.is_some() && !config.feeds.is_used() {
        found.warning(
            "E0105",
            "feeds.websub.listen",
            "no feed is polled, so no hub calls",
            "add a [[feed]], or take [feeds.websub] out",
        );
    }
    brokers(config.kafka.brokers.as_deref().unwrap_or_default(), found);
    if config.kafka.brokers.is_some() {
        for (index, source) in config.files.iter().enumerate() {
            if source.max_document_bytes > config.kafka.max_message_bytes as u64 {
                let most = config.kafka.max_message_bytes;
                let why =
                    format!("documents over `kafka.max_message_bytes` ({most}) are rejected all the same");
                found.warning(
                    "E0105",
                    &format!("files[{index}].max_document_bytes"),
                    why,
                    "raise kafka.max_message_bytes, or lower this",
                );
            }
        }
    }
}

/// Whether one process cannot listen on both. Port 0 is any free one.
pub(crate) fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let meets = |one: IpAddr, other: IpAddr| {
        one == other
            || one.is_unspecified() && (one.is_ipv6() || other.is_ipv4())
            || other.is_unspecified() && (other.is_ipv6() || one.is_ipv4())
    };
    one.port() != 0 && one.port() == other.port() && meets(one.ip(), other.ip())
}

fn brokers(brokers: &str, found: &mut Findings<'_>) {
    let mut seen: Vec<&str> = Vec::new();
    for broker in brokers.split(',').map(str::trim).filter(|_| !brokers.is_empty()) {
        let hint = "host:port, several with commas, such as \"kafka-1:9092,kafka-2:9092\"";
        if let Some(problem) = of_broker(broker) {
            found.error("E0110", "kafka.brokers", format!("`{broker}` is no broker: {problem}"), hint);
        } else if seen.contains(&broker) {
            found.warning("E0118", "kafka.brokers", format!("`{broker}` is named twice"), hint);
        }
        seen.push(broker);
    }
}

fn of_broker(broker: &str) -> Option<&'static str> {
    let plain = broker.split_once("://").map_or(broker, |(_, rest)| rest);
    if broker.starts_with("http") && plain != broker {
        return Some("Kafka does not speak HTTP");
    }
    let (host, port) = match plain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => plain.rsplit_once(':').map_or((plain, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Some("its host is empty");
    }
    if host.contains(|letter: char| letter.is_whitespace() || letter == '/') {
        return Some("its host is not a name or an address");
    }
    // librdkafka takes 9092 where there is none.
    let port = port.map(str::parse::<u16>)?;
    port.is_ok_and(|port| port > 0)
        .then_some(())
        .map_or(Some("its port is not a number from 1 to 65535"), |()| None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_listeners_meet_on_a_port_of_one_address_or_of_all() {
        let same = |one: &str, other: &str| is_same(one.parse().unwrap(), other.parse().unwrap());
        assert!(same("127.0.0.1:80", "127.0.0.1:80") && same("0.0.0.0:80", "127.0.0.1:80"));
        assert!(same("127.0.0.1:80", "[::]:80") && same("[::]:80", "0.0.0.0:80"));
        assert!(!same("127.0.0.1:80", "127.0.0.2:80") && !same("127.0.0.1:0", "127.0.0.1:0"));
        assert!(!same("0.0.0.0:80", "[::1]:80") && !same("0.0.0.0:80", "0.0.0.0:81"));
    }

    #[test]
    fn brokers_have_a_host_and_a_port() {
        for good in ["a:9092", "a", "10.0.0.1:1", "[::1]:9092", "SASL_SSL://a:9093"] {
            assert_eq!(of_broker(good), None, "{good}");
        }
        for bad in ["", ":9092", "a:", "a:x", "a:0", "a:99999", "http://a:9092", "a b:9092", "a:9092/x"] {
            assert!(of_broker(bad).is_some(), "{bad}");
        }
    }
}
