//! Functions of the user's that are told of something.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

type Function<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// A function of the user's, or none.
pub(crate) struct Hook<T>(Option<Function<T>>);

impl<T> Hook<T> {
    pub(crate) fn new(hook: impl Fn(&T) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// Calls it; never under a lock. A panic in it must not end the task that calls it.
    pub(crate) fn call(&self, subject: &T) {
        let Some(hook) = &self.0 else { return };
        if std::panic::catch_unwind(AssertUnwindSafe(|| hook(subject))).is_err() {
            tracing::error!(told = std::any::type_name::<T>(), "a hook panicked; it must not");
        }
    }
}

// A derive would ask for `T: Clone`.
impl<T> Clone for Hook<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Hook<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> fmt::Debug for Hook<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Hook(..)" } else { "Hook(none)" })
    }
}
