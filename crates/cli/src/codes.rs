//! Every error code with its meaning: what `barid explain E0103` prints.

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    /// Stable; never given to anything else.
    pub(crate) code: &'static str,
    /// In a few words.
    pub(crate) title: &'static str,
    /// Why it happens and what to do.
    pub(crate) meaning: &'static str,
}

const fn code(code: &'static str, title: &'static str, meaning: &'static str) -> Code {
    Code { code, title, meaning }
}

/// Every code, in order. E01xx configuration, E02xx command line, E03xx log, E04xx watcher, E05xx stage and sinks, E06xx web, E07xx faults.
pub(crate) const CODES: &[Code] = &[
    code(
        "E0100",
        "the configuration cannot be used",
        "The problems are listed below it, each with its own code. All of them are reported together; nothing was started.",
    ),
    code(
        "E0101",
        "the configuration cannot be read",
        "The file is not there, not readable for this user, or not UTF-8. Check the path, or write one with `barid init`.",
    ),
    code(
        "E0102",
        "not TOML",
        "The text breaks the rules of TOML at the marked place: often a missing quote, an unclosed bracket, or a key set twice.",
    ),
    code(
        "E0103",
        "unknown key",
        "barid refuses keys it does not know, so that a misspelt key cannot silently keep its default. `barid init` writes every known one.",
    ),
    code(
        "E0104",
        "wrong type",
        "The value is of another type than the key needs: texts stand in quotes, numbers and lists do not.",
    ),
    code(
        "E0105",
        "value out of range",
        "The value is of the right type but cannot be used. config/barid.toml names the limits of each key.",
    ),
    code(
        "E0106",
        "missing key",
        "This key has no default: each [[files]] table needs an `id` and a `path`, each [[feed]] a `url`, and commands on Kafka need `kafka.brokers`.",
    ),
    code(
        "E0107",
        "source id used twice",
        "Records, checkpoints and metrics are kept by source id; two sources with one id would overwrite each other's.",
    ),
    code(
        "E0108",
        "not a glob",
        "`include` and `exclude` take globs such as `**/*.txt`, `2024-*/page-?.html` or `{a,b}/*`.",
    ),
    code(
        "E0109",
        "unknown charset",
        "`charset` takes a WHATWG label, such as `utf-8` or `windows-1256`. Leave it empty to find the charset of each document.",
    ),
    code(
        "E0110",
        "not an address",
        "`web.listen` takes an IP address and a port, such as `127.0.0.1:9464`, `0.0.0.0:9464` or `[::1]:9464`.",
    ),
    code(
        "E0111",
        "barid would read what it writes",
        "The data folder or the records folder lies in a watched folder. Move one of them out.",
    ),
    code(
        "E0112",
        "environment variable without a key",
        "Variables that start with BARID_ override keys; this one matches none. Keys of [[files]] and [[feed]] have no twin in the environment.",
    ),
    code(
        "E0113",
        "no such folder",
        "A watched folder is not there yet. This is a warning: it is watched as soon as it appears.",
    ),
    code("E0114", "not a folder", "`path` names a folder; which files in it are read is said by `include`."),
    code(
        "E0115",
        "polling needs a contact",
        "Whoever polls other people's servers says who it is. `feeds.contact` is sent with every request as a part of User-Agent.",
    ),
    code(
        "E0116",
        "a list of feeds cannot be read",
        "`feeds.lists` names OPML files. The message says which one, and what is wrong with it.",
    ),
    code(
        "E0117",
        "an address that can never be asked",
        "barid asks public addresses of http: and https: without a password in them, and those of `feeds.allow_addresses`. This one is none of them: correct it, or allow its block where it is yours.",
    ),
    code(
        "E0118",
        "the same thing twice",
        "An address, folder, list, id or field is named twice. What is read twice becomes two records of two sources: take one of them out.",
    ),
    code(
        "E0119",
        "two listeners on one address",
        "Metrics and hubs are served by one process, each at an address and port of its own.",
    ),
    code(
        "E0120",
        "no feed has this id",
        "`feeds.watch` names feeds by id. One without an `id` of its own has one made of its address: `barid feed list` shows them.",
    ),
    code(
        "E0121",
        "records among the log's files",
        "The records folder is a folder of the log. Give records one of their own.",
    ),
    code(
        "E0122",
        "a folder cannot be looked into",
        "The watched folder is there, and this user may not list it.",
    ),
    code(
        "E0123",
        "certificates or keys cannot be used",
        "The file is missing, is not readable for this user, or does not hold certificates in PEM.",
    ),
    code(
        "E0124",
        "nobody can listen there",
        "The address is not one of this machine, or the port is one that this user may not take.",
    ),
    code(
        "E0125",
        "a place that cannot be written",
        "This user cannot write there, the file system is read-only, or a file stands where a folder should.",
    ),
    code(
        "E0201",
        "standard output failed",
        "Nothing could be written to standard output, for instance because the disk it leads to is full. A closed pipe is no error.",
    ),
    code("E0202", "a file cannot be read", "The file named is not there or not readable for this user."),
    code(
        "E0203",
        "a file cannot be written",
        "The file or folder named cannot be written by this user, or the disk is full.",
    ),
    code(
        "E0204",
        "the file exists",
        "`barid init` never overwrites. Name another file, or move the old one away.",
    ),
    code(
        "E0205",
        "nothing to explain",
        "`barid explain` takes a file, an error code, a reason of `barid rejected list`, or `--record ID`.",
    ),
    code("E0206", "bad argument", "The argument has the wrong form, or names something that is not there."),
    code(
        "E0207",
        "the system refused",
        "A signal handler could not be installed or a thread could not be started: check the limits of the process.",
    ),
    code(
        "E0208",
        "a message that is not ours",
        "A message in the log lacks the headers that barid writes, or its JSON is no record of this version.",
    ),
    code(
        "E0209",
        "there is no log",
        "The command looks at the log of `data_dir`, and there is none. Run `barid run` first, or name the configuration whose log is meant.",
    ),
    code(
        "E0210",
        "run --once did not finish",
        "It was interrupted before everything was read, or the disk was full for longer than --wait-for-space. Nothing is lost or doubled: the next run goes on from there.",
    ),
    code(
        "E0301",
        "the log failed",
        "The operating system refused an operation on the data folder. Check the disk and the permissions, then start again: what was committed is safe.",
    ),
    code(
        "E0302",
        "the data folder is in use",
        "Another barid process holds it. Stop that process, or give this one its own `data_dir`.",
    ),
    code(
        "E0303",
        "the group has a worker",
        "Two workers asked to read as one group. This is a fault of barid: please report it.",
    ),
    code(
        "E0304",
        "undeclared table",
        "A worker touched state it did not declare. This is a fault of barid: please report it.",
    ),
    code("E0305", "no such partition", "The embedded log has one partition a topic: 0."),
    code(
        "E0306",
        "too large for the log",
        "A message, key or value is larger than the log can hold. Lower `max_document_bytes` of the source.",
    ),
    code(
        "E0307",
        "the disk is full",
        "While it runs, barid waits for space and goes on by itself; at its start it cannot. Free some space on the disk of the data folder.",
    ),
    code(
        "E0308",
        "the journal is damaged",
        "A file of the commit journal does not hold what was committed. Restore the data folder from a backup, or start on an empty one and ingest again.",
    ),
    code(
        "E0309",
        "a segment is damaged",
        "A file of a topic does not hold what was committed. Restore the data folder from a backup; messages of other segments can still be read.",
    ),
    code(
        "E0310",
        "the checkpoint is damaged",
        "No checkpoint can be read although there was one. Restore the data folder from a backup, or start on an empty one and ingest again.",
    ),
    code(
        "E0311",
        "the state is damaged",
        "The state store cannot be read and the journal no longer reaches back far enough to rebuild it. Restore the data folder from a backup.",
    ),
    code(
        "E0312",
        "the log has stopped",
        "An earlier failure stopped it; its message stands before this one. Repair the cause and start again: what was committed is safe.",
    ),
    code(
        "E0313",
        "open for reading only",
        "The log was opened beside the process that owns it. Only that process may write.",
    ),
    code(
        "E0314",
        "messages come again",
        "Partitions moved to another process, or a transaction did not commit: what was read and not committed is read again. Nothing is lost or doubled.",
    ),
    code(
        "E0315",
        "no longer the owner",
        "State has one owner, and this process is not it, or cannot be sure. It joins again and stands by while another one works.",
    ),
    code(
        "E0316",
        "no Kafka broker answers",
        "barid waits and goes on by itself. Start the brokers, or correct `kafka.brokers`.",
    ),
    code(
        "E0317",
        "Kafka refused",
        "The message says what the broker or its client answered. barid tries again where that can help.",
    ),
    code(
        "E0318",
        "another process has the same instance name",
        "Two processes with one `kafka.instance` would undo each other's work, so the older one ends. Give each its own, or leave it out.",
    ),
    code("E0319", "a topic does not exist", "Run `barid topics create` with the same configuration."),
    code(
        "E0320",
        "a topic is not as it must be",
        "The message names the setting. Correct it on the broker, or delete the topic and run `barid topics create`.",
    ),
    code(
        "E0321",
        "a Kafka property is not taken",
        "A name or value below `[kafka.properties]` is unknown to the client library. Its CONFIGURATION.md lists them all.",
    ),
    code(
        "E0322",
        "the Kafka brokers do not accept this client",
        "User, password or mechanism are not those the brokers know; the message says what they answered. They are `sasl.*` below `[kafka.properties]`.",
    ),
    code(
        "E0323",
        "an open transaction stands in front of readers",
        "Readers of committed messages wait for a transaction that nobody ends: its producer's broker has forgotten it. The warning names topic, partition and offset, and the `kafka-transactions.sh` command that ends it. See ADR 5.",
    ),
    code(
        "E0401",
        "the watcher stopped",
        "The watcher could not go on; its message says why. Trouble with one file never stops it: the cause is its configuration or the log.",
    ),
    code(
        "E0501",
        "the stage stopped",
        "Parsing or deduplication could not go on; its message says why. What was committed is safe: the next start goes on from there.",
    ),
    code(
        "E0502",
        "the sink stopped",
        "Records could not be written; its message says why. They stay in the log until they are: the next start goes on from there.",
    ),
    code(
        "E0601",
        "cannot listen",
        "The address of `web.listen` is taken or not an address of this machine. Choose another, or \"\" to serve nothing.",
    ),
    code(
        "E0602",
        "the web server cannot start",
        "There is no thread or no socket for it: check the limits of the process.",
    ),
    code("E0603", "a metric was registered twice", "This is a fault of barid: please report it."),
    code(
        "E0701",
        "barid has a fault",
        "A part of barid panicked. What was committed is safe. Please report it with the log lines before.",
    ),
];

/// The code of that name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.code.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Every `"E0123"` in the Rust files below `folder`, this file left out.
    fn codes_below(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                codes_below(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && !path.ends_with("cli/src/codes.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let quoted = text.split('"').filter(|word| word.len() == 5 && word.starts_with("E0"));
                found.extend(quoted.filter(|word| word[1..].parse::<u16>().is_ok()).map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_code_of_every_crate_is_explained_and_every_explained_code_exists() {
        let mut used = BTreeSet::new();
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap() {
            let sources = entry.unwrap().path().join("src");
            if sources.is_dir() {
                codes_below(&sources, &mut used);
            }
        }
        let explained: BTreeSet<_> = CODES.iter().map(|code| code.code.to_owned()).collect();
        assert_eq!(used, explained);
    }

    #[test]
    fn codes_are_sorted_and_given_once() {
        assert!(CODES.is_sorted_by(|left, right| left.code < right.code));
        assert_eq!(find("e0103").map(|code| code.title), Some("unknown key"));
        assert_eq!(find("E9999"), None);
    }
}
