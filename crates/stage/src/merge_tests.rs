//! The merge alone: whatever races, a writer's messages come out as it numbered them, and what is missing holds nothing up for ever.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use std::collections::{HashMap, VecDeque};

use barid_record::Order;
use proptest::prelude::*;

use crate::merge::{Arrival, Merge};

const WAIT_MS: i64 = 10_000;

/// Partition, writer and sequence, timestamp.
type Sent = (u32, Option<(&'static str, u64)>, i64);

/// A merge, its clock, and what came out.
#[derive(Default)]
struct Bench {
    merge: Merge<Option<(&'static str, u64)>>,
    partitions: Vec<u32>,
    now_ms: i64,
    offset: u64,
    out: Vec<Option<(&'static str, u64)>>,
}

impl Bench {
    fn of(partitions: u32) -> Self {
        Self { partitions: (0..partitions).collect(), ..Self::default() }
    }

    fn push(&mut self, (partition, turn, timestamp_ms): Sent) {
        self.offset += 1;
        self.merge.push(Arrival {
            partition,
            order: turn.map(|(writer, sequence)| Order { writer: writer.to_owned(), sequence }),
            timestamp_ms,
            offset: self.offset,
            bytes: 10,
            item: turn,
        });
    }

    /// Takes what comes out now.
    fn drain(&mut self) -> &mut Self {
        while let Some(item) = self.merge.pop(&self.partitions, self.now_ms, WAIT_MS) {
            self.out.push(item);
        }
        self
    }

    /// Lets time pass as the loop does, looking every 50 ms.
    fn pass(&mut self, ms: i64) -> &mut Self {
        for _ in 0..ms / 50 {
            self.now_ms += 50;
            self.drain();
        }
        self
    }

    fn sequences(&self, writer: &str) -> Vec<u64> {
        let own = self.out.iter().flatten().filter(|(name, _)| *name == writer);
        own.map(|(_, sequence)| *sequence).collect()
    }
}

#[test]
fn a_head_waits_for_the_earlier_one_of_another_partition() {
    let mut bench = Bench::of(2);
    bench.push((0, Some(("w", 1)), 1));
    assert_eq!(bench.pass(5_000).out.len(), 0);
    bench.push((1, Some(("w", 0)), 9));
    assert_eq!(bench.drain().sequences("w"), [0, 1]);
    assert_eq!((bench.merge.gaps(), bench.merge.is_empty()), (0, true));
}

#[test]
fn what_has_no_order_or_was_overtaken_comes_at_once() {
    let mut bench = Bench::of(3);
    bench.merge.restore("w", 7);
    bench.push((0, Some(("w", 3)), 3));
    bench.push((1, None, 1));
    bench.push((2, Some(("w", 8)), 0));
    assert_eq!(bench.drain().out, [None, Some(("w", 3))]);
    bench.push((0, Some(("w", 7)), 0));
    assert_eq!(bench.drain().sequences("w"), [3, 7, 8]);
    assert_eq!(bench.merge.moved(), [("w", 9)]);
    assert_eq!(bench.merge.moved(), [], "told once");
    assert_eq!(bench.merge.gaps(), 0);
}

#[test]
fn a_gap_is_known_at_once_when_every_partition_is_past_it() {
    let mut bench = Bench::of(2);
    // Noticed in one millisecond: the number decides, not the partition.
    bench.push((0, Some(("w", 6)), 1));
    bench.push((1, Some(("w", 5)), 1));
    bench.push((1, Some(("w", 7)), 1));
    assert_eq!(bench.drain().sequences("w"), [5, 6, 7]);
    assert_eq!(bench.merge.gaps(), 1);
}

#[test]
fn what_stands_behind_its_own_successor_is_not_waited_for() {
    let mut bench = Bench::of(2);
    bench.merge.restore("w", 3);
    bench.push((0, Some(("w", 5)), 1));
    bench.push((0, Some(("w", 4)), 1));
    assert_eq!(bench.drain().out.len(), 0, "3 may still come, from the other partition");
    bench.push((1, Some(("w", 3)), 1));
    assert_eq!(bench.drain().sequences("w"), [3, 5, 4]);
    assert_eq!((bench.merge.gaps(), bench.merge.moved()), (1, vec![("w", 6)]));
}

#[test]
fn a_gap_is_given_up_after_the_wait_and_its_late_half_is_not_lost() {
    let mut bench = Bench::of(2);
    bench.push((0, Some(("w", 5)), 1));
    assert_eq!(bench.pass(WAIT_MS - 50).out.len(), 0);
    assert_eq!(bench.pass(100).sequences("w"), [5]);
    assert_eq!(bench.merge.gaps(), 1);
    bench.push((1, Some(("w", 4)), 1));
    bench.push((1, Some(("w", 6)), 1));
    assert_eq!(bench.drain().sequences("w"), [5, 4, 6]);
    assert_eq!((bench.merge.gaps(), bench.merge.moved()), (0, vec![("w", 7)]));
}

#[test]
fn the_wait_begins_anew_with_everything_taken_and_ignores_a_stopped_process() {
    let mut bench = Bench::of(2);
    bench.push((0, Some(("w", 0)), 1));
    bench.push((0, Some(("w", 9)), 1));
    for sequence in 1..8 {
        bench.pass(WAIT_MS - 1_000);
        bench.push((1, Some(("w", sequence)), 1));
        assert_eq!(bench.drain().sequences("w").len() as u64, sequence + 1);
    }
    // SIGSTOP for an hour, then the message it kept from arriving.
    bench.now_ms += 3_600_000;
    bench.drain();
    bench.push((1, Some(("w", 8)), 1));
    assert_eq!(bench.drain().sequences("w"), (0..=9).collect::<Vec<_>>());
    assert_eq!(bench.merge.gaps(), 0);
}

#[test]
fn a_writer_that_waits_is_not_starved_by_one_that_flows() {
    let mut bench = Bench::of(3);
    bench.push((0, Some(("late", 3)), 1));
    bench.drain();
    let mut taken_after_ms = None;
    for sequence in 0..400 {
        bench.push((1, Some(("flows", sequence)), 1));
        bench.pass(50);
        if taken_after_ms.is_none() && !bench.sequences("late").is_empty() {
            taken_after_ms = Some(bench.now_ms);
        }
    }
    assert_eq!(taken_after_ms, Some(WAIT_MS), "it waits as long as if it were alone");
    assert_eq!(bench.sequences("flows"), (0..400).collect::<Vec<_>>());
}

#[test]
fn nothing_is_given_up_while_no_partition_is_known() {
    let mut bench = Bench::of(0);
    bench.push((0, Some(("w", 1)), 1));
    assert_eq!(bench.drain().out.len(), 0);
}

#[test]
fn a_full_partition_is_held_until_there_is_room() {
    let mut bench = Bench::of(2);
    for sequence in 1..=1024 {
        bench.push((0, Some(("w", sequence)), 1));
    }
    assert!(!bench.merge.wants_hold(0, false));
    bench.push((0, Some(("w", 1025)), 1));
    assert!(bench.merge.wants_hold(0, false) && !bench.merge.wants_hold(1, false));
    bench.merge.restore("w", 1);
    let mut take = |count: usize| {
        for _ in 0..count {
            bench.merge.pop(&[0, 1], 0, WAIT_MS).expect("ready");
        }
        bench.merge.wants_hold(0, true)
    };
    assert!(take(1025 - 256));
    assert!(!take(1));
    let large = Arrival { partition: 1, order: None, timestamp_ms: 0, offset: 0, bytes: 9 << 20, item: None };
    bench.merge.push(large);
    assert!(bench.merge.wants_hold(1, false), "one message can be too much");
    bench.merge.pop(&[0, 1], 0, WAIT_MS).expect("ready");
    assert!(!bench.merge.wants_hold(1, true));
}

/// Messages of two writers as they reach partitions one after the other, and the turns in which the partitions are read.
fn races() -> impl Strategy<Value = (u32, Vec<(bool, u32)>, Vec<u32>)> {
    (1_u32..6).prop_flat_map(|partitions| {
        let sent = prop::collection::vec((any::<bool>(), 0..partitions), 0..120);
        let turns = prop::collection::vec(0..partitions, 0..400);
        (Just(partitions), sent, turns)
    })
}

proptest! {
    #[test]
    fn every_writers_order_comes_back_however_partitions_race((partitions, sent, turns) in races()) {
        let mut bench = Bench::of(partitions);
        let mut counts: HashMap<&str, u64> = HashMap::new();
        let mut logs: Vec<VecDeque<Sent>> = vec![VecDeque::new(); partitions as usize];
        for (is_first, partition) in sent {
            let writer = if is_first { "first" } else { "second" };
            let sequence = counts.entry(writer).or_default();
            // Clocks say nothing: all at the same time.
            logs[partition as usize].push_back((partition, Some((writer, *sequence)), 0));
            *sequence += 1;
        }
        let all = turns.into_iter().chain((0..partitions).cycle().take(partitions as usize * 120));
        for partition in all {
            if let Some(sent) = logs[partition as usize].pop_front() {
                bench.push(sent);
            }
            bench.drain();
        }
        for (writer, count) in counts {
            prop_assert_eq!(bench.sequences(writer), (0..count).collect::<Vec<_>>());
        }
        prop_assert_eq!(bench.merge.gaps(), 0);
        prop_assert!(bench.merge.is_empty());
    }

    #[test]
    fn with_gaps_everything_still_comes_and_no_partition_is_reordered(
        (partitions, sent, turns) in races(),
        missing in prop::collection::vec(any::<bool>(), 120),
    ) {
        let mut bench = Bench::of(partitions);
        let mut logs: Vec<VecDeque<Sent>> = vec![VecDeque::new(); partitions as usize];
        for (sequence, ((_, partition), is_missing)) in sent.into_iter().zip(missing).enumerate() {
            if !is_missing {
                logs[partition as usize].push_back((partition, Some(("w", sequence as u64)), 0));
            }
        }
        let expected: Vec<Vec<u64>> = logs
            .iter()
            .map(|log| log.iter().filter_map(|(_, turn, _)| turn.map(|(_, sequence)| sequence)).collect())
            .collect();
        let all = turns.into_iter().chain((0..partitions).cycle().take(partitions as usize * 120));
        for partition in all {
            if let Some(sent) = logs[partition as usize].pop_front() {
                bench.push(sent);
            }
            bench.drain();
        }
        for _ in 0..200 {
            if !bench.merge.is_empty() {
                bench.pass(WAIT_MS + 50);
            }
        }
        prop_assert!(bench.merge.is_empty());
        let out = bench.sequences("w");
        // With nothing late, a gap costs no order either.
        for own in expected {
            let seen: Vec<u64> = out.iter().copied().filter(|sequence| own.contains(sequence)).collect();
            prop_assert_eq!(seen, own);
        }
    }
}
