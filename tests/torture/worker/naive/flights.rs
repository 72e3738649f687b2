//! Single flight as in Go's `singleflight`: a caller joins whatever call of its key is under way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use cachekit_torture::history::Source;
use tokio::sync::OnceCell;

use crate::ordeal::Failed;

/// A call that is under way, and what will come of it.
type Flight = Arc<OnceCell<(u64, Source)>>;

/// Calls by item.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<u32, Flight>>);

impl Flights {
    /// What comes of `call`, or of the one that is under way.
    pub(crate) async fn read(
        &self,
        id: u32,
        call: impl Future<Output = Result<(u64, Source), Failed>>,
    ) -> Result<(u64, Source), Failed> {
        let flight = {
            let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            flights.entry(id).or_default().clone()
        };
        let found = flight.get_or_try_init(|| call).await.copied();
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&id).is_some_and(|known| Arc::ptr_eq(known, &flight)) {
            flights.remove(&id);
        }
        found
    }
}
