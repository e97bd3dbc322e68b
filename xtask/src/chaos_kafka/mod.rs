//! The same corpus through Kafka as through the embedded log, without faults and with them.
//!
//! An auditor of its own reads `barid.records` as any other program would (read_committed, plain rdkafka) and compares: every record once, none
//! lost, none changed. The sink's files are compared too.

mod audit;
mod faults;
mod fleet;
mod nodes;

use std::path::PathBuf;
use std::time::Duration;

use barid_tests::kafka::{Broker, Size};
use barid_tests::{Corpus, Line, Prose, Random, Stand, seeds_dir};

use crate::chaos::Options;
use crate::error::{TaskError, io};
use crate::tools;

/// What every run shares: a checked broker, the binary under test, the corpus, and the result without Kafka.
pub(crate) struct Lab {
    pub(crate) broker: Broker,
    pub(crate) binary: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) corpus: PathBuf,
    pub(crate) expected: Vec<Line>,
    pub(crate) random: Random,
}

/// What can be done to the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Faults {
    /// Nothing: one, two and three stage processes must give what the embedded log gives, verdict for verdict.
    None,
    /// Everything.
    All,
    /// SIGKILL of roles at random moments.
    Kills,
    /// SIGKILL of one broker of three after the other, at random moments.
    Broker,
    /// SIGKILL and freezing of the broker that coordinates the roles' groups and transactions, whichever that is at the moment.
    Coordinator,
    /// The broker stands still for longer than sessions and transactions last.
    Pause,
    /// Roles stand still for longer than the session timeout, and wake up.
    Zombie,
    /// Stage processes come and go.
    Storm,
    /// Two processes with one instance name.
    Twin,
}

/// Starts a broker, proves that it keeps its promises, and runs what was asked for.
pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    let has = |fault| options.faults.contains(&fault) || options.faults.contains(&Faults::All);
    let is_calm = options.faults == [Faults::None];
    let articles = options.articles.unwrap_or(if is_calm { 100_000 } else { 10_000 });
    // Where nodes are taken down one must be enough to lose: a single node that is killed may leave a transaction open for ever (ADR 5).
    let nodes = if has(Faults::Broker) || has(Faults::Coordinator) { 3 } else { 1 };
    let lab = lab(options, articles, options.nodes.unwrap_or(nodes))?;
    println!("chaos: {articles} articles, {} records without Kafka", lab.expected.len());
    if is_calm {
        return faults::equality(&lab);
    }
    let plan = faults::Plan {
        kills: if has(Faults::Kills) { options.kills } else { 0 },
        broker_kills: if has(Faults::Broker) { options.broker_kills } else { 0 },
        coordinator: has(Faults::Coordinator),
        pause: has(Faults::Pause).then_some(Duration::from_secs(options.pause_seconds)),
        zombie: has(Faults::Zombie),
        storms: if has(Faults::Storm) { options.storms } else { 0 },
        twin: has(Faults::Twin),
    };
    faults::run(lab, &plan)
}

fn lab(options: &Options, articles: usize, nodes: usize) -> Result<Lab, TaskError> {
    let binary = tools::barid(&options.profile, &[])?;
    let root = tools::target_dir()?.join("chaos-kafka");
    let _ = std::fs::remove_dir_all(&root);
    let root = std::path::absolute(root).map_err(io("finding the folder to work in"))?;
    let corpus = root.join("corpus");
    let prose = Prose::read(&seeds_dir()).map_err(io("reading the sample articles"))?;
    Corpus { seed: options.seed, articles, copies_percent: 20, article_bytes: 6000 }
        .write(&prose, &corpus)
        .map_err(io("writing the corpus"))?;
    let calm = Stand::new(&binary, &root.join("embedded"), &corpus, "\n[web]\nlisten = \"\"\n")
        .map_err(io("preparing the run without Kafka"))?;
    calm.once(None).map_err(io("the run without Kafka"))?;
    let expected = calm.output().map_err(io("reading the output of the run without Kafka"))?;
    if expected.len() < articles {
        return Err(TaskError::Said(format!("only {} records of {articles} articles", expected.len())));
    }
    calm.remove().map_err(io("cleaning up"))?;
    let said = |error: barid_tests::kafka::BrokerError| TaskError::Said(error.to_string());
    let broker = Broker::start_nodes(Size::Small, nodes).map_err(said)?;
    barid_tests::kafka::checked(broker.address()).map_err(said)?;
    println!("chaos: Apache Kafka of {nodes} nodes at {} passes T1 to T5", broker.address());
    Ok(Lab { broker, binary, root, corpus, expected, random: Random::new(options.seed) })
}
