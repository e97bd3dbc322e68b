//! What a broker must do before anything is proved on it. Exactly-once delivery rests on these five promises; librdkafka's mock cluster, for one,
//! keeps none of them.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::Offset;

use super::client::{CALL, consumer, create_topic, producer};
use super::error::{BrokerError, client};
use super::node::random;

/// One promise and the experiment that shows whether it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its number and what is promised.
    pub name: &'static str,
    /// The experiment: an error when the promise is broken, or could not be tried.
    pub run: fn(&Lab<'_>) -> Result<(), BrokerError>,
}

/// All five.
pub const CHECKS: [Check; 5] = [
    Check { name: "T1: records of an aborted transaction are hidden", run: aborted_records_are_hidden },
    Check { name: "T2: records of an open transaction are hidden", run: open_transactions_are_invisible },
    Check { name: "T3: a second instance fences the first", run: a_second_instance_fences_the_first },
    Check { name: "T4: offsets are stored with the transaction or not at all", run: offsets_are_atomic },
    Check { name: "T5: a stale generation stores no offsets", run: a_stale_generation_is_refused },
];

/// Runs all checks on that broker, side by side: most of their time is waiting.
pub fn checked(address: &str) -> Result<(), BrokerError> {
    let panicked = |check: &Check| BrokerError::Check {
        check: check.name,
        wanted: "an answer".to_owned(),
        found: "a panic".to_owned(),
    };
    std::thread::scope(|scope| {
        let runs = CHECKS.map(|check| (check, scope.spawn(move || (check.run)(&Lab::new(address)))));
        runs.into_iter().try_for_each(|(check, run)| run.join().map_err(|_| panicked(&check))?)
    })
}

type MakeTopic<'a> = dyn Fn(&str, i32) -> Result<(), BrokerError> + 'a;

/// A broker, and how topics are made there.
pub struct Lab<'a> {
    address: String,
    make_topic: Box<MakeTopic<'a>>,
}

impl<'a> Lab<'a> {
    /// Of a broker that creates topics when asked to.
    pub fn new(address: &str) -> Self {
        let at = address.to_owned();
        Self::with_topics(address, move |name, partitions| create_topic(&at, name, partitions, &[]))
    }

    /// Of one where topics come about in another way.
    pub fn with_topics(
        address: &str,
        make_topic: impl Fn(&str, i32) -> Result<(), BrokerError> + 'a,
    ) -> Self {
        Self { address: address.to_owned(), make_topic: Box::new(make_topic) }
    }

    /// A new topic; its name is also free to use as a group's or a transactional id.
    pub fn topic(&self, partitions: i32) -> Result<String, BrokerError> {
        let name = format!("barid-tests.check.{:x}", random());
        (self.make_topic)(&name, partitions)?;
        Ok(name)
    }

    fn transactional(&self, id: &str) -> Result<BaseProducer, BrokerError> {
        let producer: BaseProducer = producer(&self.address, Some(id))?;
        producer.init_transactions(CALL).map_err(client("init transactions of", id))?;
        Ok(producer)
    }

    /// Writes records to partition 0, outside any transaction; returns when the broker has them all.
    pub fn write(&self, topic: &str, payloads: &[String]) -> Result<(), BrokerError> {
        let producer: BaseProducer = producer(&self.address, None)?;
        payloads.iter().try_for_each(|payload| send(&producer, topic, payload))
    }

    /// What a reader that starts now gets from partition 0 until it is told that there is no more. `level` is `read_committed` or
    /// `read_uncommitted`.
    pub fn read(&self, topic: &str, level: &str) -> Result<Vec<String>, BrokerError> {
        let consumer: BaseConsumer = consumer(&self.address, topic, level)?;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(topic, 0, Offset::Beginning).map_err(client("assign", topic))?;
        consumer.assign(&from).map_err(client("assign", topic))?;
        let (mut read, started) = (Vec::new(), Instant::now());
        while started.elapsed() < CALL {
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => {
                    read.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(read),
                Some(Err(error)) if passes(&error) => {}
                Some(Err(error)) => return Err(client("read", topic)(error)),
            }
        }
        Err(waited("read to the end of", topic, &read))
    }

