//! What is done to the pipeline while articles come in, and what must be true afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use barid_tests::{Random, read_output_with_gaps};
use rustix::process::Signal;

use super::Lab;
use super::audit::{Agreement, Auditor, differences};
use super::fleet::{Fleet, PARTITIONS, SESSION};
use super::nodes;
use crate::error::{TaskError, io};

/// Without a new record for this long, something is stuck.
const PATIENCE: Duration = Duration::from_secs(120);
/// No role may ever take more memory.
const MOST_RSS_BYTES: u64 = 600 << 20;

/// What to do.
pub(crate) struct Plan {
    pub(crate) kills: usize,
    pub(crate) broker_kills: usize,
    pub(crate) coordinator: bool,
    pub(crate) pause: Option<Duration>,
    pub(crate) zombie: bool,
    pub(crate) storms: usize,
    pub(crate) twin: bool,
}

/// One, two and three stage processes against the embedded log.
pub(crate) fn equality(lab: &Lab) -> Result<(), TaskError> {
    for stages in 1..=3 {
        let started = Instant::now();
        let mut fleet = Fleet::new(lab, &format!("calm{stages}"), &lab.corpus)?;
        fleet.start("sink")?;
        for _ in 0..stages {
            fleet.start("stage")?;
        }
        fleet.start("watch")?;
        finish(lab, &mut fleet, Agreement::Exact)?;
        println!(
            "chaos: {stages} stage processes: the same {} records, versions, verdicts and canonical records as the embedded log ({:.0} s)",
            lab.expected.len(),
            started.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// Runs each fault of the plan on a pipeline of its own.
pub(crate) fn run(mut lab: Lab, plan: &Plan) -> Result<(), TaskError> {
    let mut random = std::mem::replace(&mut lab.random, Random::new(0));
    let lab = &lab;
    let mut table = Vec::new();
    if plan.kills > 0 {
        let time = Duration::from_millis(600) * u32::try_from(plan.kills).unwrap_or(u32::MAX);
        let name = format!("{} kills", plan.kills);
        table.push(series(lab, &name, time, |fleet| kills(fleet, &mut random, plan.kills))?);
    }
    if plan.zombie {
        table.push(series(lab, "zombies", SESSION * 10, zombies)?);
    }
    if plan.storms > 0 {
        let time = Duration::from_secs(10) * u32::try_from(plan.storms).unwrap_or(u32::MAX);
        let name = format!("{} rebalance storms", plan.storms);
        table.push(series(lab, &name, time, |fleet| storms(fleet, plan.storms))?);
    }
    if plan.twin {
        table.push(series(lab, "one instance name twice", Duration::from_secs(20), twin)?);
    }
    if plan.broker_kills > 0 {
        let time = Duration::from_secs(10) * u32::try_from(plan.broker_kills).unwrap_or(u32::MAX);
        let name = format!("{} kills of brokers", plan.broker_kills);
        table.push(series(lab, &name, time, |fleet| nodes::kills(fleet, &mut random, plan.broker_kills))?);
    }
    if plan.coordinator {
        table.push(series(
            lab,
            "coordinators killed and frozen",
            Duration::from_secs(90),
            nodes::coordinators,
        )?);
    }
    if let Some(time) = plan.pause {
        let name = format!("all brokers paused {} s", time.as_secs());
        let fault = |fleet: &mut Fleet<'_>| {
            pass(fleet, Duration::from_secs(5))?;
            lab.broker.pause().map_err(said)?;
            pass(fleet, time)?;
            lab.broker.resume().map_err(said)
        };
        table.push(series(lab, &name, time + Duration::from_secs(10), fault)?);
    }
    println!(
        "\n| fault | nodes | seconds | records | lost | doubled | most memory of a role |\n|---|---|---|---|---|---|---|"
    );
    for row in &table {
        println!("{row}");
    }
    Ok(())
}

pub(super) fn said(error: barid_tests::kafka::BrokerError) -> TaskError {
    TaskError::Said(error.to_string())
}

/// Two of each role, articles coming in for `time`, the fault, and then the verdict: a row of the table.
fn series(
    lab: &Lab,
    name: &str,
    time: Duration,
    fault: impl FnOnce(&mut Fleet<'_>) -> Result<(), TaskError>,
) -> Result<String, TaskError> {
    let started = Instant::now();
    let folder: String =
        name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    let input = lab.root.join(&folder).join("input");
    let mut fleet = Fleet::new(lab, &folder, &input)?;
    fs::create_dir_all(&input).map_err(io("making a folder"))?;
    for role in ["watch", "stage", "sink", "watch", "stage", "sink"] {
        fleet.start(role)?;
    }
    let trickle = Trickle::start(&lab.corpus, &input, time)?;
    fault(&mut fleet)?;
    trickle.end()?;
    finish(lab, &mut fleet, Agreement::UpToFirst)?;
    let peaks: Vec<_> =
        fleet.peaks.iter().map(|(role, bytes)| format!("{role} {} MiB", bytes >> 20)).collect();
    let (seconds, peaks) = (started.elapsed().as_secs(), peaks.join(", "));
    println!("chaos: {name}: 0 lost, 0 doubled ({seconds} s; most memory: {peaks})");
    if let Some((role, bytes)) = fleet.peaks.iter().find(|(_, bytes)| **bytes > MOST_RSS_BYTES) {
        return Err(TaskError::Said(format!("{role} took {} MiB", bytes >> 20)));
    }
    let (nodes, records) = (lab.broker.nodes().len(), lab.expected.len());
    Ok(format!("| {name} | {nodes} | {seconds} | {records} | 0 | 0 | {peaks} |"))
}

/// Waits until all there should be is there, then looks whether it is right.
fn finish(lab: &Lab, fleet: &mut Fleet<'_>, agreement: Agreement) -> Result<(), TaskError> {
    let topic = format!("{}barid.records", fleet.prefix);
    let mut auditor = Auditor::new(lab.broker.address(), &topic, PARTITIONS)?;
    let mut last = Instant::now();
    while auditor.records() < lab.expected.len() {
        if auditor.read(Duration::from_secs(1))? > 0 {
            last = Instant::now();
        }
        fleet.check_running()?;
        if last.elapsed() > PATIENCE {
            let told = differences(&lab.expected, &auditor.lines(), agreement);
            let what = format!(
                "stuck at {} of {} records:\n  {}",
                auditor.records(),
                lab.expected.len(),
                told.join("\n  ")
            );
            return Err(fleet.failed(&what, "stage-0"));
        }
    }
    let records_dir = fleet.root.join("records");
    let in_files = || read_output_with_gaps(&records_dir).map_or(0, |lines| lines.len());
    let last = Instant::now();
    while in_files() < lab.expected.len() && last.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
    }
    fleet.stop_all()?;
    // Whatever else was written shows now.
    auditor.read(Duration::from_secs(2))?;
    let mut told = differences(&lab.expected, &auditor.lines(), agreement);
    told.extend(auditor.doubled().into_iter().take(5));
    let written = read_output_with_gaps(&records_dir).map_err(io("reading the sink's files"))?;
    if written.len() != lab.expected.len() {
        told.push(format!("the sink's files hold {} records, not {}", written.len(), lab.expected.len()));
    }
    told.extend(
        differences(&auditor.lines(), &written, Agreement::Exact)
            .into_iter()
            .map(|told| format!("files: {told}")),
    );
    if told.is_empty() {
        return Ok(());
    }
    Err(TaskError::Said(format!("{}:\n  {}", fleet.root.display(), told.join("\n  "))))
}

/// Lets time pass while all roles must stay up.
pub(super) fn pass(fleet: &mut Fleet<'_>, time: Duration) -> Result<(), TaskError> {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        std::thread::sleep(
            Duration::from_millis(100).min(deadline.saturating_duration_since(Instant::now())),
        );
        fleet.check_running()?;
    }
    Ok(())
}

