//! Thirty days of every habit, with kills, and random stories.

use proptest::prelude::*;

use super::world::{Habit, START, World};
use crate::feeds::policy::DAY;

/// Polls until the day is over. One poll in so many dies with its answer.
fn story(habit: Habit, seed: u64, days: i64, kill_one_in: u64) -> World {
    let mut world = World::new(habit, seed);
    while world.now_ms < START + days * DAY && world.wrong.is_empty() {
        let dies = kill_one_in > 0 && world.chance.below(kill_one_in) == 0;
        world.poll(dies);
        world.rest();
    }
    world
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is the figure")]
fn in_thirty_days_of_every_habit_each_article_is_one_record_and_each_edit_one_version() {
    let mut wrong = Vec::new();
    for habit in Habit::ALL {
        let world = story(habit, 7, 30, 12);
        println!(
            "{habit:?}: {} records, {} bytes, {:?}",
            world.records,
            world.state.to_bytes().len(),
            world.state.identity.worthless().map(|why| why.name()).collect::<Vec<_>>()
        );
        assert!(world.state.to_bytes().len() <= 3072, "{habit:?} takes more than a feed should");
        wrong.extend(world.wrong.iter().map(|what| format!("{habit:?}: {what}")));
        assert!(world.records > 40 || !world.wrong.is_empty(), "{habit:?}: {} records", world.records);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_habit_the_edits_and_the_kills(habit in 0..Habit::ALL.len(), seed: u64, kill in 0..6_u64) {
        let habit = Habit::ALL[habit];
        let world = story(habit, seed, 12, kill);
        prop_assert!(world.wrong.is_empty(), "{:?}: {:?}", habit, world.wrong);
    }
}
