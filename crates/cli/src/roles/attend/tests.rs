//! Joining again, on a log that fails as it is told to.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use barid_log::{Batch, Limit, LogError, LogStatus, Message, Table, Ticket, Unit, Worker, WorkerSpec};
use barid_record::Topic;
use bytes::Bytes;
use prometheus::Registry;

use super::*;
use crate::run::RunError;

/// Answers each join with the next of these; `Ok` gives a worker that nobody uses.
struct Scripted {
    joins: Mutex<VecDeque<Result<(), LogError>>>,
    joined: AtomicUsize,
}

impl Scripted {
    fn new(joins: impl IntoIterator<Item = Result<(), LogError>>) -> Self {
        Self { joins: Mutex::new(joins.into_iter().collect()), joined: AtomicUsize::new(0) }
    }
}

impl Log for Scripted {
    fn worker(&self, _: WorkerSpec) -> Result<Box<dyn Worker>, LogError> {
        self.joined.fetch_add(1, Ordering::SeqCst);
        let next = self.joins.lock().unwrap().pop_front().expect("nobody joins after the script's end");
        next.map(|()| Box::new(Unused) as Box<dyn Worker>)
    }
    fn read(&self, _: Topic, _: u32, _: u64, _: Limit) -> Result<Vec<Message>, LogError> {
        unreachable!("no role reads without a worker")
    }
    fn end(&self, _: Topic, _: u32) -> Result<u64, LogError> {
        unreachable!("joining asks for no end")
    }
    fn status(&self) -> Result<LogStatus, LogError> {
        unreachable!("joining asks for no status")
    }
}

struct Unused;

