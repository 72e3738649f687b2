//! Filling a filter anew: inserts go to the new one first, then the scan, and last it takes the old one's place.

use std::{
    error::Error as StdError,
    future::poll_fn,
    pin::{Pin, pin},
};

use futures_core::Stream;

use super::{Asks, Bloom, filter::Home};
use crate::{
    error::{Error, ErrorKind},
    key::{KeyArg, Segment},
    sync,
};

pub(super) const REBUILD: &str = "rebuild a bloom filter";
/// Ids between two pauses in which other tasks of the thread get their turn.
const TURN: u32 = 4096;

/// What came of a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rebuilt {
    /// It is done, and the filter has about so many ids.
    Live {
        /// How many, by its bits.
        ids: u64,
    },
    /// Another process is at it; this one did nothing. What dies in mid-way is over after 10 s.
    Elsewhere,
}

impl<K: Segment + ?Sized> Bloom<K> {
    /// Fills the filter anew with all ids that exist. Until that is done the old one stays in use, if there is one.
    ///
    /// `ids` is called once inserts of every process go to the new filter as well, [`settle`](super::BloomBuilder::settle)
    /// after that: what it makes must read what is committed *then*, from the primary, and not have begun earlier. A
    /// stream of sqlx begins when it is first polled:
    ///
    /// ```text
    /// users.rebuild(|| sqlx::query_scalar("SELECT id FROM users").fetch(&pool)).await?;
    /// ```
    ///
    /// Run it when the service starts, and from time to time, since deleted ids stay in until then. Of several processes
    /// that do so at once, one does the work.
    ///
    /// # Errors
    ///
    /// Whatever the stream fails with, as the source of the error; [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`]
    /// where Redis fails, was restarted, or lost the filter in the meantime. The old filter stays.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the old filter stays; over Redis another rebuild can begin 10 s after that.
    pub async fn rebuild<S, T, E>(&self, ids: impl FnOnce() -> S) -> Result<Rebuilt, Error>
    where
        S: Stream<Item = Result<T, E>>,
        T: KeyArg<K>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let filter = &*self.filter;
        match &filter.home {
            Home::Nowhere => Ok(Rebuilt::Live { ids: 0 }),
            Home::Local(local) => {
                let Some(next) = local.begin() else { return Ok(Rebuilt::Elsewhere) };
                sync::sleep(filter.settle).await;
                scan::<K, _, _, _>(ids(), |text| next.add(text)).await?;
                let ids = next.finish();
                filter.note_fill(&local.geometry, ids, filter.expected);
                Ok(Rebuilt::Live { ids })
            }
            #[cfg(feature = "redis")]
            Home::Shared(shared) => {
                let Some(next) = remote::Next::begin(filter, shared).await? else {
                    return Ok(Rebuilt::Elsewhere);
                };
                next.alive(sync::sleep(filter.settle)).await?;
                next.alive(scan::<K, _, _, _>(ids(), |text| next.add(text))).await??;
                let ids = next.finish().await?;
                Ok(Rebuilt::Live { ids })
            }
        }
    }
}

