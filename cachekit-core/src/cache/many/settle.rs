//! What becomes of the values that one load brought for many keys.

use super::batch::Batch;
use crate::__private::Split;

impl Batch {
    /// Takes what the load brought, in the order of the places that [`next`](Self::next) named.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way together with the batch, each fill may or may not have been accepted; the
    /// flights go on and probe.
    pub(super) async fn settle(&mut self, splits: impl Iterator<Item = Split>) {
        (self.permit, self.turn) = (None, None);
        for (part, split) in self.parts.iter_mut().filter(|part| part.is_loading()).zip(splits) {
            part.keep(&split);
            #[cfg(any(feature = "redis", shuttle))]
            let Some(split) = part.prepare_fill(split) else { continue };
            part.verdict = Box::pin(part.attempt.settle(split)).await;
        }
        #[cfg(any(feature = "redis", shuttle))]
        self.fill().await;
        self.collect();
    }
}

#[cfg(any(feature = "redis", shuttle))]
mod remote {
    use crate::{
        __private::Split,
        cache::{
            attempt::Load,
            many::{batch::Batch, part::Part},
        },
        store::{Fill, Filled, MOST_KEYS, StoreError},
    };

    impl Batch {
        /// Fills what is to be filled, in one write for many keys; each is accepted or refused by itself.
        pub(super) async fn fill(&mut self) {
            let to_fill = self.parts.iter_mut().filter(|part| part.filling.is_some());
            let mut to_fill: Vec<_> = to_fill.collect();
            for chunk in to_fill.chunks_mut(MOST_KEYS) {
                fill(chunk).await;
            }
        }
    }

    async fn fill(parts: &mut [&mut Part]) {
        let Some(first) = parts.first() else { return };
        let engine = first.attempt.engine.clone();
        let (mut fills, mut results) = (Vec::with_capacity(parts.len()), Vec::new());
        for part in parts.iter() {
            match part.fill() {
                Ok(fill) => {
                    fills.push((part.attempt.key().as_str(), fill));
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error))),
            }
        }
        let mut sent = engine.store.fill_many(&fills).await.into_iter();
        drop(fills);
        for (part, result) in parts.iter_mut().zip(results) {
            let result = result.or_else(|| sent.next()).unwrap_or(Err(StoreError::Unknown));
            part.filled(result);
        }
    }

    impl Part {
        /// Keeps back what goes into the store with the rest; gives back what is settled here.
        pub(super) fn prepare_fill(&mut self, split: Split) -> Option<Split> {
            match self.attempt.load.take() {
                Some(Load::Leased { role, lease }) => {
                    match self.attempt.begin_fill(role, lease, split) {
                        Ok(filling) => self.filling = Some(filling),
                        Err(verdict) => self.verdict = verdict,
                    }
                    None
                }
                load => {
                    self.attempt.load = load;
                    Some(split)
                }
            }
        }

        fn fill(&self) -> Result<Fill<'_>, StoreError> {
            let filling = self.filling.as_ref().ok_or(StoreError::Unknown)?;
            // A deposed leader fills as well: of two loads under one lease one enters, no matter which.
            filling.role.fill_sent();
            self.attempt.fill_of(filling)
        }

        fn filled(&mut self, filled: Result<bool, StoreError>) {
            if let Some(filling) = self.filling.take() {
                self.verdict = self.attempt.after_fill(filling, filled.map(Filled::from));
            }
        }
    }
}
