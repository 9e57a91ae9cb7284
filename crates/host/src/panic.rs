//! The panic boundary.

use crate::CrashMarker;
use mobula_types::{Failure, FailureKind};
use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, Once, OnceLock};

thread_local! {
    static MARKER: RefCell<Option<Arc<dyn CrashMarker>>> = const { RefCell::new(None) };
    /// The latest panics of this thread, which may have been caught by whoever, or still unwind.
    static SEEN: RefCell<VecDeque<Seen>> = const { RefCell::new(VecDeque::new()) };
}

/// A panic that the hook was told of.
struct Seen {
    message: Box<str>,
    place: Arc<str>,
}

/// How many panics of a thread are remembered, and how much of their messages.
const MOST_SEEN: usize = 8;
const MOST_TEXT: usize = 4096;

static PROCESS_MARKER: OnceLock<Arc<dyn CrashMarker>> = OnceLock::new();

/// Makes panics that end the process note their message and place, on top of what the hook that is there now does. Only
/// the first call counts.
///
/// With `panic = "abort"` that is every panic; else those that cannot unwind any further, such as one in a destructor
/// while another unwinds. All others may be caught, by the run's boundary or by the program itself, and say nothing about
/// a later end of the process. A panic inside a run is noted on the marker of the run's host; `process_marker` is for
/// those on other threads.
pub fn install_panic_hook(process_marker: Option<Arc<dyn CrashMarker>>) {
    static INSTALLED: Once = Once::new();
    if let Some(marker) = process_marker {
        let _only_the_first_counts = PROCESS_MARKER.set(marker);
    }
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            see(info);
            previous(info);
        }));
    });
}

fn see(info: &PanicHookInfo<'_>) {
    let message = message_of(info.payload());
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let seen = SEEN.try_with(|seen| {
        // Borrowed where the hook itself panics.
        let Ok(mut seen) = seen.try_borrow_mut() else { return };
        if cfg!(panic = "abort") {
            note(message, &place);
        } else if cannot_unwind(message) {
            match seen.back() {
                // It says what unwound until here; the message of the standard library does not.
                Some(Seen { message, place }) => note(message, place),
                None => note(message, &place),
            }
        } else {
            if seen.len() >= MOST_SEEN {
                seen.pop_front();
            }
            seen.push_back(Seen { message: cut(message).into(), place: place.as_str().into() });
        }
    });
    // A thread that ends has nothing to remember with.
    if seen.is_err() && cfg!(panic = "abort") {
        note(message, &place);
    }
}

/// Whether that is what the standard library says right before it aborts, because a panic may unwind no further.
fn cannot_unwind(message: &str) -> bool {
    matches!(message, "panic in a function that cannot unwind" | "panic in a destructor during cleanup")
}

/// The process is about to end.
fn note(message: &str, place: &str) {
    let in_a_run = MARKER.try_with(|marker| match marker.try_borrow().as_deref() {
        Ok(Some(marker)) => {
            marker.panicked(message, place);
            true
        }
        _ => false,
    });
    if !in_a_run.unwrap_or(false)
        && let Some(marker) = PROCESS_MARKER.get()
    {
        marker.panicked(message, place);
    }
}

fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(MOST_TEXT)]
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// Marks this thread as one that runs guests for a host, so that the hook knows where to note their panics.
pub(crate) fn enter_thread(marker: Arc<dyn CrashMarker>) {
    MARKER.with(|of_thread| *of_thread.borrow_mut() = Some(marker));
}

/// Runs `body`; a panic becomes `TaskPanicked` with message and place, and unwinds no further.
pub(crate) fn guard<T>(body: impl FnOnce() -> T) -> Result<T, Failure> {
    let payload = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => return Ok(value),
        Err(payload) => payload,
    };
    // The latest with this message: others may have been caught inside of it, before or while it unwound.
    let message = cut(message_of(&*payload));
    let seen = SEEN.with(|seen| std::mem::take(&mut *seen.borrow_mut()));
    let place = seen.iter().rev().find(|seen| *seen.message == *message).map(|seen| seen.place.clone());
    let failure =
        Failure::new(FailureKind::TaskPanicked, message_of(&*payload)).with(|detail| detail.place = place);
    discard(payload);
    Err(failure)
}

/// Drops what may panic while it is dropped.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        // A payload whose drop panics with a payload: no third try.
        std::mem::forget(second);
    }
}
