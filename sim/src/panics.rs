//! Panics inside a process, caught and told where they happened. A panic there is a finding, not a crash of the tank.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    /// While a process is being called on this thread: what its panic said, if it has panicked.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
    static CATCHING: RefCell<bool> = const { RefCell::new(false) };
}

/// Installs, once, a hook that keeps quiet about panics that are going to be caught here.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if CATCHING.with_borrow(|catching| *catching) {
                CAUGHT.set(Some(info.to_string()));
            } else {
                previous(info);
            }
        }));
    });
}

/// Calls `act`; a panic comes back as what it said and where.
pub(crate) fn catch<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    CATCHING.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(act));
    CATCHING.set(false);
    result.map_err(|_| CAUGHT.take().unwrap_or_else(|| "a panic without a word".to_owned()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_comes_back_with_its_words_and_its_place() {
        let message = super::catch(|| panic!("no room for {}", 7)).unwrap_err();
        assert!(message.contains("no room for 7"), "{message}");
        assert!(message.contains("panics.rs:"), "{message}");
        assert_eq!(super::catch(|| 3), Ok(3));
    }
}