/// Hands every id of the stream to `each`.
async fn scan<K, S, T, E>(ids: S, mut each: impl FnMut(&str)) -> Result<(), Error>
where
    K: Segment + ?Sized,
    S: Stream<Item = Result<T, E>>,
    T: KeyArg<K>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut ids = pin!(ids);
    let mut turn = 0;
    while let Some(id) = next(&mut ids).await {
        let id = id.map_err(|error| {
            let message = "the ids could not be read";
            Error::new(ErrorKind::Unavailable, REBUILD, message).with_source(error)
        })?;
        each((id,).text().as_str());
        turn = (turn + 1) % TURN;
        if turn == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

async fn next<S: Stream>(stream: &mut Pin<&mut S>) -> Option<S::Item> {
    poll_fn(|cx| stream.as_mut().poll_next(cx)).await
}

#[cfg(feature = "redis")]
mod remote {
    use std::time::Duration;

    use super::super::{
        bits::Bits,
        filter::{Filter, failed},
        geometry::{Geometry, random},
        header::first_bit,
        shared::Shared,
    };
    use super::{Error, ErrorKind, REBUILD, pin, sync};
    use crate::{redis::Incarnation, store::StoreError};

    /// Bytes in one command: Redis does nothing else meanwhile.
    const STEP: usize = 16 * 1024;
    /// How often a rebuild says that it goes on.
    const BEAT: Duration = Duration::from_secs(1);

    /// A region of a filter in Redis that is being filled.
    pub(super) struct Next<'a> {
        filter: &'a Filter,
        shared: &'a Shared,
        token: [u8; 8],
        region: u8,
        geometry: Geometry,
        incarnation: Incarnation,
        bits: Bits,
    }

    impl<'a> Next<'a> {
        /// Begins; `None` if another rebuild is under way. From here on every insert sets its bits in the region.
        pub(super) async fn begin(
            filter: &'a Filter,
            shared: &'a Shared,
        ) -> Result<Option<Self>, Error> {
            let token = random();
            let wanted = filter.wanted.encode();
            let begun = shared.key.begin(&wanted, token, filter.expected).await.map_err(broken)?;
            let Some((region, clear, incarnation)) = begun else { return Ok(None) };
            let incarnation = incarnation.ok_or_else(|| {
                let message =
                    "the server does not say who it is (`run_id` and `master_replid` in INFO)";
                Error::new(ErrorKind::Config, REBUILD, message)
            })?;
            let header = shared.header().await.map_err(broken)?;
            let geometry = header.map(|(header, _)| header.geometry).ok_or_else(lost)?;
            if !geometry.is_as_large_as(&filter.wanted) {
                return Err(lost());
            }
            let bits = Bits::new(geometry.bits);
            let next = Self { filter, shared, token, region, geometry, incarnation, bits };
            if clear {
                next.clear().await?;
            }
            Ok(Some(next))
        }

        async fn clear(&self) -> Result<(), Error> {
            let (mut at, end) = (self.first_byte(), self.first_byte() + self.geometry.bits / 8);
            while at < end {
                let bytes = STEP.min(usize::try_from(end - at).unwrap_or(STEP));
                still(self.shared.key.clear(self.token, at, bytes).await)?;
                at += bytes as u64;
            }
            Ok(())
        }

        /// Adds an id of the scan, here for now.
        pub(super) fn add(&self, text: &str) {
            self.bits.set(&self.geometry.positions(text));
        }

        /// Waits for `future`, and tells others meanwhile that this goes on.
        pub(super) async fn alive<F: Future>(&self, future: F) -> Result<F::Output, Error> {
            let mut future = pin!(future);
            loop {
                if let Some(output) = sync::within(BEAT, &mut future).await {
                    return Ok(output);
                }
                still(self.shared.key.merge(self.token, 0, &[]).await)?;
            }
        }

        /// Adds what was scanned to what was inserted meanwhile, and puts it to use.
        pub(super) async fn finish(self) -> Result<u64, Error> {
            let mut at = 0;
            while let Some(bytes) = self.bits.bytes(at, STEP) {
                if bytes.iter().any(|byte| *byte != 0) {
                    let to = self.first_byte() + at as u64;
                    still(self.shared.key.merge(self.token, to, &bytes).await)?;
                }
                at += STEP;
            }
            let (key, tag) = (&self.shared.key, random());
            let ids = key.finish(self.token, self.region, tag, self.incarnation).await;
            let ids = ids.map_err(broken)?.ok_or_else(lost)?;
            self.shared.forget_all();
            match self.shared.header().await.map_err(broken)? {
                Some((header, true)) if header.tag == tag => {}
                // Restarted in between, with its data: what was inserted since is not in there.
                _ => return Err(lost()),
            }
            self.filter.note_fill(&self.geometry, ids, self.filter.expected);
            Ok(ids)
        }

        fn first_byte(&self) -> u64 {
            first_bit(&self.geometry, self.region) / 8
        }
    }

    fn still(done: Result<bool, impl Into<StoreError>>) -> Result<(), Error> {
        if done.map_err(broken)? { Ok(()) } else { Err(lost()) }
    }

    fn broken(error: impl Into<StoreError>) -> Error {
        failed(REBUILD, error.into())
    }

    fn lost() -> Error {
        let message = "redis lost the filter, was restarted, or another process began to rebuild it; try again";
        Error::new(ErrorKind::Unavailable, REBUILD, message)
    }
}