impl Worker for Unused {
    fn poll(&mut self, _: Limit, _: Duration) -> Result<Batch, LogError> {
        unreachable!()
    }
    fn get(&mut self, _: Table, _: &[u8]) -> Result<Option<Bytes>, LogError> {
        unreachable!()
    }
    fn scan(&mut self, _: Table, _: &[u8], _: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LogError> {
        unreachable!()
    }
    fn submit(&mut self, _: Unit) -> Result<Ticket, LogError> {
        unreachable!()
    }
    fn wait(&mut self, _: Ticket) -> Result<(), LogError> {
        unreachable!()
    }
    fn durable(&self) -> Option<Ticket> {
        unreachable!()
    }
    fn position(&self, _: Topic, _: u32) -> u64 {
        unreachable!()
    }
    fn hold(&mut self, _: Topic, _: u32, _: bool) -> Result<(), LogError> {
        unreachable!()
    }
    fn partitions(&self, _: Topic) -> Vec<u32> {
        unreachable!()
    }
    fn tend(&mut self) -> Result<(), LogError> {
        unreachable!()
    }
    fn message_limit(&self, _: Topic) -> usize {
        unreachable!()
    }
}

fn lost() -> LogError {
    LogError::Lost { group: "stage.decide".into(), cause: "another one is the owner".into() }
}

fn unreachable_brokers() -> LogError {
    LogError::Unreachable { operation: "join", brokers: "b:9092".into(), what: "refused".into() }
}

fn missing() -> LogError {
    LogError::TopicMissing { topic: "t.barid.raw".into() }
}

fn unfit() -> LogError {
    LogError::TopicUnfit { topic: "t.barid.owners".into(), what: "two partitions".into() }
}

fn stopped() -> LogError {
    LogError::Stopped { operation: "join", cause: "told to".into() }
}

/// Attends to a worker whose runs end with these, and is told to stop once they are used up.
fn attended(
    log: &Scripted,
    runs: impl IntoIterator<Item = Result<(), LogError>>,
) -> (Result<(), CliError>, Workers) {
    let control = Control::default();
    let registry = Registry::new();
    let workers = Workers::register(&registry, &["stage.decide"]).unwrap();
    let is_active = || registry.gather()[0].get_metric()[0].get_gauge().get_value() == 1.0;
    let runs = Mutex::new(runs.into_iter().collect::<VecDeque<_>>());
    let part = Alone {
        spec: WorkerSpec { group: "stage.decide".into(), inputs: Vec::new(), tables: Vec::new() },
        work: Box::new(|_, _| {
            assert!(is_active() && workers.problems().is_empty(), "who works is active and ready");
            let mut runs = runs.lock().unwrap();
            let result = runs.pop_front().expect("a run that the test foresaw");
            if runs.is_empty() {
                control.ask(Wish::Stop);
            }
            result.map_err(|error| RunError::from(barid_stage::StageError::from(error)))
        }),
    };
    let result = attend(&part, log, &control, &workers);
    assert!(!is_active(), "who has ended is not active");
    drop(part);
    (result, workers)
}

#[test]
fn it_joins_again_after_a_loss_and_while_brokers_are_away() {
    let log = Scripted::new([Err(unreachable_brokers()), Ok(()), Ok(())]);
    let (result, workers) = attended(&log, [Err(lost()), Ok(())]);
    result.unwrap();
    assert_eq!(log.joined.load(Ordering::SeqCst), 3);
    assert_eq!(workers.problems(), ["worker stage.decide has ended"]);
}

#[test]
fn what_joining_again_cannot_heal_ends_it_with_the_code_of_the_cause() {
    let log = Scripted::new([Err(lost()), Err(unfit())]);
    let (result, workers) = attended(&log, []);
    let error = result.unwrap_err();
    assert_eq!(error.stable_code(), "E0320");
    assert_eq!(error.hint(), Some(unfit().hint().to_owned()));
    assert_eq!(workers.problems().len(), 1, "{:?}", workers.problems());
    // The same from a run that had begun.
    let (result, _) = attended(&Scripted::new([Ok(())]), [Err(unfit())]);
    assert_eq!(result.unwrap_err().stable_code(), "E0320");
}

#[test]
fn a_topic_that_was_just_made_is_waited_for_and_one_that_nobody_made_is_not() {
    let log = Scripted::new([Err(missing()), Err(missing()), Ok(())]);
    attended(&log, [Ok(())]).0.unwrap();
    assert_eq!(log.joined.load(Ordering::SeqCst), 3);

    let mut trouble = Trouble::default();
    let start = Instant::now();
    let mut waits = |error: LogError, seconds| {
        trouble.may_appear(&CliError::from(error), start + Duration::from_secs(seconds))
    };
    assert!(waits(missing(), 0) && waits(missing(), 4));
    assert!(!waits(missing(), 5));
    assert!(!waits(lost(), 6), "that is another matter");
    assert!(waits(missing(), 7), "it was there in between");
}

#[test]
fn a_loss_while_stopping_is_an_orderly_end() {
    for error in [lost(), unreachable_brokers(), stopped()] {
        let (result, _) = attended(&Scripted::new([Ok(())]), [Err(error)]);
        result.unwrap();
    }
    // A fault is a fault all the same.
    let (result, _) = attended(&Scripted::new([Ok(())]), [Err(unfit())]);
    assert!(result.is_err());
    // Nor is a log that stopped by itself an end that was asked for.
    let (result, _) = attended(&Scripted::new([Err(stopped())]), []);
    assert_eq!(result.unwrap_err().stable_code(), "E0312");
}

#[test]
fn pauses_double_and_a_minute_of_work_heals() {
    let mut trouble = Trouble::default();
    let mut after = |seconds| trouble.pause_after(Duration::from_secs(seconds)).as_millis();
    let pauses: Vec<_> = (0..8).map(|_| after(0)).collect();
    assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    assert_eq!(after(59), 10_000);
    assert_eq!((after(60), after(1)), (200, 400));
}

#[test]
fn trouble_is_said_once_and_again_while_it_lasts() {
    let mut trouble = Trouble::default();
    let start = Instant::now();
    let mut said = |code, seconds| trouble.is_news(code, start + Duration::from_secs(seconds));
    assert!(said("E0316", 0));
    assert!(!said("E0316", 9));
    assert!(said("E0315", 9), "other trouble is news");
    assert!(!said("E0315", 18));
    assert!(said("E0315", 19));
}
