//! Kill-anywhere: whatever dies in between, the output set is that of a run without faults.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use barid_tests::{Corpus, Ended, Line, Prose, Random, Stand, seeds_dir};

use crate::chaos_feeds;
use crate::chaos_feeds_kafka;
use crate::chaos_kafka::{self, Faults};
use crate::error::{TaskError, io};
use crate::tools;

/// How hard to try.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run on the embedded log.
    #[arg(long, conflicts_with = "kafka")]
    embedded: bool,
    /// Kill the poller of feeds; with --kafka, those that share them.
    #[arg(long, conflicts_with = "embedded")]
    feeds: bool,
    /// Run the roles on a real Kafka broker.
    #[arg(long)]
    kafka: bool,
    /// What to do to the roles and the broker, with --kafka.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    pub(crate) faults: Vec<Faults>,
    /// Kills at random moments; on the embedded log, beside the named points.
    #[arg(long, default_value_t = 200)]
    pub(crate) kills: usize,
    /// Articles of the corpus. Default: 3,000; on Kafka 10,000, and 100,000 without faults.
    #[arg(long)]
    pub(crate) articles: Option<usize>,
    /// How often a node of Kafka is killed, one at a time.
    #[arg(long, default_value_t = 6)]
    pub(crate) broker_kills: usize,
    /// Nodes of the Kafka cluster. Default: 3 where nodes are taken down, else 1.
    #[arg(long)]
    pub(crate) nodes: Option<usize>,
    /// How long all of Kafka stands still.
    #[arg(long, default_value_t = 60)]
    pub(crate) pause_seconds: u64,
    /// How often stage processes go from one to four and back.
    #[arg(long, default_value_t = 12)]
    pub(crate) storms: usize,
    /// Cargo profile of the binary under test.
    #[arg(long, default_value = "release")]
    pub(crate) profile: String,
    /// Seed of corpus and kill times.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl Options {
    /// The form CI runs.
    pub(crate) fn short() -> Self {
        Self {
            embedded: true,
            feeds: false,
            kafka: false,
            faults: Vec::new(),
            kills: 20,
            articles: Some(600),
            broker_kills: 0,
            nodes: None,
            pause_seconds: 10,
            storms: 2,
            profile: "dev".to_owned(),
            seed: 1,
        }
    }

    /// The form CI runs on the poller of feeds.
    pub(crate) fn short_on_feeds() -> Self {
        Self { embedded: false, feeds: true, kills: 24, ..Self::short() }
    }

    /// The form CI runs on Kafka: about three minutes.
    pub(crate) fn short_on_kafka() -> Self {
        let faults = vec![Faults::Kills, Faults::Zombie, Faults::Storm, Faults::Twin, Faults::Pause];
        Self { embedded: false, kafka: true, faults, ..Self::short() }
    }
}

/// Kill the first time a point is reached, and again in the middle of things.
const OCCURRENCES: [u32; 3] = [1, 2, 7];
/// A series that needs more restarts than this makes no progress.
const MOST_RESTARTS: usize = 400;

/// The build with failpoints has small segments, files and checkpoints, so that a short run crosses each border many times.
const CONFIG: &str = "rotate_seconds = 1\n\n[web]\nlisten = \"\"\n";

pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    if options.kafka && options.feeds {
        return chaos_feeds_kafka::run(options);
    }
    if options.kafka {
        return chaos_kafka::run(options);
    }
    if options.feeds {
        return chaos_feeds::run(options.kills, &options.profile, options.seed);
    }
    if !options.embedded {
        return Err(TaskError::Said("name what to kill: --embedded, --kafka or --feeds".to_owned()));
    }
    let articles = options.articles.unwrap_or(3000);
    let binary = tools::barid(&options.profile, &["failpoints"])?;
    // Kept when something is found, so that it can be looked at.
    let folder = tools::target_dir()?.join("chaos");
    let _ = std::fs::remove_dir_all(&folder);
    let folder = std::path::absolute(folder).map_err(io("finding the folder to work in"))?;
    let input = folder.join("input");
    let corpus = Corpus { seed: options.seed, articles, copies_percent: 20, article_bytes: 6000 };
    let prose = Prose::read(&seeds_dir()).map_err(io("reading the sample articles"))?;
    corpus.write(&prose, &input).map_err(io("writing the corpus"))?;
    let chaos = Chaos { binary, root: folder, input };
    let calm = chaos.stand("calm")?;
    let started = Instant::now();
    calm.once(None).map_err(io("the run without faults"))?;
    let half_way = started.elapsed() / 2;
    let expected = calm.output().map_err(io("reading the output of the run without faults"))?;
    println!("\nchaos: {articles} articles, {} records without faults", expected.len());
    if expected.len() < articles {
        return Err(TaskError::Said(format!("only {} records of {articles} articles", expected.len())));
    }
    chaos.named_points(&expected, half_way)?;
    chaos.random_kills(&expected, options.kills, &mut Random::new(options.seed))
}