    /// Reads committed records again and again until there are `least`: the broker writes a transaction's end after it has said yes to it.
    fn read_committed(&self, topic: &str, least: usize) -> Result<Vec<String>, BrokerError> {
        let started = Instant::now();
        loop {
            let read = self.read(topic, "read_committed")?;
            if read.len() >= least {
                return Ok(read);
            }
            if started.elapsed() > CALL {
                return Err(waited("read committed records of", topic, &read));
            }
        }
    }

    /// What the group has stored for partition 0.
    fn stored(&self, group: &str, topic: &str) -> Result<Offset, BrokerError> {
        let consumer: BaseConsumer = consumer(&self.address, group, "read_committed")?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, 0);
        let stored = consumer.committed_offsets(asked, CALL).map_err(client("ask offsets of", group))?;
        Ok(stored.find_partition(topic, 0).map_or(Offset::Invalid, |partition| partition.offset()))
    }
}

/// True for what a consumer tells when one node of several is down: another one leads soon.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure};
    matches!(error, KafkaError::MessageConsumption(AllBrokersDown | BrokerTransportFailure))
}

fn waited(operation: &'static str, object: &str, found: &[String]) -> BrokerError {
    let found = format!("{found:?}");
    BrokerError::Waited { operation, object: object.to_owned(), seconds: CALL.as_secs(), found }
}

fn expect<T: PartialEq + std::fmt::Debug>(check: usize, wanted: T, found: T) -> Result<(), BrokerError> {
    if wanted == found {
        return Ok(());
    }
    let check = CHECKS[check - 1].name;
    Err(BrokerError::Check { check, wanted: format!("{wanted:?}"), found: format!("{found:?}") })
}

/// Sends and waits until the broker has it.
fn send(producer: &BaseProducer, topic: &str, payload: &str) -> Result<(), BrokerError> {
    let record = BaseRecord::<(), str>::to(topic).partition(0).payload(payload);
    producer.send(record).map_err(|(error, _)| client("send to", topic)(error))?;
    producer.flush(CALL).map_err(client("send to", topic))
}

fn begin(producer: &BaseProducer) -> Result<(), BrokerError> {
    producer.begin_transaction().map_err(client("begin", "a transaction"))
}

fn commit(producer: &BaseProducer) -> Result<(), BrokerError> {
    producer.commit_transaction(CALL).map_err(client("commit", "a transaction"))
}

fn abort(producer: &BaseProducer) -> Result<(), BrokerError> {
    producer.abort_transaction(CALL).map_err(client("abort", "a transaction"))
}

fn send_offset(
    producer: &BaseProducer,
    topic: &str,
    offset: i64,
    group: &ConsumerGroupMetadata,
) -> Result<(), KafkaError> {
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(topic, 0, Offset::Offset(offset))?;
    producer.send_offsets_to_transaction(&offsets, group, CALL)
}

/// T1. One transaction aborts, the next commits: a reader of committed records gets the second only. That the first was written is seen by a reader
/// of everything.
pub fn aborted_records_are_hidden(lab: &Lab<'_>) -> Result<(), BrokerError> {
    let topic = lab.topic(1)?;
    let producer = lab.transactional(&topic)?;
    begin(&producer)?;
    send(&producer, &topic, "aborted")?;
    abort(&producer)?;
    begin(&producer)?;
    send(&producer, &topic, "committed")?;
    commit(&producer)?;
    expect(1, vec!["committed".to_owned()], lab.read_committed(&topic, 1)?)?;
    expect(1, vec!["aborted".to_owned(), "committed".to_owned()], lab.read(&topic, "read_uncommitted")?)
}

/// T2. While a transaction is open, a reader of committed records gets neither its record nor one that another producer wrote behind it; after the
/// commit it gets both, in their order.
pub fn open_transactions_are_invisible(lab: &Lab<'_>) -> Result<(), BrokerError> {
    let topic = lab.topic(1)?;
    let writer = lab.transactional(&topic)?;
    begin(&writer)?;
    send(&writer, &topic, "open")?;
    let plain: BaseProducer = producer(&lab.address, None)?;
    send(&plain, &topic, "behind")?;
    let both = vec!["open".to_owned(), "behind".to_owned()];
    expect(2, both.clone(), lab.read(&topic, "read_uncommitted")?)?;
    expect(2, Vec::new(), lab.read(&topic, "read_committed")?)?;
    commit(&writer)?;
    expect(2, both, lab.read_committed(&topic, 2)?)
}

