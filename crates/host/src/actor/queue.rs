//! Turns in order of arrival, any of which can be taken back.

use crate::Call;
use mobula_types::actor::Caller;
use std::collections::VecDeque;

/// A turn that has not started.
#[derive(Debug)]
pub(crate) struct QueuedTurn {
    pub(crate) caller: Caller,
    /// Which method of the class.
    pub(crate) method: usize,
    pub(crate) call: Call,
}

/// A queue of turns. Never begins with a place whose turn was taken back.
#[derive(Debug, Default)]
pub(crate) struct TurnQueue {
    places: VecDeque<Place>,
    /// How many places are empty.
    empty: usize,
    /// A handle came that is below an earlier one: places cannot be searched by halves.
    unsorted: bool,
}

#[derive(Debug)]
struct Place {
    handle: u64,
    /// `None` where it was taken back.
    turn: Option<QueuedTurn>,
}

/// Fewer empty places than this are not worth to be swept away.
const FEW_EMPTY: usize = 32;

impl TurnQueue {
    pub(crate) fn push(&mut self, turn: QueuedTurn) {
        let handle = turn.call.handle;
        self.unsorted |= self.places.back().is_some_and(|last| last.handle > handle);
        if self.places.capacity() == 0 {
            // Most mailboxes never have more than one turn in them.
            self.places.reserve_exact(1);
        }
        self.places.push_back(Place { handle, turn: Some(turn) });
    }

    pub(crate) fn front(&self) -> Option<&QueuedTurn> {
        self.places.front()?.turn.as_ref()
    }

    pub(crate) fn pop(&mut self) -> Option<QueuedTurn> {
        let turn = self.places.pop_front()?.turn;
        self.tidy();
        turn
    }

    /// Takes a turn back.
    pub(crate) fn take(&mut self, handle: u64) -> Option<QueuedTurn> {
        let position = if self.unsorted {
            self.places.iter().position(|place| place.handle == handle)?
        } else {
            self.places.binary_search_by_key(&handle, |place| place.handle).ok()?
        };
        let turn = self.places.get_mut(position)?.turn.take()?;
        self.empty += 1;
        self.tidy();
        Some(turn)
    }

    /// Takes all turns, in order, and gives back the memory.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = QueuedTurn> + use<> {
        std::mem::take(self).places.into_iter().filter_map(|place| place.turn)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.empty
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Keeps the front full, and empty places fewer than full ones.
    fn tidy(&mut self) {
        while self.places.front().is_some_and(|place| place.turn.is_none()) {
            self.places.pop_front();
            self.empty -= 1;
        }
        if self.empty > FEW_EMPTY && self.empty > self.places.len() / 2 {
            self.places.retain(|place| place.turn.is_some());
            self.empty = 0;
        }
        if self.places.is_empty() {
            self.unsorted = false;
        }
    }
}
