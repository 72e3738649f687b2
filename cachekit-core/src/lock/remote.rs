//! Locks in Redis: asking for one, and what is held there.

use std::{fmt::Write as _, sync::Arc};

use super::{
    acquire::Patience,
    errors,
    hold::{Hold, safe_until},
    keeper::Keeper,
    lease::{Claim, Lease},
    terms::Terms,
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind},
    key::{Key, Template},
    observe,
    redis::{LockAsk, LockKeys, LockTaken, RedisStore, StoreError, Wakes},
};

/// The locks of one namespace, as this process has to do with them.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) store: RedisStore,
    pub(super) keeper: Arc<Keeper>,
    pub(super) wakes: Wakes,
    clock: Clock,
}

/// A lock that was granted.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) hold: Arc<Hold>,
    pub(super) lease: Lease,
    /// What the keeper knows it by.
    pub(super) number: u64,
}

/// One caller's wish.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub(super) template: Template,
    pub(super) keys: Arc<LockKeys>,
    pub(super) terms: &'a Terms,
}

/// What came of one command.
#[derive(Debug)]
pub(super) enum Answer {
    Granted(Granted),
    Busy { left: Option<std::time::Duration>, first: bool },
}

impl Remote {
    pub(super) fn new(store: RedisStore, clock: Clock) -> Remote {
        let (keeper, wakes) = (Arc::new(Keeper::new(store.clone())), store.wakes());
        Remote { store, keeper, wakes, clock }
    }

    /// Takes the lock: at once, or after waiting in line with those of other processes. `yielding`: after them only.
    pub(super) async fn take(
        &self,
        key: &Key,
        terms: &Terms,
        patience: Patience,
        yielding: bool,
    ) -> Result<Granted, Error> {
        self.keeper.start();
        let keys = Arc::new(self.store.lock_keys(key.as_str()));
        let wish = Wish { template: key.to_template(), keys, terms };
        if !yielding || !patience.waits() {
            let ask = async |token: &str| {
                let ask = wish.ask(token, terms.fair);
                self.store.lock_acquire(&wish.keys, ask).await
            };
            match self.attempt(&wish, ask).await? {
                Answer::Granted(granted) => return Ok(granted),
                Answer::Busy { .. } => observe::lock_contended(key.template(), "store"),
            }
            if !patience.waits() {
                return Err(errors::busy(&wish.template));
            }
        }
        self.wait(&wish, patience, yielding || terms.fair).await
    }

    /// Sends one command that may take the lock, with a token that was never sent before: one that is carried out
    /// late then takes nothing that a later one released.
    pub(super) async fn attempt(
        &self,
        wish: &Wish<'_>,
        ask: impl AsyncFnOnce(&str) -> Result<LockTaken, StoreError>,
    ) -> Result<Answer, Error> {
        let token = token(wish.terms.owner.as_deref())?;
        let claim = Claim {
            keys: wish.keys.clone(),
            token: token.clone(),
            lease: wish.terms.lease,
            granted: false,
            unsure: false,
        };
        // From here on whoever drops this releases what may have been granted.
        let mut lease = Lease::new(self.keeper.clone(), claim);
        let sent_ms = self.clock.now_ms();
        match ask(&token).await {
            Ok(LockTaken::Granted(fence)) => {
                self.granted(wish, lease, fence, sent_ms).map(Answer::Granted)
            }
            Ok(LockTaken::Busy { left, first }) => {
                lease.forget();
                Ok(Answer::Busy { left, first })
            }
            Err(error) => {
                match error.outcome_unknown() {
                    true => lease.doubt(),
                    false => lease.forget(),
                }
                Err(errors::unavailable(errors::ACQUIRE, &wish.template, error))
            }
        }
    }

    fn granted(
        &self,
        wish: &Wish<'_>,
        mut lease: Lease,
        fence: u64,
        sent_ms: u64,
    ) -> Result<Granted, Error> {
        lease.confirm();
        let Terms { lease: time, max_hold, .. } = *wish.terms;
        let until_ms = safe_until(sent_ms, time);
        let template = wish.template.clone();
        let hold = Arc::new(Hold::new(template, fence, self.clock.clone(), until_ms, max_hold));
        if !hold.is_held() {
            let message = "the answer came when the lease was over already";
            let error = Error::new(ErrorKind::Timeout, errors::ACQUIRE, message);
            return Err(error.with_template(wish.template.clone()));
        }
        let claim = lease.claim().expect("it was not given back").clone();
        let number = self.keeper.held.watch(claim, hold.clone())?;
        Ok(Granted { hold, lease, number })
    }
}

impl Wish<'_> {
    pub(super) fn ask<'a>(&self, token: &'a str, fair: bool) -> LockAsk<'a> {
        LockAsk { token, lease: self.terms.lease, floor: self.terms.floor, fair }
    }
}

/// 128 random bits, and the owner's label for those who look into Redis.
pub(super) fn token(owner: Option<&str>) -> Result<Arc<str>, Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| {
        let message = "the system has no random numbers";
        let error = error.to_string();
        Error::new(ErrorKind::Unexpected, errors::ACQUIRE, message).with_source(error)
    })?;
    let mut token = format!("{:032x}", u128::from_be_bytes(bits));
    if let Some(owner) = owner {
        // A text grows and never fails.
        let _ = write!(token, " {owner}");
    }
    Ok(token.into())
}
