//! What the tests share: a pipeline of their own on the shared broker, messages, readers that know nothing of barid, and processes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barid_log::{Control, Kafka, Log, Outgoing, TopicPlan, Unit, Wish, Worker, WorkerSpec};
use barid_record::Topic;
use barid_tests::dies_with_us;
use barid_tests::kafka::Broker;
use barid_tests::worker::{COUNTS, Job, Post};
use bytes::Bytes;
use prometheus::Registry;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Without anything new for this long a test has failed; only spent then.
const PATIENCE: Duration = Duration::from_secs(120);
/// Keys of the messages: enough to meet every partition.
const KEYS: u64 = 40;
pub(crate) const PARTITIONS: u32 = 4;
/// The messages' timestamps are of some day in the past: brokers go by them.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Topics of its own.
pub(crate) struct Lab {
    pub(crate) brokers: String,
    pub(crate) prefix: String,
    pub(crate) dir: TempDir,
}

/// What a plain reader got.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Lab {
    pub(crate) fn new(broker: &Broker) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("faults{}-{number}.", std::process::id());
        let dir = tempfile::tempdir().expect("a folder");
        let lab = Self { brokers: broker.address().to_owned(), prefix, dir };
        let plan = TopicPlan { partitions: PARTITIONS, retention: FOR_EVER, ..TopicPlan::default() };
        lab.open("maker").create_topics(&plan, &[COUNTS]).expect("topics");
        lab
    }

    /// A worker's place, with a folder of its own.
    pub(crate) fn post(&self, place: &str) -> Post {
        Post::new(&self.brokers, &self.prefix, &self.dir.path().join(place))
    }

    pub(crate) fn open(&self, place: &str) -> Kafka {
        Kafka::open(self.post(place).config(&Control::default()), &Registry::new()).expect("a log")
    }

    pub(crate) fn name(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// Writes messages with these numbers to `barid.raw`, the number being the value.
    pub(crate) fn produce(&self, numbers: std::ops::Range<u64>) {
        let log = self.open("producer");
        let mut producer = producer(&log);
        let numbers: Vec<u64> = numbers.collect();
        for some in numbers.chunks(500) {
            let produced = some.iter().map(|number| message(*number)).collect();
            let ticket = producer.submit(Unit { produced, ..Unit::default() }).expect("submitted");
            producer.wait(ticket).expect("durable");
        }
    }

    /// Everything that a plain read_committed reader finds in a topic once there are so many messages, and a little later.
    pub(crate) fn read(&self, topic: Topic, least: usize) -> Vec<Seen> {
        self.read_and_wait(topic, least, Duration::from_millis(1500))
    }

    /// Returns as soon as there are so many messages.
    pub(crate) fn wait_for(&self, topic: Topic, least: usize) {
        self.read_and_wait(topic, least, Duration::ZERO);
    }

    fn read_and_wait(&self, topic: Topic, least: usize, more: Duration) -> Vec<Seen> {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", &self.brokers).set("group.id", "a reader");
        settings.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
        let reader: BaseConsumer = settings.create().expect("a reader");
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS.cast_signed() {
            all.add_partition_offset(&self.name(topic), partition, Offset::Beginning).expect("an offset");
        }
        reader.assign(&all).expect("assigned");
        let (mut seen, mut last, mut enough) = (Vec::new(), Instant::now(), None);
        while enough.is_none_or(|enough: Instant| enough.elapsed() < more) && last.elapsed() < PATIENCE {
            // An error is a broker being down, which some tests want.
            let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) else { continue };
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            let (partition, offset) = (message.partition(), message.offset());
            seen.push(Seen { partition, offset, key: text(message.key()), value: text(message.payload()) });
            last = Instant::now();
            enough = (seen.len() >= least).then(|| *enough.get_or_insert(last));
        }
        assert!(seen.len() >= least, "only {} of {least} messages came: {}", seen.len(), self.extents());
        seen
    }

    /// For whoever looks at a failure: what is where, and how far the groups are.
    fn extents(&self) -> String {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", &self.brokers).set("group.id", "a look");
        settings.set("isolation.level", "read_uncommitted");
        let look: BaseConsumer = settings.create().expect("a client");
        let mut told = Vec::new();
        for topic in [Topic::Raw, Topic::Articles, Topic::Records] {
            for partition in 0..PARTITIONS.cast_signed() {
                let ends = look.fetch_watermarks(&self.name(topic), partition, PATIENCE);
                told.push(format!("{}/{partition} written {ends:?}", topic.name()));
            }
        }
        format!("{}\n{:#?}", told.join("\n"), self.open("look").status())
    }

    /// Starts a worker as a process.
    pub(crate) fn process(&self, job: Job, post: &Post) -> Process {
        let mut command = dies_with_us(env!("CARGO_BIN_EXE_kafka-worker").as_ref());
        command.arg(job.word()).args(post.words());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let output = child.stdout.take().expect("its output");
        let said = Arc::<Mutex<Vec<String>>>::default();
        let hears = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                hears.lock().expect("no panic").push(line);
            }
        });
        Process { input: child.stdin.take(), child, said }
    }
}

