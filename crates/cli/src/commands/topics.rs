//! `barid topics`: makes the topics of the pipeline, and lists them.

use std::io::Write;
use std::process::ExitCode;

use barid_log::{GroupLag, Kafka, Log, LogStatus, TopicOutcome, TopicStatus};
use prometheus::Registry;
use serde_json::json;

use crate::args::{Global, Topics, TopicsArgs};
use crate::config::Loaded;
use crate::error::{CliError, exit};
use crate::{output, progress, settings, telemetry};

pub(super) fn run(command: &Topics, global: &Global, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let (Topics::Create(TopicsArgs { json, config }) | Topics::List(TopicsArgs { json, config })) = command;
    let loaded = super::load(config)?;
    // Why a broker does not answer, such as a wrong password, only the client's own log says.
    telemetry::start(&loaded.config.telemetry, global, &progress::bars());
    match command {
        Topics::Create(_) => create(&loaded, *json, out),
        Topics::List(_) => {
            list(&open(&loaded)?.status()?, *json, out)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn open(loaded: &Loaded) -> Result<Kafka, CliError> {
    let brokers = loaded.brokers()?;
    let config = settings::kafka(&loaded.config, brokers, "topics", barid_log::Control::default());
    Ok(Kafka::open(config, &Registry::new())?)
}

fn create(loaded: &Loaded, json: bool, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let plan = settings::topic_plan(&loaded.config);
    let states = settings::state_topics(&loaded.config, super::rejected::RETRIED);
    let outcomes = open(loaded)?.create_topics_with(&plan, &states)?;
    for outcome in &outcomes {
        tell(outcome, json, out)?;
    }
    let fit = outcomes.iter().all(|outcome| outcome.differs.is_empty());
    Ok(if fit { ExitCode::SUCCESS } else { ExitCode::from(exit::FOUND) })
}

fn tell(outcome: &TopicOutcome, json: bool, out: &mut impl Write) -> Result<(), CliError> {
    let TopicOutcome { name, partitions, created, differs } = outcome;
    if json {
        let differs: Vec<_> = differs
            .iter()
            .map(
                |(setting, found, planned)| json!({ "setting": setting, "found": found, "planned": planned }),
            )
            .collect();
        let line = json!({ "name": name, "partitions": partitions, "created": created, "differs": differs });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let what = match (created, differs.is_empty()) {
        (true, _) => "created",
        (false, true) => "as it is",
        (false, false) => "differs",
    };
    writeln!(out, "{name:<40} {partitions:>5} partitions  {what}")?;
    for (setting, found, planned) in differs {
        writeln!(out, "    {setting}: {found}, planned {planned}")?;
    }
    Ok(())
}

fn list(status: &LogStatus, json: bool, out: &mut impl Write) -> Result<(), CliError> {
    if status.topics.is_empty() {
        output::message("there are no topics: create them with `barid topics create`");
    }
    for TopicStatus { topic, partition, start_offset, end_offset, bytes: _ } in &status.topics {
        let name = topic.name();
        if json {
            let line = json!({
                "topic": name, "partition": partition, "start_offset": start_offset, "end_offset": end_offset,
            });
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{name:<28} {partition:>5}  offsets {start_offset} to {end_offset}")?;
        }
    }
    if !json && !status.lags.is_empty() {
        writeln!(out)?;
    }
    for GroupLag { group, topic, messages } in &status.lags {
        let name = topic.name();
        if json {
            writeln!(out, "{}", json!({ "topic": name, "group": group, "lag_messages": messages }))?;
        } else {
            writeln!(out, "{name:<28} {group:<16} {messages} behind")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use barid_log::StateTopic;
    use barid_record::Topic;

    use super::*;

    fn told(outcome: &TopicOutcome, json: bool) -> String {
        let mut out = Vec::new();
        tell(outcome, json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_topic_is_created_as_it_is_or_told_apart() {
        let mut outcome =
            TopicOutcome { name: "t.barid.raw".into(), partitions: 6, created: true, differs: Vec::new() };
        assert!(told(&outcome, false).ends_with("6 partitions  created\n"));
        outcome.created = false;
        assert!(told(&outcome, false).ends_with("as it is\n"));
        outcome.differs.push(("retention.ms".into(), "1000".into(), "604800000".into()));
        let text = told(&outcome, false);
        assert!(text.contains("differs\n    retention.ms: 1000, planned 604800000\n"), "{text}");
        let line: serde_json::Value = serde_json::from_str(&told(&outcome, true)).unwrap();
        assert_eq!(
            line["differs"][0],
            json!({"setting": "retention.ms", "found": "1000", "planned": "604800000"})
        );
        assert_eq!((&line["name"], &line["created"]), (&json!("t.barid.raw"), &json!(false)));
    }

    #[test]
    fn every_partition_and_every_lag_has_its_line() {
        let status = LogStatus {
            topics: vec![TopicStatus {
                topic: Topic::Raw,
                partition: 3,
                start_offset: 5,
                end_offset: 9,
                bytes: 0,
            }],
            lags: vec![GroupLag { group: "stage.parse".into(), topic: Topic::Raw, messages: 4 }],
            ..LogStatus::default()
        };
        let shown = |json| {
            let mut out = Vec::new();
            list(&status, json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = shown(false);
        assert!(
            text.contains("3  offsets 5 to 9\n") && text.contains("stage.parse      4 behind\n"),
            "{text}"
        );
        let lines: Vec<serde_json::Value> =
            shown(true).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["end_offset"], 9);
        assert_eq!(lines[1], json!({"topic": "barid.raw", "group": "stage.parse", "lag_messages": 4}));
    }

    #[test]
    fn every_table_of_a_role_gets_a_changelog_once() {
        let text = "[watch]\nid = \"harbour\"\n[feeds]\nshards = 3\n".to_owned();
        let loaded = crate::config::parse(None, text, &crate::config::Env::new()).unwrap();
        let topics = settings::state_topics(&loaded.config, super::super::rejected::RETRIED);
        for (at, topic) in topics.iter().enumerate() {
            assert!(!topics[..at].contains(topic), "{topic:?} twice");
        }
        let whole = |table, scope| StateTopic::Changelog { table, scope, shards: 1 };
        for topic in [
            whole(barid_watcher::FILES, "harbour"),
            whole(barid_stage::SOURCES, ""),
            whole(barid_stage::BODIES, ""),
            StateTopic::Seats { group: "feeds", scope: "harbour", shards: 3 },
        ] {
            assert!(topics.contains(&topic), "{topic:?}");
        }
        for table in barid_watcher::feeds::worker_spec().tables {
            let topic = StateTopic::Changelog { table, scope: "harbour", shards: 3 };
            assert!(topics.contains(&topic), "{topic:?}");
        }
    }
}
