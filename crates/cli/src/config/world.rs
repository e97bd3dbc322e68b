//! What of this machine a configuration needs and does not get: seen without starting anything, and without leaving anything behind.
//!
//! `check-config` looks at all of it, a command at what it is about to use: what the one refuses the other refuses, too.

mod lists;
mod places;

use std::net::SocketAddr;
use std::path::Path;

use super::Config;
use super::findings::Findings;
use super::problem::Problem;
use super::reader::Setting;
use crate::input;
use crate::settings;

/// Who is about to use a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// `check-config`, which does not know for whom.
    Any,
    /// `barid run`.
    Run,
    /// `barid watch`.
    Watch,
    /// `barid sink`.
    Sink,
    /// `barid stage` and `barid web`.
    Other,
}

impl Duty {
    fn polls(self) -> bool {
        match self {
            Self::Any | Self::Run | Self::Watch => true,
            Self::Sink | Self::Other => false,
        }
    }

    fn writes_records(self) -> bool {
        match self {
            Self::Any | Self::Run | Self::Sink => true,
            Self::Watch | Self::Other => false,
        }
    }
}

/// Everything this machine lacks.
pub(crate) fn check(config: &Config, settings: &[Setting], duty: Duty) -> Vec<Problem> {
    let mut found = Findings::new(settings);
    places::check("data_dir", &config.data_dir, &mut found);
    // Records inside a data folder that must move will move with it: one message is enough.
    let moves = !found.problems.is_empty() && config.jsonl.dir.starts_with(&config.data_dir);
    if duty.writes_records() && !moves {
        places::check("sink.jsonl.dir", &config.jsonl.dir, &mut found);
    }
    if duty.polls() {
        authorities(config, &mut found);
        lists::check(config, duty, &mut found);
    }
    for (index, source) in config.files.iter().enumerate().filter(|(_, source)| source.path.is_dir()) {
        if let (true, Err(error)) = (duty.polls(), std::fs::read_dir(&source.path)) {
            let why = format!("{} cannot be looked into: {error}", source.path.display());
            found.warning(
                "E0122",
                &format!("files[{index}].path"),
                why,
                "let the user that runs barid read it",
            );
        }
    }
    of_kafka(config, &mut found);
    if matches!(duty, Duty::Any | Duty::Run) {
        listeners(config, &mut found);
    }
    found.problems
}

fn authorities(config: &Config, found: &mut Findings<'_>) {
    if config.feeds.extra_ca.is_none() {
        return;
    }
    if let Err(error) = settings::trust(&config.feeds) {
        let hint = "a PEM file, with `-----BEGIN CERTIFICATE-----` before each certificate; \"\" is none";
        let said = error.to_string();
        let why = said.split("; hint:").next().unwrap_or(&said).to_owned();
        found.error("E0123", "feeds.extra_ca", why, hint);
    }
}

/// Properties of librdkafka that name files.
const FILES: [&str; 6] = [
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.crl.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "sasl.kerberos.keytab",
];

fn of_kafka(config: &Config, found: &mut Findings<'_>) {
    let named = FILES.iter().filter_map(|name| Some((*name, config.kafka.properties.get(*name)?)));
    // A word that librdkafka knows, and folders of certificates.
    for (name, path) in named.filter(|(_, path)| *path != "probe" && !Path::new(path).is_dir()) {
        if let Err(error) = input::bytes(Path::new(path), input::OF_CONFIG) {
            let key = format!("kafka.properties.\"{name}\"");
            found.error("E0123", &key, format!("read {path}: {error}"), "check the path and its permissions");
        }
    }
}

/// Whether this machine has the addresses, and this user may have the ports. Hubs are waited for: polling goes on without them.
fn listeners(config: &Config, found: &mut Findings<'_>) {
    const HINT: &str =
        "an address of this machine and a port above 1023, such as \"127.0.0.1:9464\" or \"0.0.0.0:9464\"";
    if let Some((listen, why)) = unfit(config.web.listen) {
        found.error("E0124", "web.listen", format!("nobody can listen on {listen} here: {why}"), HINT);
    }
    if let Some((listen, why)) = unfit(config.feeds.websub.as_ref().map(|websub| websub.listen)) {
        found.warning(
            "E0124",
            "feeds.websub.listen",
            format!("no hub is heard on {listen} here: {why}"),
            HINT,
        );
    }
}

/// A port that somebody has now may be our own process's.
fn unfit(listen: Option<SocketAddr>) -> Option<(SocketAddr, std::io::Error)> {
    let listen = listen?;
    let bound = || {
        let socket =
            if listen.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        // Nobody is listened to, so that nobody who starts meanwhile finds the port taken.
        socket.bind(listen)
    };
    bound().err().filter(|error| error.kind() != std::io::ErrorKind::AddrInUse).map(|error| (listen, error))
}
