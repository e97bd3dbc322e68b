//! What the workers of one process share: the cluster, this process's place on disk and its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barid_record::Topic;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer;

use super::client::{self, Context, KafkaConsumer, Names, REQUEST, failed};
use super::config::KafkaConfig;
use super::metrics::Metrics;
use super::sync::lock;
use super::topics::Known;
use crate::{LogError, folder_lock};

/// Processes that may share one configured folder.
const SLOTS: usize = 64;
/// So many take-overs of our name within [`FENCES_WITHIN`] mean another process: a pause of ours, or a broker that lost its last seconds, gives one.
const MOST_FENCES: usize = 6;
const FENCES_WITHIN: Duration = Duration::from_secs(120);
/// A dead member says so each time it is asked: that counts once.
const ONE_FENCE: Duration = Duration::from_millis(500);

/// The cluster as one process sees it.
pub(crate) struct Cluster {
    pub(crate) config: KafkaConfig,
    pub(crate) names: Names,
    pub(crate) metrics: Metrics,
    pub(crate) instance: String,
    pub(crate) known: Mutex<Known>,
    /// Asks what readers of committed messages see.
    committed: Asker,
    /// Asks what there is with open transactions included.
    written: Asker,
    /// Reads for people.
    pub(crate) reader: Mutex<KafkaConsumer>,
    slot: Slot,
    live_groups: Mutex<BTreeSet<String>>,
    /// When another member with our name was heard of, by group.
    fences: Mutex<Vec<(String, Instant)>>,
    /// What the groups that this process has joined read.
    joined: Mutex<BTreeMap<String, Vec<Topic>>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("brokers", &self.config.brokers)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    pub(crate) fn connect(config: KafkaConfig, metrics: Metrics) -> Result<Self, LogError> {
        let slot = Slot::take(&config.dir)?;
        let instance = match &config.instance {
            Some(name) if slot.number == 0 => name.clone(),
            Some(name) => format!("{name}-{}", slot.number),
            None => slot.name()?,
        };
        let names = Names::new(&config.prefix, &config.scope);
        let mut settings = client::consumer(&config, &names.group("inspect"), 1);
        let (committed, reader) = (Asker::new(&settings)?, Asker::make(&settings)?);
        settings.set("isolation.level", "read_uncommitted");
        let written = Asker::new(&settings)?;
        let known = Known::ask(&config, &names, &committed.client())?;
        Ok(Self {
            names,
            metrics,
            instance,
            known: Mutex::new(known),
            committed,
            written,
            reader: Mutex::new(reader),
            slot,
            live_groups: Mutex::default(),
            fences: Mutex::default(),
            joined: Mutex::default(),
            config,
        })
    }

    /// Asks for the topics anew.
    pub(crate) fn refresh(&self) -> Result<(), LogError> {
        let known = Known::ask(&self.config, &self.names, &self.committed.client())?;
        *lock(&self.known) = known;
        Ok(())
    }

    /// Every partition of a topic.
    pub(crate) fn partitions(&self, topic: Topic) -> Result<Vec<(Topic, u32)>, LogError> {
        let count = lock(&self.known).partitions(&self.names.topic(topic))?;
        Ok((0..count).map(|partition| (topic, partition)).collect())
    }

    /// The folder of a group's local state.
    pub(crate) fn state_dir(&self, group: &str) -> PathBuf {
        self.slot.dir.join("state").join(self.names.folder(group))
    }

    /// First offset of a partition, and the end that readers of committed messages see.
    pub(crate) fn extent(&self, topic: &str, partition: u32) -> Result<(u64, u64), LogError> {
        self.committed.extent(topic, partition)
    }

    /// The end of a partition with open transactions included.
    pub(crate) fn written(&self, topic: &str, partition: u32) -> Result<u64, LogError> {
        Ok(self.written.extent(topic, partition)?.1)
    }

    /// The groups that the brokers know, by their full names.
    pub(crate) fn group_names(&self) -> Result<Vec<String>, LogError> {
        let known = self
            .committed
            .client()
            .fetch_group_list(None, REQUEST)
            .map_err(|error| failed("list", "consumer groups", &error))?;
        Ok(known.groups().iter().map(|group| group.name().to_owned()).collect())
    }

    /// Which process owns a group's state, as its members tell: `None` when nobody answers, or there is none just now.
    pub(crate) fn owner_of(&self, group: &str) -> Option<String> {
        let name = self.names.group(group);
        let groups = self.committed.client().fetch_group_list(Some(&name), REQUEST).ok()?;
        let group = groups.groups().iter().find(|known| known.name() == name)?;
        let owner = group.members().iter().find(|member| has_partitions(member.assignment()))?;
        Some(format!("{} at {}", owner.client_id(), owner.client_host().trim_start_matches('/')))
    }

