//! Where a relay hands events to the store.

use super::apply::Fault;
use crate::{sql::outbox::StoredEvent, store::Store};

/// Publishes the events, in this order. After an error some may be published; all of them come again.
pub(super) async fn publish(store: &Store, events: &[&StoredEvent]) -> Result<(), Fault> {
    let _ = events;
    match store {
        Store::Embedded => Err(Fault::Hopeless("events need a cache with redis")),
        #[allow(unreachable_patterns)]
        _ => Err(Fault::Hopeless("events need the feature `events`")),
    }
}
