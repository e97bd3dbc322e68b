//! The bare copy loop as a carrier: as many hops in a row as asked for, each a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench_kafka::{Carried, Carrier, Rig, Step};
use crate::error::{TaskError, io};

/// How it copies.
pub(crate) struct Copy {
    pub(crate) hops: usize,
    /// Messages in a transaction.
    pub(crate) transaction: Option<u64>,
}

/// A hop that is connected and waits for its word, or copies.
struct Hop {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Carrier for Copy {
    fn name(&self) -> String {
        match self.transaction {
            None => "copy, no transactions".to_owned(),
            Some(messages) => format!("copy, transactions of {messages}"),
        }
    }

    fn carry(&self, rig: &Rig, prefix: &str) -> Result<Carried, TaskError> {
        let topics: Vec<String> = (1..=self.hops).map(|hop| format!("{prefix}hop-{hop}")).collect();
        let mut from = rig.loaded.topic.as_str();
        let mut hops = Vec::new();
        for to in &topics {
            hops.push(self.start(rig, from, to)?);
            from = to;
        }
        let (started, broker) = (Instant::now(), rig.broker_cpu());
        for hop in &mut hops {
            hop.go()?;
        }
        let mut steps = Vec::new();
        for (index, hop) in hops.iter_mut().enumerate() {
            steps.push(step(index + 1, &hop.line()?)?);
        }
        let wall = started.elapsed();
        let broker_cpu = rig.broker_cpu().zip(broker).map(|(after, before)| after.saturating_sub(before));
        for mut hop in hops {
            hop.child.wait().map_err(io("waiting for a hop"))?;
        }
        Ok(Carried { wall, steps, broker_cpu, topics })
    }
}

impl Copy {
    fn start(&self, rig: &Rig, from: &str, to: &str) -> Result<Hop, TaskError> {
        let program = std::env::current_exe().map_err(io("finding this program"))?;
        let mut command = Command::new(program);
        command.args(["bench", "kafka-hop", "--address", rig.broker.address(), "--from", from, "--to", to]);
        command.arg("--partitions").arg(rig.partitions.to_string());
        command.arg("--messages").arg(rig.loaded.messages.to_string());
        command.arg("--transaction").arg(self.transaction.unwrap_or(0).to_string());
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(io("starting a hop"))?;
        let said = child.stdout.take().ok_or_else(|| TaskError::Said("a hop has no output".to_owned()))?;
        let mut hop = Hop { child, said: BufReader::new(said) };
        match hop.line()?.as_str() {
            "ready" => Ok(hop),
            other => Err(TaskError::Said(format!("a hop said {other:?} instead of ready"))),
        }
    }
}

/// Copies what all carry to one more topic, for a carrier that cannot read it where it is.
pub(crate) fn duplicate(rig: &Rig, to: &str) -> Result<(), TaskError> {
    let mut hop = Copy { hops: 1, transaction: None }.start(rig, &rig.loaded.topic, to)?;
    hop.go()?;
    hop.line().and_then(|line| step(1, &line))?;
    hop.child.wait().map_err(io("waiting for a hop"))?;
    Ok(())
}

impl Hop {
    fn go(&mut self) -> Result<(), TaskError> {
        let go = self.child.stdin.as_mut().map(|stdin| stdin.write_all(b"go\n"));
        go.transpose().map_err(io("giving a hop its word")).map(drop)
    }

    fn line(&mut self) -> Result<String, TaskError> {
        let mut line = String::new();
        self.said.read_line(&mut line).map_err(io("listening to a hop"))?;
        Ok(line.trim().to_owned())
    }
}

fn step(hop: usize, line: &str) -> Result<Step, TaskError> {
    let result: serde_json::Value = serde_json::from_str(line)
        .map_err(|error| TaskError::Said(format!("hop {hop} said {line:?}: {error}")))?;
    let number = |name: &str| result[name].as_u64().unwrap_or(0);
    let commits = number("commits").max(1);
    let mean = |name: &str| Duration::from_micros(number(name) / commits).as_secs_f64() * 1e3;
    let note = format!(
        "{commits} drains, mean {:.1} ms, with the commit {:.1} ms",
        mean("drain_us"),
        mean("commit_us")
    );
    Ok(Step { name: format!("hop {hop}"), cpu: Duration::from_micros(number("cpu_us")), note })
}