struct Chaos {
    binary: PathBuf,
    root: PathBuf,
    input: PathBuf,
}

/// Every named crash point of every crate.
fn points() -> Vec<&'static str> {
    [barid_watcher::FAILPOINTS, barid_log::FAILPOINTS, barid_stage::FAILPOINTS, barid_sink::FAILPOINTS]
        .concat()
}

impl Chaos {
    fn stand(&self, name: &str) -> Result<Stand, TaskError> {
        Stand::new(&self.binary, &self.root.join(name), &self.input, CONFIG).map_err(io("preparing a run"))
    }

    /// Kills at each named point, and twice more at the same point while it recovers, then lets the run end. A point that a first run does
    /// not reach belongs to the recovery: it gets something to recover from.
    fn named_points(&self, expected: &[Line], half_way: Duration) -> Result<(), TaskError> {
        let (mut kills, mut never) = (0, Vec::new());
        for point in points() {
            let mut reached = false;
            for nth in OCCURRENCES {
                let armed = format!("{point}:{nth}");
                let mut stand = self.stand("point")?;
                if stand.once(Some(&armed)).map_err(io(&armed))? == Ended::Killed {
                    (reached, kills) = (true, kills + 1);
                } else {
                    verdict(&stand, &armed, expected)?;
                    stand = self.stand("point")?;
                    stand.once_killed_after(half_way).map_err(io(&armed))?;
                }
                for _ in 0..2 {
                    if stand.once(Some(&armed)).map_err(io(&armed))? == Ended::Killed {
                        (reached, kills) = (true, kills + 1);
                    }
                }
                stand.once(None).map_err(io(&armed))?;
                verdict(&stand, &armed, expected)?;
            }
            if !reached {
                never.push(point);
            }
        }
        println!("chaos: {kills} kills at {} named points: 0 lost, 0 duplicated, 0 changed", points().len());
        if never.is_empty() {
            Ok(())
        } else {
            Err(TaskError::Said(format!("never reached: {}", never.join(", "))))
        }
    }

    /// Kills at random moments until enough kills are counted; each series runs to its end.
    fn random_kills(&self, expected: &[Line], wanted: usize, random: &mut Random) -> Result<(), TaskError> {
        let (mut kills, mut series) = (0, 0);
        while kills < wanted {
            series += 1;
            let stand = self.stand("random")?;
            let mut restarts = 0;
            // From a kill during start-up to one deep in the work.
            let longest_ms = 20 + random.below(600);
            while kills < wanted {
                restarts += 1;
                if restarts > MOST_RESTARTS {
                    return Err(TaskError::Said(format!(
                        "no end after {MOST_RESTARTS} restarts in {}",
                        stand.data_dir().display()
                    )));
                }
                let delay = Duration::from_millis(1 + random.below(longest_ms));
                if stand.once_killed_after(delay).map_err(io("a random kill"))? == Ended::Done {
                    break;
                }
                kills += 1;
                // A short series of kills must not starve the run for ever.
                if restarts % 40 == 0 {
                    break;
                }
            }
            stand.once(None).map_err(io("the run after the kills"))?;
            verdict(&stand, &format!("series {series} of random kills"), expected)?;
        }
        println!(
            "chaos: {kills} kills at random moments in {series} series: 0 lost, 0 duplicated, 0 changed"
        );
        Ok(())
    }
}

fn verdict(stand: &Stand, what: &str, expected: &[Line]) -> Result<(), TaskError> {
    let found = stand.audit(expected).map_err(io(format!("reading the output after {what}")))?;
    if !found.is_empty() {
        let kept: &Path = &stand.data_dir();
        return Err(TaskError::Said(format!("after {what} ({}):\n  {}", kept.display(), found.join("\n  "))));
    }
    stand.remove().map_err(io("cleaning up"))
}