fn kills(fleet: &mut Fleet<'_>, random: &mut Random, wanted: usize) -> Result<(), TaskError> {
    for _ in 0..wanted {
        pass(fleet, Duration::from_millis(50 + random.below(1_000)))?;
        let at = random.below(fleet.processes.len() as u64) as usize;
        fleet.kill_and_restart(at)?;
    }
    Ok(())
}

/// Each role stands still past its session while its twin takes over, and then wakes up with its work in hand.
fn zombies(fleet: &mut Fleet<'_>) -> Result<(), TaskError> {
    pass(fleet, Duration::from_secs(5))?;
    for first in [0, 3] {
        for at in first..first + 3 {
            fleet.signal(at, Signal::STOP)?;
        }
        pass(fleet, SESSION + Duration::from_secs(4))?;
        for at in first..first + 3 {
            fleet.signal(at, Signal::CONT)?;
        }
        pass(fleet, Duration::from_secs(5))?;
    }
    Ok(())
}

/// From one stage process to four and back, every five seconds.
fn storms(fleet: &mut Fleet<'_>, rounds: usize) -> Result<(), TaskError> {
    let newest = |fleet: &Fleet<'_>| fleet.processes.iter().rposition(|process| process.role == "stage");
    for _ in 0..rounds {
        for _ in 0..2 {
            fleet.start("stage")?;
        }
        pass(fleet, Duration::from_secs(5))?;
        for round in 0..3 {
            let Some(at) = newest(fleet) else { break };
            if round == 0 { fleet.kill(at)? } else { fleet.stop(at)? }
        }
        pass(fleet, Duration::from_secs(5))?;
        fleet.start("stage")?;
    }
    Ok(())
}