pub(crate) fn producer(log: &Kafka) -> Box<dyn Worker> {
    let spec = WorkerSpec { group: "producer".into(), inputs: Vec::new(), tables: Vec::new() };
    log.worker(spec).expect("a producer")
}

/// The message of that number.
pub(crate) fn message(number: u64) -> Outgoing {
    Outgoing {
        topic: Topic::Raw,
        timestamp_ms: 1_790_000_000_000,
        key: Bytes::from(format!("key {}", number % KEYS)),
        headers: Vec::new(),
        value: Bytes::from(number.to_string()),
    }
}

/// Panics unless each of these numbers came, once where `once`, and within each key in order.
pub(crate) fn assert_copied(seen: &[Seen], numbers: std::ops::Range<u64>, once: bool) {
    let mut of_key: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for message in seen {
        of_key.entry(&message.key).or_default().push(message.value.parse().expect("a number"));
    }
    let came: BTreeSet<u64> = of_key.values().flatten().copied().collect();
    let lost: Vec<u64> = numbers.clone().filter(|number| !came.contains(number)).take(10).collect();
    assert!(lost.is_empty(), "lost {lost:?} and perhaps more, of {numbers:?}");
    if once {
        assert_eq!(seen.len(), came.len(), "some came more than once");
        for (key, numbers) in of_key {
            assert!(numbers.is_sorted(), "{key} is out of order");
        }
    }
}

/// Panics unless the counts are 1, 2, 3, ... to `last`, each once.
pub(crate) fn assert_counted(seen: &[Seen], last: u64) {
    let mut counts: Vec<u64> = seen.iter().map(|message| message.value.parse().expect("a number")).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=last).collect::<Vec<_>>());
}

/// Stops workers in threads when a test ends, however it ends: it would wait for them for ever.
pub(crate) struct Stops(pub(crate) Control);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.ask(Wish::Stop);
    }
}

/// A worker's process. It ends with the test.
pub(crate) struct Process {
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it takes signals");
    }

    /// How often it said that.
    pub(crate) fn said(&self, what: &str) -> usize {
        self.said.lock().expect("no panic").iter().filter(|line| line.starts_with(what)).count()
    }

    pub(crate) fn wait_for(&mut self, what: &str) {
        self.wait_for_times(what, 1);
    }

    pub(crate) fn wait_for_times(&mut self, what: &str, times: usize) {
        until(what, || {
            if self.said(what) >= times {
                return true;
            }
            self.assert_running();
            false
        });
    }

    /// Panics when it has ended by itself.
    pub(crate) fn assert_running(&mut self) {
        let ended = self.child.try_wait().expect("a process of ours");
        assert!(ended.is_none(), "ended with {ended:?}: {:?}", self.said);
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("its end");
    }

    /// Asks it to end; it must end well.
    pub(crate) fn stop(mut self) {
        drop(self.input.take());
        let status = self.child.wait().expect("its end");
        assert!(status.success(), "{status}: {:?}", self.said);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Mostly it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for what must come; the limit only ends a test that would hang.
pub(crate) fn until(what: &str, mut come: impl FnMut() -> bool) {
    let started = Instant::now();
    while !come() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
