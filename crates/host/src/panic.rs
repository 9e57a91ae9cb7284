//! The panic boundary.

use crate::CrashMarker;
use mobula_types::{Failure, FailureKind};
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, Once, OnceLock};

thread_local! {
    static TURN: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// What the hook knows of the thread that panics.
struct Turn {
    marker: Arc<dyn CrashMarker>,
    place: Option<Arc<str>>,
}

static PROCESS_MARKER: OnceLock<Arc<dyn CrashMarker>> = OnceLock::new();

/// Makes panics note their message and place, on top of what the hook that is there now does. Only the first call counts.
///
/// A panic inside a run is noted on the marker of the run's host; `process_marker` is for those on other threads, of
/// which only `panic = "abort"` makes an end of the process.
pub fn install_panic_hook(process_marker: Option<Arc<dyn CrashMarker>>) {
    static INSTALLED: Once = Once::new();
    if let Some(marker) = process_marker {
        let _only_the_first_counts = PROCESS_MARKER.set(marker);
    }
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            note(info);
            previous(info);
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let message = message_of(info.payload());
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let in_a_run = TURN.try_with(|turn| match turn.try_borrow_mut().as_deref_mut() {
        Ok(Some(turn)) => {
            turn.place.get_or_insert_with(|| place.as_str().into());
            turn.marker.panicked(message, &place);
            true
        }
        _ => false,
    });
    if !in_a_run.unwrap_or(false)
        && let Some(marker) = PROCESS_MARKER.get()
    {
        marker.panicked(message, &place);
    }
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// Marks this thread as one that runs guests for a host, so that the hook knows where to note their panics.
pub(crate) fn enter_thread(marker: Arc<dyn CrashMarker>) {
    TURN.with(|turn| *turn.borrow_mut() = Some(Turn { marker, place: None }));
}

/// Runs `body`; a panic becomes `TaskPanicked` with message and place, and unwinds no further.
pub(crate) fn guard<T>(body: impl FnOnce() -> T) -> Result<T, Failure> {
    let payload = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => return Ok(value),
        Err(payload) => payload,
    };
    let place = TURN.with(|turn| {
        let mut turn = turn.borrow_mut();
        let turn = turn.as_mut()?;
        turn.marker.recovered();
        turn.place.take()
    });
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