/// T3. A second producer with the same transactional id ends the first one's open transaction; the first can no longer commit.
pub fn a_second_instance_fences_the_first(lab: &Lab<'_>) -> Result<(), BrokerError> {
    let topic = lab.topic(1)?;
    let first = lab.transactional(&topic)?;
    begin(&first)?;
    send(&first, &topic, "of the zombie")?;
    let second = lab.transactional(&topic)?;
    match first.commit_transaction(CALL) {
        Err(KafkaError::Transaction(error)) if error.is_fatal() => {}
        outcome => expect(3, "a fatal error at the zombie's commit".to_owned(), format!("{outcome:?}"))?,
    }
    begin(&second)?;
    send(&second, &topic, "of the successor")?;
    commit(&second)?;
    expect(3, vec!["of the successor".to_owned()], lab.read_committed(&topic, 1)?)
}

/// T4. Offsets sent to a transaction that aborts are not stored; those of one that commits are, and its record is visible.
pub fn offsets_are_atomic(lab: &Lab<'_>) -> Result<(), BrokerError> {
    let topic = lab.topic(1)?;
    let producer = lab.transactional(&topic)?;
    let reader: BaseConsumer = consumer(&lab.address, &topic, "read_committed")?;
    let mut from = TopicPartitionList::new();
    from.add_partition(&topic, 0);
    reader.assign(&from).map_err(client("assign", &topic))?;
    let group = metadata(&reader, &topic)?;
    for (offset, commits) in [(7, false), (3, true)] {
        begin(&producer)?;
        send(&producer, &topic, if commits { "committed" } else { "aborted" })?;
        send_offset(&producer, &topic, offset, &group).map_err(client("send offsets of", &topic))?;
        if commits {
            commit(&producer)?;
            expect(4, Offset::Offset(offset), lab.stored(&topic, &topic)?)?;
        } else {
            abort(&producer)?;
            expect(4, Offset::Invalid, lab.stored(&topic, &topic)?)?;
        }
    }
    expect(4, vec!["committed".to_owned()], lab.read_committed(&topic, 1)?)
}

/// T5. After another member has joined, offsets sent under the group's former generation are refused; those of the present one are stored.
pub fn a_stale_generation_is_refused(lab: &Lab<'_>) -> Result<(), BrokerError> {
    let topic = lab.topic(2)?;
    let producer = lab.transactional(&topic)?;
    let join = || -> Result<BaseConsumer, BrokerError> {
        let member: BaseConsumer = consumer(&lab.address, &topic, "read_committed")?;
        member.subscribe(&[&topic]).map_err(client("join", &topic))?;
        Ok(member)
    };
    let first = join()?;
    settle(&[&first], &topic, 2)?;
    let stale = metadata(&first, &topic)?;
    let second = join()?;
    settle(&[&first, &second], &topic, 1)?;
    begin(&producer)?;
    match send_offset(&producer, &topic, 7, &stale) {
        Err(KafkaError::Transaction(error)) if error.code() == RDKafkaErrorCode::IllegalGeneration => {}
        outcome => expect(5, "an illegal generation".to_owned(), format!("{outcome:?}"))?,
    }
    abort(&producer)?;
    expect(5, Offset::Invalid, lab.stored(&topic, &topic)?)?;
    begin(&producer)?;
    let present = metadata(&first, &topic)?;
    send_offset(&producer, &topic, 3, &present).map_err(client("send offsets of", &topic))?;
    commit(&producer)?;
    expect(5, Offset::Offset(3), lab.stored(&topic, &topic)?)
}

fn metadata(member: &BaseConsumer, group: &str) -> Result<ConsumerGroupMetadata, BrokerError> {
    member.group_metadata().ok_or_else(|| waited("ask for the metadata of", group, &[]))
}

/// Polls the members until each has that many partitions of its own.
fn settle(members: &[&BaseConsumer], group: &str, partitions: usize) -> Result<(), BrokerError> {
    let (started, mut counts) = (Instant::now(), Vec::new());
    while started.elapsed() < CALL {
        counts.clear();
        for member in members {
            match member.poll(Duration::from_millis(20)) {
                None | Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if passes(&error) => {}
                Some(Err(error)) => return Err(client("join", group)(error)),
            }
            let assigned = member.assignment().map_err(client("ask for the assignment of", group))?;
            counts.push(assigned.count());
        }
        if counts.iter().all(|count| *count == partitions) {
            return Ok(());
        }
    }
    Err(waited("settle", group, &counts.iter().map(ToString::to_string).collect::<Vec<_>>()))
}
