//! When each subscription is looked at next: once each, however often that changes.

use std::collections::{BTreeSet, HashMap};

use super::Token;

#[derive(Debug, Clone, Copy)]
struct Planned {
    /// When it wanted to be looked at.
    wanted_ms: i64,
    /// When it is: a budget may have put it off.
    at_ms: i64,
}

/// Subscriptions by when they are looked at.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    planned: HashMap<Token, Planned>,
    due: BTreeSet<(i64, Token)>,
}

impl Agenda {
    /// It wants to be looked at then. Who wanted that before keeps the moment it was given.
    pub(super) fn want(&mut self, token: Token, wanted_ms: i64) {
        if self.planned.get(&token).is_none_or(|planned| planned.wanted_ms != wanted_ms) {
            self.put_off(token, wanted_ms, wanted_ms);
        }
    }

    /// It wants to be looked at, and is given a later moment.
    pub(super) fn put_off(&mut self, token: Token, wanted_ms: i64, at_ms: i64) {
        self.remove(&token);
        self.planned.insert(token, Planned { wanted_ms, at_ms });
        self.due.insert((at_ms, token));
    }

    /// Nobody looks at it until it is planned again.
    pub(super) fn remove(&mut self, token: &Token) {
        if let Some(Planned { at_ms, .. }) = self.planned.remove(token) {
            self.due.remove(&(at_ms, *token));
        }
    }

    /// The first whose time has come.
    pub(super) fn due(&self, now_ms: i64) -> Option<Token> {
        self.due.first().filter(|(at_ms, _)| *at_ms <= now_ms).map(|(_, token)| *token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_place_however_often_it_is_planned() {
        let mut agenda = Agenda::default();
        let (one, other) = ([1; 20], [2; 20]);
        (0..1000).for_each(|_| agenda.want(one, 50));
        (0..1000).for_each(|at_ms| agenda.want(other, 100 + at_ms));
        assert_eq!((agenda.due.len(), agenda.planned.len()), (2, 2));
        assert_eq!((agenda.due(49), agenda.due(50), agenda.due(9999)), (None, Some(one), Some(one)));
        agenda.put_off(one, 50, 2000);
        agenda.want(one, 50);
        assert_eq!(agenda.due(1999), Some(other), "who was put off is not back by asking again");
        agenda.want(one, 60);
        assert_eq!(agenda.due(60), Some(one), "a new wish is a new plan");
        agenda.remove(&one);
        agenda.remove(&other);
        assert!(agenda.due(9999).is_none() && agenda.planned.is_empty());
    }
}
