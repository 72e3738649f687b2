//! Where a relay hands events to the store.

use super::apply::Fault;
use crate::{events::StoredEvent, store::Store};

/// Publishes the events, in this order. After an error some may be published; all of them come again.
#[cfg(feature = "events")]
pub(super) async fn publish(store: &Store, events: &[StoredEvent]) -> Result<(), Fault> {
    if !events.is_empty() && matches!(store, Store::Embedded) {
        return Err(Fault::Hopeless("events need a cache with redis"));
    }
    for event in events {
        store.publish(event).await?;
    }
    Ok(())
}

/// Without streams there is nowhere to publish to.
#[cfg(not(feature = "events"))]
pub(super) async fn publish(_: &Store, events: &[StoredEvent]) -> Result<(), Fault> {
    match events {
        [] => Ok(()),
        _ => Err(Fault::Hopeless("events need the feature `events` in the process of the relay")),
    }
}