/// Two stage processes with one name: one of them must say so and end, the pipeline goes on.
fn twin(fleet: &mut Fleet<'_>) -> Result<(), TaskError> {
    pass(fleet, Duration::from_secs(3))?;
    for number in 0..2 {
        let dir = fleet.root.join(format!("twin-{number}"));
        fleet.start_as("stage", Some((dir, "twin".to_owned())))?;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let ended = fleet.ended()?;
        let Some((name, code)) = ended.first() else {
            if Instant::now() > deadline {
                return Err(fleet.failed("two processes with one name both go on", "stage-2"));
            }
            continue;
        };
        let log = fs::read_to_string(fleet.root.join(format!("{name}.log"))).unwrap_or_default();
        if ended.len() == 1 && *code != Some(0) && log.contains("E0318") {
            println!("chaos: the twin {name} ended with exit code {}: E0318", code.unwrap_or(-1));
            return Ok(());
        }
        return Err(fleet.failed(&format!("of two processes with one name {ended:?} ended"), name));
    }
}

/// Moves a corpus into a folder, article by article in the order of their names, over some time.
struct Trickle {
    end: Arc<AtomicBool>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Trickle {
    fn start(corpus: &Path, input: &Path, time: Duration) -> Result<Self, TaskError> {
        let mut files = Vec::new();
        list(corpus, &mut files).map_err(io("listing the corpus"))?;
        files.sort();
        let pause = time / u32::try_from(files.len().max(1)).unwrap_or(u32::MAX);
        let (corpus, input) = (corpus.to_owned(), input.to_owned());
        let end = Arc::<AtomicBool>::default();
        let hurry = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            for file in files {
                let below = file.strip_prefix(&corpus).map_err(std::io::Error::other)?;
                let target = input.join(below);
                if let Some(folder) = target.parent() {
                    fs::create_dir_all(folder)?;
                }
                let new = input.with_extension("new");
                fs::copy(&file, &new)?;
                fs::rename(&new, &target)?;
                if !hurry.load(Ordering::Acquire) {
                    std::thread::sleep(pause);
                }
            }
            Ok(())
        });
        Ok(Self { end, thread })
    }

    /// Moves the rest at once.
    fn end(self) -> Result<(), TaskError> {
        self.end.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(done) => done.map_err(io("moving the corpus")),
            Err(_) => Err(TaskError::Said("moving the corpus panicked".to_owned())),
        }
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
