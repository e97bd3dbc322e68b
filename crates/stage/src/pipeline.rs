//! The loop of both stateless readers: poll, prepare in parallel, finish in order, submit. One batch is prepared while the one before it is
//! finished and the one before that becomes durable.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use barid_log::{Control, Limit, Message, Position, Wish, Worker, failpoint};

use crate::hand::Hand;
use crate::tally::Ledger;
use crate::{Metrics, StageConfig, StageError, Summary};

/// How long a poll waits while nothing is in hand.
pub(crate) const POLL_WAIT: Duration = Duration::from_millis(50);
/// Messages handed to a parser at once: few enough to keep all parsers busy, many enough to make hand-over cheap.
const CHUNK: usize = 16;

/// What every loop of the stage is given.
pub(crate) struct Setup<'a> {
    pub(crate) config: &'a StageConfig,
    pub(crate) metrics: &'a Metrics,
    pub(crate) control: &'a Control,
    pub(crate) progress: &'a dyn Fn(&Summary),
    /// Crash points: after a poll, after a batch was finished, after it was submitted.
    pub(crate) points: [&'static str; 3],
}

/// A run of messages, and where to send what became of them.
struct Job<T> {
    messages: Vec<Message>,
    answer: Sender<Vec<(Position, T)>>,
}

/// A batch in the hands of the parsers.
struct Ahead<T> {
    answers: Vec<Receiver<Vec<(Position, T)>>>,
    started: Instant,
}

/// Puts what was prepared of one message into the unit in hand.
pub(crate) type Finish<'a, T> = dyn FnMut(T, &mut dyn Worker, &mut Hand) -> Result<(), StageError> + 'a;

/// Runs until asked to end. With [`Wish::Drain`] every message there is goes through first.
pub(crate) fn pipeline<T: Send>(
    setup: &Setup<'_>,
    mut worker: Box<dyn Worker>,
    prepare: &(dyn Fn(Message) -> T + Sync),
    finish: &mut Finish<'_, T>,
) -> Result<Summary, StageError> {
    std::thread::scope(|scope| {
        let parsers = (0..setup.config.parser_threads.max(1)).map(|_| {
            let (jobs, receiver) = channel();
            scope.spawn(move || parser(&receiver, prepare));
            jobs
        });
        let mut pipeline = Pipeline {
            setup,
            worker: worker.as_mut(),
            parsers: parsers.collect(),
            ahead: None,
            ledger: Ledger::new(setup.metrics),
        };
        loop {
            match pipeline.turn(finish) {
                Ok(false) => {}
                Ok(true) => return Ok(pipeline.ledger.summary),
                // What is in hand comes again, so it must not go out twice: the parsers' answers are left unread.
                Err(StageError::Log(error)) if error.is_rewound() => {
                    tracing::debug!(%error, "rewound");
                    pipeline.settle();
                    pipeline.ledger.forget();
                    pipeline.ahead = None;
                }
                Err(error) => {
                    // What is durable counts, whoever goes on from there.
                    pipeline.settle();
                    return Err(error);
                }
            }
        }
    })
}

struct Pipeline<'a, T> {
    setup: &'a Setup<'a>,
    worker: &'a mut dyn Worker,
    parsers: Vec<Sender<Job<T>>>,
    ahead: Option<Ahead<T>>,
    ledger: Ledger<'a>,
}

impl<T> Pipeline<'_, T> {
    /// One batch further. True when the loop is to end.
    fn turn(&mut self, finish: &mut Finish<'_, T>) -> Result<bool, StageError> {
        let [polled, finished, submitted] = self.setup.points;
        let config = self.setup.config;
        let limit = Limit { messages: config.batch_documents.max(1), bytes: config.batch_bytes };
        let wish = self.setup.control.wish();
        // While a batch is being prepared, look for the next one without waiting for it.
        let wait = if self.ahead.is_some() { Duration::ZERO } else { POLL_WAIT };
        let batch = if wish == Wish::Stop { Vec::new() } else { self.worker.poll(limit, wait)? };
        failpoint(polled);
        let next = (!batch.is_empty()).then(|| self.deal(batch));
        let current = std::mem::replace(&mut self.ahead, next);
        if let Some(current) = current {
            let mut hand = Hand::default();
            for answer in current.answers {
                for (position, prepared) in answer.recv().map_err(|_| StageError::ParserGone)? {
                    finish(prepared, self.worker, &mut hand)?;
                    hand.consumed(position);
                }
            }
            failpoint(finished);
            let ticket = self.worker.submit(hand.unit)?;
            failpoint(submitted);
            self.ledger.submitted(ticket, hand.tally);
            self.setup.metrics.batch_seconds.observe(current.started.elapsed().as_secs_f64());
        } else if self.ahead.is_none() && wish > Wish::Run {
            if let Some(ticket) = self.ledger.last() {
                self.worker.wait(ticket)?;
            }
            self.settle();
            return Ok(true);
        }
        self.settle();
        Ok(false)
    }

    fn settle(&mut self) {
        if self.ledger.settle(self.worker.durable()) {
            (self.setup.progress)(&self.ledger.summary);
        }
    }

    /// Splits a batch into jobs dealt out to the parsers in turn; the answers come back in the same order.
    fn deal(&self, messages: Vec<Message>) -> Ahead<T> {
        let mut answers = Vec::new();
        let mut messages = messages.into_iter().peekable();
        for parser in self.parsers.iter().cycle() {
            if messages.peek().is_none() {
                break;
            }
            let (answer, receiver) = channel();
            // A parser that is gone drops its answer, which the receiving end reports.
            let _ = parser.send(Job { messages: messages.by_ref().take(CHUNK).collect(), answer });
            answers.push(receiver);
        }
        Ahead { answers, started: Instant::now() }
    }
}

/// Takes jobs until the channel closes.
fn parser<T>(jobs: &Receiver<Job<T>>, prepare: &(dyn Fn(Message) -> T + Sync)) {
    for job in jobs {
        let prepared = job.messages.into_iter().map(|message| (message.next(), prepare(message)));
        // The one who asked may be gone (the stage stopped, or was rewound): then nobody needs the answer.
        let _ = job.answer.send(prepared.collect());
    }
}
