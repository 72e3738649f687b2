//! Plays a walk against a server: every answer, and what is under the key after every step.

use std::collections::BTreeMap;
use std::fmt::Debug;

use cachekit_core::testing::{Probed, Steps};
use cachekit_model::trace::{Seen, Touch, Touched};
use cachekit_test_support::{Connection, RedisServer, Reply};
use fastrand::Rng;

type RawId = [u8; 16];

/// One key on one server, and which real id stands for which of the model's.
pub(crate) struct Player<'a> {
    steps: &'a Steps,
    redis: Connection,
    key: String,
    ids: BTreeMap<u8, RawId>,
    rng: Rng,
}

impl Player<'_> {
    pub(crate) fn new<'a>(
        server: &RedisServer,
        steps: &'a Steps,
        key: String,
        seed: u64,
    ) -> Player<'a> {
        let (redis, ids) = (server.connection(), BTreeMap::new());
        Player { steps, redis, key, ids, rng: Rng::with_seed(seed) }
    }

    /// The first difference, or none.
    pub(crate) async fn play(&mut self, walk: &[Touched]) -> Result<(), String> {
        for (at, touched) in walk.iter().enumerate() {
            let way = || format!("{:?}", &walk[..=at]);
            self.step(touched).await.map_err(|what| format!("{what}\nafter {}", way()))?;
        }
        Ok(())
    }

    async fn step(&mut self, touched: &Touched) -> Result<(), String> {
        self.touch(touched).await?;
        same(&format!("the key after {:?}", touched.touch), self.found()?, touched.after)?;
        self.stray(touched.after).await?;
        same("the key after what changes nothing", self.found()?, touched.after)
    }

    fn fresh(&mut self) -> RawId {
        self.steps.fresh_id().expect("the link is up")
    }

    /// The real id that stands for this one, drawn when it is first named.
    fn id(&mut self, id: u8) -> RawId {
        // A refused value's id is never met again.
        if id == u8::MAX {
            return self.fresh();
        }
        match self.ids.get(&id) {
            Some(known) => *known,
            None => {
                let fresh = self.fresh();
                self.ids.insert(id, fresh);
                fresh
            }
        }
    }

    /// Sends the command and compares its answer with what the model says that it found.
    async fn touch(&mut self, touched: &Touched) -> Result<(), String> {
        let name = format!("{:?}", touched.touch);
        let before = touched.before;
        match touched.touch {
            Touch::Probe { id } => {
                let sent = self.id(id.unwrap_or(u8::MAX));
                let expected = self.probed(before);
                same(&name, self.steps.probe(&self.key, sent).await?, expected)
            }
            Touch::Fill { lease, id, version } => {
                let (lease_id, value) = (self.id(lease), (self.id(id), version.into()));
                let expected =
                    matches!(before, Seen::Lease { id, floor } if id == lease && version >= floor);
                let filled = self.steps.fill(&self.key, lease_id, value).await?;
                same(&name, filled, expected)?;
                if filled {
                    let again = self.steps.fill(&self.key, lease_id, value).await?;
                    same("the same fill, sent twice", again, true)?;
                }
                Ok(())
            }
            Touch::Replace { seen, id } => {
                let (old, fresh) = (self.id(seen), self.id(id.unwrap_or(u8::MAX)));
                let replaced = self.steps.replace(&self.key, old, fresh).await?;
                same(&name, replaced, id_of(before) == Some(seen))
            }
            Touch::GiveUp { id } => {
                let given = self.id(id);
                let removed = self.steps.give_up(&self.key, given).await?;
                same(&name, removed, id_of(before) == Some(id))
            }
            Touch::Unlink => self.steps.unlink(&self.key).await,
            Touch::Becomes(seen) => self.becomes(seen),
        }
    }

    fn probed(&mut self, before: Seen) -> Probed {
        match before {
            Seen::Absent => Probed::Granted,
            Seen::Lease { id, .. } => Probed::Lease(self.id(id)),
            Seen::Value { id, .. } => Probed::Value(self.id(id)),
            Seen::Tombstone { id, .. } => Probed::Tombstone(self.id(id)),
        }
    }

    /// What a floor's invalidation or the end of a lease leaves, put there by hand.
    fn becomes(&mut self, seen: Seen) -> Result<(), String> {
        let key = self.stored_key();
        let reply = match seen {
            Seen::Absent => self.redis.call(&["UNLINK", &key]),
            Seen::Tombstone { id, floor } => {
                let mut entry = vec![0xca, 1, b'T', 0];
                entry.extend_from_slice(&self.id(id));
                entry.extend_from_slice(&u64::from(floor).to_be_bytes());
                self.redis.call(&[b"SET", key.as_bytes(), &entry])
            }
            other => return Err(format!("{other:?} comes by commands alone")),
        };
        if matches!(reply, Reply::Error(_)) { Err(format!("{reply:?}")) } else { Ok(()) }
    }

    /// Commands of ids that are not under the key, or not as what they take it for.
    async fn stray(&mut self, now: Seen) -> Result<(), String> {
        let known: Vec<_> = self.ids.iter().map(|(id, raw)| (*id, *raw)).collect();
        let Some(&(id, raw)) = known.get(self.rng.usize(..known.len().max(1))) else {
            return Ok(());
        };
        let leased = matches!(now, Seen::Lease { id: lease, .. } if lease == id);
        same("extend", self.steps.extend(&self.key, raw).await?, leased)?;
        if let Seen::Lease { id: lease, floor } = now
            && floor > 0
        {
            let (lease, below) = (self.id(lease), u64::from(floor - 1));
            let fresh = self.fresh();
            let filled = self.steps.fill(&self.key, lease, (fresh, below)).await?;
            same("a fill from below the floor", filled, false)?;
        }
        if leased {
            return Ok(());
        }
        let fresh = self.fresh();
        same("a late fill", self.steps.fill(&self.key, raw, (fresh, 250)).await?, false)?;
        if id_of(now) != Some(id) {
            let fresh = self.fresh();
            same("a late give-up", self.steps.give_up(&self.key, raw).await?, false)?;
            same("a late lease", self.steps.replace(&self.key, raw, fresh).await?, false)?;
        }
        Ok(())
    }

    fn stored_key(&self) -> String {
        format!("ck:model:{}", self.key)
    }

    /// What is under the key, in the model's ids.
    fn found(&mut self) -> Result<Seen, String> {
        let key = self.stored_key();
        let Some(bytes) = self.redis.call(&["GET", &key]).bytes() else { return Ok(Seen::Absent) };
        let number = |at: usize| {
            let eight = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok());
            eight.map(u64::from_be_bytes).and_then(|n| u8::try_from(n).ok()).unwrap_or(u8::MAX)
        };
        let raw = bytes.get(4..20).ok_or("an entry without an id")?;
        let id = self.ids.iter().find(|(_, known)| *known == raw).map_or(u8::MAX, |(id, _)| *id);
        match bytes[2] {
            b'L' => Ok(Seen::Lease { id, floor: number(20) }),
            b'V' => Ok(Seen::Value { id, version: number(28), floor: number(20) }),
            b'T' => Ok(Seen::Tombstone { id, floor: number(20) }),
            kind => Err(format!("an entry of kind {kind}")),
        }
    }
}

fn id_of(seen: Seen) -> Option<u8> {
    match seen {
        Seen::Absent => None,
        Seen::Lease { id, .. } | Seen::Value { id, .. } | Seen::Tombstone { id, .. } => Some(id),
    }
}

fn same<T: Debug + PartialEq>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: Redis says {found:?}, the model {expected:?}"))
}
