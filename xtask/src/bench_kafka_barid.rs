//! `barid stage` as a carrier: raw documents to records, over the same two hops as the copy loop beside it.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use barid_record::Topic;

use crate::bench::mib;
use crate::bench_kafka::{Carried, Carrier, Rig, Step};
use crate::bench_kafka_copy::duplicate;
use crate::bench_kafka_load::audit;
use crate::bench_kafka_stage::{Pipeline, Scrape, Stage, threads};
use crate::error::TaskError;
use crate::usage::{Usage, sample};

/// One stage process.
pub(crate) struct Barid {
    pub(crate) binary: PathBuf,
    /// Messages in a transaction, the mean of the last run.
    pub(crate) mean: Cell<f64>,
}

/// The process is looked at this often.
const LOOK: Duration = Duration::from_millis(100);

impl Carrier for Barid {
    fn name(&self) -> String {
        "barid stage".to_owned()
    }

    fn carry(&self, rig: &Rig, prefix: &str) -> Result<Carried, TaskError> {
        let pipeline = Pipeline::new(&self.binary, rig.broker.address(), prefix, rig.partitions)?;
        duplicate(rig, &pipeline.topic(Topic::Raw))?;
        let mut stage = pipeline.start("data")?;
        // It reads from here on.
        let started = stage.hears("partitions moved", Some("stage.parse"))?.at;
        let (broker, threads_before) = (rig.broker_cpu(), threads(stage.pid()));
        let before = usage(&mut stage)?;
        let (ended, used, last) = follow(&mut stage, rig.loaded.messages)?;
        let broker_cpu = rig.broker_cpu().zip(broker).map(|(after, before)| after.saturating_sub(before));
        let threads = threads(stage.pid());
        let owner = stage.hears("owner of the state", None)?.at.saturating_duration_since(started);
        stage.stop()?;
        let committed = last.sum("barid_kafka_transactions_total", "outcome=\"committed\"");
        self.mean.set(last.sum("barid_kafka_produced_messages_total", "") / committed.max(1.0));
        let mut steps: Vec<Step> = Vec::new();
        let mut rest = used.cpu.saturating_sub(before.cpu);
        for (name, cpu) in threads {
            let cpu = cpu.saturating_sub(threads_before.get(&name).copied().unwrap_or_default());
            rest = rest.saturating_sub(cpu);
            steps.push(Step { name, cpu, note: String::new() });
        }
        steps.retain(|step| !step.cpu.is_zero());
        steps.sort_by_key(|step| std::cmp::Reverse(step.cpu));
        let note = format!(
            "(threads that ended) {committed:.0} transactions of {:.0} messages; {:.0} aborted; memory {:.0} MiB; decides after {:.1} s",
            self.mean.get(),
            last.sum("barid_kafka_transactions_total", "outcome=\"aborted\""),
            mib(used.peak_rss_bytes),
            owner.as_secs_f64()
        );
        steps.push(Step { name: "rest".to_owned(), cpu: rest, note });
        pipeline.remove_folder()?;
        Ok(Carried {
            wall: ended.saturating_duration_since(started),
            steps,
            broker_cpu,
            topics: pipeline.topics()?,
        })
    }

    /// A related article has a record too: beside one for each document there may be others.
    fn audit(&self, rig: &Rig, carried: &Carried) -> Result<(), TaskError> {
        let of_output =
            |topic: &&String| [Topic::Records, Topic::Rejected].iter().any(|out| topic.ends_with(out.name()));
        let topics: Vec<&str> = carried.topics.iter().filter(of_output).map(String::as_str).collect();
        audit(rig, &topics, true)
    }
}

fn usage(stage: &mut Stage) -> Result<Usage, TaskError> {
    sample(stage.pid()).ok_or_else(|| stage.failed("the stage has ended"))
}

/// Waits until every document is decided for good. Returns when the last transaction was seen committed, what the process had used then, and its
/// last metrics.
fn follow(stage: &mut Stage, messages: u64) -> Result<(Instant, Usage, Scrape), TaskError> {
    const LONGEST_SILENCE: Duration = Duration::from_secs(60);
    // What it has committed is counted at once; what its stage has decided is counted when that looks again.
    let (mut committed, mut at, mut used) = (-1.0, Instant::now(), usage(stage)?);
    loop {
        let scrape = stage.metrics()?;
        let now = scrape.sum("barid_kafka_produced_messages_total", "");
        if now > committed {
            (committed, at, used) = (now, Instant::now(), usage(stage)?);
        }
        let decided = scrape.sum("barid_stage_verdicts_total", "kind=\"article\"")
            + scrape.sum("barid_stage_rejected_total", "");
        if decided >= messages as f64 {
            return Ok((at, used, scrape));
        }
        // Nothing is lost here: a gap means that it stood still until it gave up waiting for what it could have read.
        if scrape.sum("barid_stage_order_gaps_total", "") > 0.0 {
            let shown = scrape.of_work();
            return Err(stage.failed(&format!("the stage has given up the order of documents\n{shown}")));
        }
        if at.elapsed() > LONGEST_SILENCE {
            return Err(stage.failed(&format!("{decided} of {messages} documents are decided, then none")));
        }
        std::thread::sleep(LOOK);
    }
}
