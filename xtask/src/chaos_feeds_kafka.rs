//! Kills processes that share the feeds on a real Kafka broker, at their named points, at random moments, and by letting them sleep: each feed has one poller at
//! a time, nobody is asked too early, no item is lost, none comes twice.

use std::time::Duration;

use barid_tests::Random;
use barid_tests::kafka::{Broker, Size};
use barid_tests::polled::{Polled, Process};
use rustix::process::{Pid, Signal, kill_process};

use crate::chaos::Options;
use crate::error::{TaskError, io};
use crate::tools;

const FEEDS: u64 = 60;
const SHARDS: u64 = 8;
/// Processes at a time.
const WATCHERS: usize = 3;
/// Every so many rounds a process sleeps beyond its session instead of being killed.
const SLEEPS_EVERY: usize = 6;

/// Kills until so many are counted, then lets all feeds be asked and compares.
pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    let binary = tools::barid(&options.profile, &["failpoints"])?;
    let root = tools::target_dir()?.join("chaos-feeds-kafka");
    let _ = std::fs::remove_dir_all(&root);
    let root = std::path::absolute(root).map_err(io("finding the folder to work in"))?;
    std::fs::create_dir_all(&root).map_err(io("making the folder to work in"))?;
    // Processes are started until the end, and somebody may build meanwhile.
    let copy = root.join("barid");
    std::fs::copy(&binary, &copy).map_err(io("copying the binary"))?;
    let binary = copy;
    let said = |error: barid_tests::kafka::BrokerError| TaskError::Said(error.to_string());
    let broker = Broker::start_nodes(Size::Small, 1).map_err(said)?;
    barid_tests::kafka::checked(broker.address()).map_err(said)?;
    let kafka = format!(
        "[kafka]\nbrokers = {:?}\nsession_timeout_seconds = 6\n[kafka.topics]\npartitions = 2\n",
        broker.address()
    );
    let polled = Polled::new(&binary, &root, FEEDS, &kafka).map_err(io("preparing the feeds"))?;
    polled.run(&["topics", "create"]).map_err(io("barid topics create"))?;
    let mut storm = Storm { polled, watchers: Vec::new(), started: 0, random: Random::new(options.seed) };
    storm.run(options.kills).map_err(io("killing pollers"))
}

struct Storm {
    polled: Polled,
    watchers: Vec<Process>,
    started: usize,
    random: Random,
}

impl Storm {
    fn run(&mut self, wanted: usize) -> std::io::Result<()> {
        let stage = self.polled.start("stage", "stage", None)?;
        let sink = self.polled.start("sink", "sink", None)?;
        let points = [barid_watcher::feeds::FAILPOINTS, barid_log::KAFKA_FAILPOINTS].concat();
        let (mut kills, mut named, mut sleeps, mut rounds) = (0, 0, 0, 0);
        while kills < wanted {
            // One in two rounds has a process that dies by itself.
            let armed = (rounds % 2 == 0).then(|| {
                let point = points[(rounds / 2) % points.len()];
                format!("{point}:{}", 1 + self.random.below(6))
            });
            self.fill(armed.as_deref())?;
            self.spread()?;
            self.polled.next_round()?;
            std::thread::sleep(Duration::from_millis(self.random.below(900)));
            let fallen = self.bury()?;
            (kills, named) = (kills + fallen, named + fallen);
            let unlucky = self.random.below(self.watchers.len().max(1) as u64) as usize;
            if self.watchers.is_empty() {
            } else if rounds % SLEEPS_EVERY == SLEEPS_EVERY - 1 {
                sleeps += 1;
                signal(&self.watchers[unlucky], Signal::STOP)?;
                std::thread::sleep(Duration::from_secs(9));
                self.polled.next_round()?;
                std::thread::sleep(Duration::from_millis(self.random.below(900)));
                signal(&self.watchers[unlucky], Signal::CONT)?;
            } else if armed.is_none() || fallen == 0 {
                drop(self.watchers.remove(unlucky));
                kills += 1;
            }
            self.polled.wait_for_quiet()?;
            let fallen = self.bury()?;
            (kills, named) = (kills + fallen, named + fallen);
            rounds += 1;
        }
        self.watchers.clear();
        self.fill(None)?;
        self.spread()?;
        for _ in 0..2 {
            self.polled.wait_for_quiet()?;
            self.polled.next_round()?;
            self.polled.wait_for_round()?;
        }
        self.polled.wait_for_quiet()?;
        let (impolite, mut wrong) = (self.polled.impolite(), self.polled.wrong_records()?);
        wrong.extend(self.polled.doubled(&stage)?);
        println!(
            "chaos: {kills} kills of {} pollers ({named} at named points), {sleeps} sleeps beyond the session: {} requests, {} too early or by two at a time; {} items shown, {} lost or doubled",
            self.started,
            self.polled.asked().len(),
            impolite.len(),
            self.polled.shown().len(),
            wrong.len()
        );
        drop((stage, sink));
        if impolite.is_empty() && wrong.is_empty() {
            return Ok(());
        }
        Err(std::io::Error::other([impolite, wrong].concat().join("\n")))
    }

    /// Waits until the shards are spread evenly, or somebody has died.
    fn spread(&mut self) -> std::io::Result<()> {
        let watchers = &mut self.watchers;
        self.polled.wait_for("all shards", || {
            let mut counts = Vec::new();
            for process in watchers.iter_mut() {
                if process.child.try_wait()?.is_some() {
                    return Ok(true);
                }
                // It may be about to die.
                counts.push(process.shards().unwrap_or(u64::MAX / 8));
            }
            let (most, least) = (counts.iter().max().unwrap_or(&0), counts.iter().min().unwrap_or(&0));
            Ok(counts.iter().sum::<u64>() == SHARDS && most - least <= 1)
        })?;
        Ok(())
    }

    /// Starts processes until there are enough, the first of them armed.
    fn fill(&mut self, mut point: Option<&str>) -> std::io::Result<()> {
        while self.watchers.len() < WATCHERS {
            self.started += 1;
            let name = format!("watch-{}", self.started);
            self.watchers.push(self.polled.start("watch", &name, point.take())?);
        }
        Ok(())
    }

    /// Forgets who has died; one that ended in another way is an error.
    fn bury(&mut self) -> std::io::Result<usize> {
        let mut fallen = 0;
        for at in (0..self.watchers.len()).rev() {
            if let Some(status) = self.watchers[at].child.try_wait()? {
                if let Some(code) = status.code() {
                    let name = &self.watchers[at].name;
                    return Err(std::io::Error::other(format!("{name} ended with {code}: see its log")));
                }
                drop(self.watchers.remove(at));
                fallen += 1;
            }
        }
        Ok(fallen)
    }
}

fn signal(process: &Process, signal: Signal) -> std::io::Result<()> {
    Ok(kill_process(Pid::from_child(&process.child), signal)?)
}
