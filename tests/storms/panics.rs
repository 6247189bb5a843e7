//! What panics in a storm: most of it is caught by the program, and clients would hardly see it.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// From now on panics are noted by the thread in which they happen, besides being told as ever.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
            tell(info);
        }));
    });
}

/// What has panicked in this thread.
pub(crate) fn told() -> Vec<String> {
    PANICS.take()
}