    /// Another member has our name: joining again settles it, unless it keeps coming back.
    pub(crate) fn fenced(&self, group: &str, cause: String) -> LogError {
        let mut fences = lock(&self.fences);
        fences.retain(|(_, at)| at.elapsed() < FENCES_WITHIN);
        let is_told = fences.iter().any(|(known, at)| known == group && at.elapsed() < ONE_FENCE);
        if !is_told {
            fences.push((group.to_owned(), Instant::now()));
        }
        let of_group = fences.iter().filter(|(known, _)| known == group).count();
        let group = group.to_owned();
        if of_group < MOST_FENCES {
            return LogError::Lost { group, cause };
        }
        LogError::Fenced { group, instance: self.instance.clone() }
    }

    /// The groups this process has joined, and what they read.
    pub(crate) fn joined(&self) -> BTreeMap<String, Vec<Topic>> {
        lock(&self.joined).clone()
    }

    /// Takes a worker's place in a group, once a process.
    pub(crate) fn enter(self: &Arc<Self>, group: &str, inputs: &[Topic]) -> Result<Place, LogError> {
        lock(&self.joined).insert(group.to_owned(), inputs.to_vec());
        if !lock(&self.live_groups).insert(group.to_owned()) {
            return Err(LogError::GroupBusy { group: group.to_owned() });
        }
        Ok(Place { cluster: Arc::clone(self), group: group.to_owned() })
    }
}

/// Whether a member's assignment, in the form of the consumer protocol (version, then the count of topics), names any topic.
fn has_partitions(assignment: Option<&[u8]>) -> bool {
    let count = assignment.and_then(|bytes| bytes.get(2..6)?.try_into().ok()).map(i32::from_be_bytes);
    count.is_some_and(|topics| topics > 0)
}

/// A client that is only asked questions.
struct Asker {
    settings: ClientConfig,
    client: Mutex<Arc<KafkaConsumer>>,
}

impl Asker {
    fn new(settings: &ClientConfig) -> Result<Self, LogError> {
        let client = Mutex::new(Arc::new(Self::make(settings)?));
        Ok(Self { settings: settings.clone(), client })
    }

    fn make(settings: &ClientConfig) -> Result<KafkaConsumer, LogError> {
        let made = settings.create_with_context(Context::default());
        made.map_err(|error| failed("connect", "a client that asks questions", &error))
    }

    fn client(&self) -> Arc<KafkaConsumer> {
        Arc::clone(&lock(&self.client))
    }

    /// First offset and end of a partition. A client that reads nothing may hold a partition for unknown long after brokers that stood still
    /// answer again: a refusal counts only when a new client gets it too.
    fn extent(&self, topic: &str, partition: u32) -> Result<(u64, u64), LogError> {
        let ask = |client: &KafkaConsumer| client.fetch_watermarks(topic, partition.cast_signed(), REQUEST);
        let (start, end) = match ask(&self.client()) {
            Ok(answer) => answer,
            Err(_) => {
                let fresh = Arc::new(Self::make(&self.settings)?);
                let answer = ask(&fresh).map_err(|error| failed("ask for the end of", topic, &error))?;
                *lock(&self.client) = fresh;
                answer
            }
        };
        Ok((start.cast_unsigned(), end.cast_unsigned()))
    }
}

/// A worker's place in its group within this process; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    cluster: Arc<Cluster>,
    group: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.cluster.live_groups).remove(&self.group);
    }
}

/// This process's own folder: `0`, `1`, ... below the configured one, locked as long as it lives.
#[derive(Debug)]
struct Slot {
    number: usize,
    dir: PathBuf,
    _lock: File,
}

impl Slot {
    fn take(dir: &Path) -> Result<Self, LogError> {
        for number in 0..SLOTS {
            let dir = dir.join(number.to_string());
            std::fs::create_dir_all(&dir).map_err(|source| LogError::io("make", &dir, source))?;
            match folder_lock::take(&dir) {
                Ok(file) => return Ok(Self { number, dir, _lock: file }),
                Err(LogError::Locked { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let holder = "every process that may share it".to_owned();
        Err(LogError::Locked { dir: dir.to_owned(), holder })
    }

    /// The name kept here: random, made once.
    fn name(&self) -> Result<String, LogError> {
        let path = self.dir.join("instance");
        if let Ok(name) = std::fs::read_to_string(&path)
            && !name.trim().is_empty()
        {
            return Ok(name.trim().to_owned());
        }
        let mut random = [0; 6];
        let source = Path::new("/dev/urandom");
        File::open(source)
            .and_then(|mut file| file.read_exact(&mut random))
            .map_err(|error| LogError::io("read", source, error))?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(&path, &name).map_err(|source| LogError::io("write", &path, source))?;
        Ok(name)
    }
}
