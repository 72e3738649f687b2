//! One caller: it reads, writes, leaves now and then, and notes all of it.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use cachekit_torture::{
    clock,
    history::{Call, Event},
    journal::Journal,
    rows::Rows,
};
use fastrand::Rng;
use tokio::time;

use super::{Process, loader::caught};

pub(super) struct Caller<DB: Rows> {
    process: Arc<Process<DB>>,
    journal: Journal,
    rng: Rng,
}

impl<DB: Rows> Caller<DB> {
    pub(super) fn of(process: Arc<Process<DB>>, rng: Rng) -> io::Result<Caller<DB>> {
        let journal = Journal::open(&process.journal)?;
        Ok(Caller { process, journal, rng })
    }

    /// Calls until its process is to rest.
    pub(super) async fn call(mut self) -> io::Result<()> {
        while !self.process.resting.load(Ordering::Relaxed) {
            if self.rng.u8(..100) < self.process.writes {
                self.write().await?;
            } else {
                let (key, limit) = (self.process.key(&mut self.rng), self.leaves());
                self.read(key, limit).await?;
            }
            // A read that is answered here never waits: others must have their turn.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Reads every item once.
    pub(super) async fn look(mut self) -> io::Result<()> {
        for key in 0..self.process.keys.len() {
            let key = u32::try_from(key).expect("few keys");
            while !self.read(key, None).await? {}
        }
        Ok(())
    }

    /// Whether it returned.
    async fn read(&mut self, key: u32, limit: Option<Duration>) -> io::Result<bool> {
        let invoked = clock::now();
        let read = self.process.subject.read(&self.process.loader, key);
        let call = match self.within(limit, read).await {
            Some((version, source)) => Call::Read { version, source },
            None => Call::LostRead,
        };
        self.note(key, invoked, call)?;
        Ok(call != Call::LostRead)
    }

    async fn write(&mut self) -> io::Result<()> {
        let keys = self.keys();
        let limit = self.leaves();
        let invoked = clock::now();
        self.journal.begin(self.process.number, &keys, invoked)?;
        let write = self.process.subject.write(&self.process.loader.pool, &keys);
        match self.within(limit, write).await {
            Some((versions, applied)) => {
                for (key, version) in keys.into_iter().zip(versions) {
                    let version = u64::try_from(version).expect("versions grow");
                    self.note(key, invoked, Call::Write { version, applied })?;
                }
            }
            None => {
                for key in keys {
                    self.note(key, invoked, Call::LostWrite)?;
                }
            }
        }
        Ok(())
    }

    /// One item as a rule, or two: in one order, so that no two transactions wait for each other.
    fn keys(&mut self) -> Vec<u32> {
        let mut keys = vec![self.process.key(&mut self.rng)];
        if self.rng.u8(..4) == 0 {
            keys.push(self.process.key(&mut self.rng));
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// When this caller leaves, if it does.
    fn leaves(&mut self) -> Option<Duration> {
        (self.rng.u8(..32) == 0).then(|| Duration::from_micros(self.rng.u64(..20_000)))
    }

    async fn within<T, E>(
        &self,
        limit: Option<Duration>,
        call: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        let call = caught(call);
        let Some(limit) = limit else { return call.await?.ok() };
        let called = time::timeout(limit, call).await;
        if called.is_err() {
            self.process.mishaps.left.fetch_add(1, Ordering::Relaxed);
        }
        called.ok()??.ok()
    }

    fn note(&mut self, key: u32, invoked: u64, call: Call) -> io::Result<()> {
        let process = self.process.number;
        self.journal.note(&Event { process, key, invoked, returned: clock::now(), call })
    }
}
