//! The double's commands for reads that name tags. What travels in one write is carried out in its order, and others
//! come in between.

use super::Double;
use crate::{
    cache::Ask,
    entry::{Id, Stamp, Stamps},
    key::Tag,
    store::{Fill, Found, Probe, StoreError, With},
};

impl Double {
    pub(crate) async fn probe_under(
        &self,
        key: &str,
        id: Id,
        ask: &Ask,
        tags: &[Tag],
        _: bool,
    ) -> Result<(Probe, Stamps), StoreError> {
        self.admit()?;
        let stamps = self.generations(tags, true).await;
        let (key, ask) = (key.to_owned(), *ask);
        let probe = self.ask("probe", move |keys| keys.probe(&key, id, &ask)).await;
        Ok((probe?, stamps?))
    }

    pub(crate) async fn read_under(
        &self,
        key: &str,
        ask: &Ask,
        tags: &[Tag],
        with: With,
    ) -> Result<(Option<Found>, Stamps), StoreError> {
        if with != With::Get {
            self.admit()?;
        }
        let stamps = self.generations(tags, false).await;
        let (key, ask) = (key.to_owned(), *ask);
        let found = self.ask("read", move |keys| keys.look(&key, &ask)).await;
        Ok((found?, stamps?))
    }

    pub(crate) async fn stamps(&self, _: &Ask, tags: &[Tag]) -> Result<Stamps, StoreError> {
        self.admit()?;
        self.generations(tags, true).await
    }

    pub(crate) async fn fill_under(
        &self,
        key: &str,
        fill: Fill<'_>,
        tags: &[Tag],
    ) -> Result<(bool, Stamps), StoreError> {
        self.admit()?;
        let filled = self.send_fill(key, fill).await;
        let stamps = self.generations(tags, false).await;
        Ok((filled?, stamps?))
    }

    async fn generations(&self, tags: &[Tag], draw: bool) -> Result<Stamps, StoreError> {
        let texts: Vec<_> = tags.iter().map(|tag| tag.as_ref().text.to_owned()).collect();
        let found = self.ask("generations", move |keys| keys.generations(&texts, draw)).await?;
        let stamp = |(tag, generation): (&Tag, u64)| Stamp { tag: tag.name(), generation };
        Ok(tags.iter().zip(found).map(stamp).collect())
    }
}
