//! A filter in Redis, shared by every process of a namespace.
//!
//! "Absent" is only ever said by Redis, which looks at the bits and at what makes them trusted in one command. What this
//! process has learnt of the bits saves it the question where the answer would be "perhaps", and is never trusted
//! further: a copy that is behind asks once too often, and does no harm.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::{bits::Bits, geometry::Geometry, header::Header};
use crate::{
    redis::{BloomKey, Looked},
    store::StoreError,
};

/// How long a filter that cannot be trusted is not asked again.
const DISTRUST: Duration = Duration::from_millis(500);
/// How often a filter may change under the hands of one call.
const TRIES: usize = 4;

/// A filter in Redis, and what is known of it here.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) key: BloomKey,
    known: RwLock<Known>,
}

#[derive(Clone, Debug, Default)]
enum Known {
    #[default]
    Nothing,
    /// There was none to trust at that moment.
    Distrusted(Instant),
    Live(Arc<Live>),
}

/// A filter that was live when it was looked at.
#[derive(Debug)]
struct Live {
    header: Header,
    /// Some of the bits that are set.
    learnt: Bits,
}

impl Shared {
    pub(super) fn new(key: BloomKey) -> Shared {
        Shared { key, known: RwLock::default() }
    }

    /// Whether the id may be there; `None` where nothing can be said.
    pub(super) async fn has(&self, text: &str) -> Option<bool> {
        for _ in 0..2 {
            let live = self.live().await?;
            let positions = live.header.geometry.positions(text);
            if live.learnt.has(&positions) {
                return Some(true);
            }
            let looked = self.key.look(live.header.first_bit(), &positions).await.ok()?;
            if live.is_still(&looked) {
                if looked.all {
                    live.learnt.set(&positions);
                }
                return Some(looked.all);
            }
            self.forget(&live);
        }
        None
    }

    /// What is known, after a look at Redis if nothing is.
    async fn live(&self) -> Option<Arc<Live>> {
        match self.known() {
            Known::Live(live) => return Some(live),
            Known::Distrusted(at) if at.elapsed() < DISTRUST => return None,
            _ => {}
        }
        let header = self.header().await.ok()?;
        self.learn(header)
    }

    /// Takes note of a header; the second says whether its region is live.
    fn learn(&self, header: Option<(Header, bool)>) -> Option<Arc<Live>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match header {
            Some((header, true)) => {
                if let Known::Live(live) = &*known
                    && live.header.tag == header.tag
                {
                    return Some(live.clone());
                }
                let learnt = Bits::new(header.geometry.bits);
                let live = Arc::new(Live { header, learnt });
                *known = Known::Live(live.clone());
                Some(live)
            }
            _ => {
                *known = Known::Distrusted(Instant::now());
                None
            }
        }
    }

    fn forget(&self, live: &Arc<Live>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*known, Known::Live(now) if Arc::ptr_eq(now, live)) {
            *known = Known::Nothing;
        }
    }

    /// Looks at Redis anew with the next question.
    pub(super) fn forget_all(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known::Nothing;
    }

    /// The header as it is now, and whether it makes the filter live; nothing where there is no filter.
    pub(super) async fn header(&self) -> Result<Option<(Header, bool)>, StoreError> {
        let Some((bytes, server)) = self.key.header().await? else { return Ok(None) };
        match Header::parse(&bytes) {
            Some(header) => Ok(Some((header, header.is_live(server)))),
            // One of another version: nothing can be added to it, and that must not pass for "there is none".
            None if Geometry::is_of_any_version(&bytes) => Err(StoreError::Refused),
            None => Ok(None),
        }
    }

    /// Adds ids. Says how large the filter is, how many it has and how many it was made for, if there is one.
    pub(super) async fn add(
        &self,
        texts: &[&str],
    ) -> Result<Option<(Geometry, u64, u64)>, StoreError> {
        let live = match self.known() {
            Known::Live(live) => Some(live),
            _ => None,
        };
        let mut header = live.as_ref().map(|live| live.header);
        for _ in 0..TRIES {
            let seen = match header.take() {
                Some(header) => header,
                None => match self.header().await? {
                    Some((header, _)) => header,
                    // Whatever is rebuilt from here on waits until this is committed, and finds it.
                    None => return Ok(None),
                },
            };
            if let Some(ids) =
                self.key.add(&seen.geometry.encode(), &pack(&seen.geometry, texts)).await?
            {
                self.learn_added(live.as_deref(), texts);
                return Ok(Some((seen.geometry, ids, seen.expected)));
            }
        }
        Err(StoreError::Refused)
    }

    fn learn_added(&self, live: Option<&Live>, texts: &[&str]) {
        let Some(live) = live else { return };
        for text in texts {
            live.learnt.set(&live.header.geometry.positions(text));
        }
    }

    /// The geometry, how many bits are set if it is live, and how many ids it was made for; nothing where there is none.
    pub(super) async fn fill(&self) -> Result<Option<(Geometry, Option<u64>, u64)>, StoreError> {
        let Some((header, live)) = self.header().await? else { return Ok(None) };
        let Header { geometry, expected, .. } = header;
        let ones = match live {
            true => Some(self.key.count(header.first_bit(), geometry.bits).await?),
            false => None,
        };
        Ok(Some((geometry, ones, expected)))
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Live {
    /// Whether the bits that were looked at are this filter's, on the server it is live on.
    fn is_still(&self, looked: &Looked) -> bool {
        looked.tag == self.header.tag && self.header.is_live(looked.incarnation)
    }
}

/// The positions of some ids, as the script takes them.
fn pack(geometry: &Geometry, texts: &[&str]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(texts.len() * usize::from(geometry.hashes) * 4);
    for text in texts {
        for position in geometry.positions(text) {
            packed.extend_from_slice(&position.to_be_bytes());
        }
    }
    packed
}
