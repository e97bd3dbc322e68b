//! What is kept of items: little, no longer than needed, and the same after every way through the tables.

use super::world::{Habit, START, World};
use crate::feeds::identity::Remembered;
use crate::feeds::policy::DAY;
use crate::feeds::state::FeedState;

#[test]
fn names_and_titles_are_kept_until_ids_have_proven_themselves_and_no_longer() {
    let mut world = World::new(Habit::Plain, 3);
    world.poll(false);
    let young = world.state.identity.memory.clone();
    assert_eq!((young.links.len(), young.titles.len(), young.keys.len()), (8, 8, 8));
    while world.now_ms < START + 5 * DAY {
        world.rest();
        world.poll(false);
    }
    let old = &world.state.identity.memory;
    assert_eq!((old.titles.len(), old.keys.len()), (8, 0), "dates of the window");
    assert!(old.titles.iter().all(|both| both[..4] == [0; 4] && both[4..] != [0; 4]));
    assert!(old.links.len() > 8);
}

#[test]
fn what_was_handed_over_before_a_crash_is_known_by_its_link_too() {
    let mut world = World::new(Habit::GuidRandom, 3);
    let before = world.state.clone();
    let done = world.poll(false).expect("it lives");
    // A unit ended after three items, and the process with it.
    let mut so_far = before;
    for one in done.items.iter().take(3) {
        so_far.took(Remembered::of(&one.item));
    }
    world.state = FeedState::from_bytes(&so_far.to_bytes()).expect("a state");
    let again = world.document_again();
    let keys: Vec<&str> = again.items.iter().map(|one| one.item.id.as_str()).collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    for one in &done.items[..3] {
        assert!(!again.items.iter().any(|other| other.item.link == one.item.link));
    }
}
