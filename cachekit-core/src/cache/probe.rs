//! A leader's way to a lease or to an entry in the shared tier (protocol §4.4).

use std::time::Duration;

use super::{
    Answer, Status,
    attempt::{Attempt, Lead, Load},
    load::Leased,
};
use crate::{
    entry::Id,
    flight::{Phase, Role},
    mutant::{self, Mutant},
    store::{Expected, Probe, StoreError},
    sync,
};

/// How often a leader begins anew because the key changed under its hands.
pub(super) const RETRIES: u32 = 8;

/// What came of one probe.
pub(super) enum Next {
    /// There is an answer, in the place of this id.
    Hit(Id, Answer, Status),
    /// There is an entry that is out of date, and this leader loads anew.
    Renew(Box<Leased>),
    /// The key holds our lease with this id.
    Granted(Id),
    /// Everybody has an answer, or this leader was deposed.
    Over,
    /// Another process loads; look again after a pause.
    Wait,
    /// The key changed under our hands; look again.
    Again,
    /// No use: load without the cache.
    Direct(&'static str),
}

/// How long a leader has been at it.
struct Patience {
    waited: Duration,
    pause: Duration,
    retries: u32,
}

impl Attempt {
    pub(super) async fn lead_remote(&mut self, role: Role) -> Lead {
        if let Some(lease) = role.lease() {
            return self.begin_load(role, lease).await;
        }
        let mut patience = Patience::new();
        loop {
            let patient = patience.waited < self.engine.limits.lease_wait;
            match self.probe(&role, patient).await {
                Next::Hit(id, answer, status) => return role.hit_by(id, answer, status).into(),
                Next::Renew(lease) => return self.begin(role, *lease).await,
                Next::Granted(lease) => {
                    return match role.granted(lease) {
                        Some(true) => self.begin_load(role, lease).await,
                        _ => Lead::Over,
                    };
                }
                Next::Over => return Lead::Over,
                Next::Direct(reason) => return Box::pin(self.go_direct(role, reason)).await,
                Next::Again if patience.retry() => {}
                Next::Wait if patient => Box::pin(patience.pause()).await,
                Next::Again => return Box::pin(self.go_direct(role, "contended")).await,
                Next::Wait => return Box::pin(self.go_direct(role, "lease_wait")).await,
            }
            if let Some(reason) = self.barred() {
                return Box::pin(self.go_direct(role, reason)).await;
            }
        }
    }

    pub(super) async fn begin_load(&mut self, role: Role, lease: Id) -> Lead {
        let hold = self.engine.store.hold(self.key().as_str(), lease);
        let stamps = match &self.tags {
            None => None,
            Some(tags) => match Box::pin(self.stamps_of_load(&role, tags)).await {
                Ok(stamps) => Some(stamps),
                Err(error) => return Box::pin(self.go_direct(role, error.reason())).await,
            },
        };
        let expected = Expected::Lease(lease);
        self.begin(role, Leased { expected, old: None, _hold: hold, began_ms: 0, stamps }).await
    }

    pub(super) async fn begin(&mut self, role: Role, lease: Leased) -> Lead {
        let has_old =
            lease.old.as_ref().is_some_and(|old| self.may_fall_back_on(&old.age, &old.answer));
        if Box::pin(self.line_up(has_old)).await.is_err() {
            drop(lease);
            return Box::pin(self.crowded_out(role)).await;
        }
        if role.load_begins(Phase::Loading).is_none() {
            return Lead::Over;
        }
        let began_ms = self.engine.clock.now_ms();
        Lead::Load(Load::Leased { role, lease: Leased { began_ms, ..lease } })
    }

    async fn probe(&mut self, role: &Role, patient: bool) -> Next {
        let Some(id) = self.probe_id(role) else { return Next::Direct("down") };
        if role.probe_sent(id).is_none() {
            return Next::Over;
        }
        let found = match &self.tags {
            None => self.engine.probe(self.key(), id, &self.ask).await,
            Some(tags) => match Box::pin(self.probe_under(role, id, tags)).await {
                Ok(found) => found,
                Err(reason) => return Next::Direct(reason),
            },
        };
        self.probed(role, id, found, patient).await
    }

    /// What the answer to a probe with this id means.
    pub(super) async fn probed(
        &mut self,
        role: &Role,
        id: Id,
        found: Result<Probe, StoreError>,
        patient: bool,
    ) -> Next {
        match found {
            Ok(Probe::Granted) => Next::Granted(id),
            Ok(Probe::Lease(found)) => self.lease_found(role, id, found),
            Ok(Probe::Hit(found)) if found.fresh_for_ms.is_none() => {
                Next::Hit(id, found.answer, Status::Hit)
            }
            Ok(Probe::Hit(found)) => Box::pin(self.aged(role, id, found, patient)).await,
            // Boxed like all that is no hit: the future of every read would be as large.
            Ok(found) => {
                role.forget(id);
                Box::pin(self.found(role, found)).await
            }
            Err(error) => Box::pin(self.failed_probe(role, id, error)).await,
        }
    }

    /// Every probe that is sent has an id of its own: an id sent twice could enter the key, leave
    /// it, and come back.
    pub(super) fn probe_id(&self, role: &Role) -> Option<Id> {
        if mutant::on(Mutant::SameProbeId)
            && let Some(id) = role.last_sent()
        {
            return Some(id);
        }
        self.engine.store.fresh_id()
    }

    fn lease_found(&self, role: &Role, sent: Id, found: Id) -> Next {
        if found != sent && role.sent(found) {
            role.forget(sent);
            return Next::Granted(found);
        }
        if found == sent {
            return Next::Granted(sent);
        }
        match role.waits_for_lease(sent) {
            Some(()) => Next::Wait,
            None => Next::Over,
        }
    }

    /// Deals with what is neither a lease nor a hit.
    async fn found(&self, role: &Role, found: Probe) -> Next {
        match found {
            Probe::Unusable(_) if !self.may_replace() => Next::Direct("schema"),
            Probe::Unusable(seen) | Probe::Outdated(seen) => self.replace(role, seen).await,
            Probe::Inhibited => Next::Direct("inhibited"),
            Probe::Foreign => match self.engine.store.remove_foreign(self.key().as_str()).await {
                Ok(()) => Next::Again,
                Err(_) => Next::Direct("foreign"),
            },
            Probe::Granted | Probe::Lease(_) | Probe::Hit(_) => Next::Again,
        }
    }

    /// Whether an entry of another type may be replaced. Two versions of a service would take turns
    /// at this for ever, so it is done at most once per key in 10 s.
    fn may_replace(&self) -> bool {
        self.engine.replaced.allow(self.key(), self.engine.clock.now_ms())
    }

    /// Takes a lease in place of an entry that this process cannot use.
    async fn replace(&self, role: &Role, seen: Id) -> Next {
        let Some(fresh) = self.engine.store.fresh_id() else { return Next::Direct("down") };
        if role.remember(fresh).is_none() {
            return Next::Over;
        }
        match self.engine.store.replace(self.key().as_str(), seen, fresh).await {
            Ok(true) => Next::Granted(fresh),
            Ok(false) => {
                role.forget(fresh);
                Next::Again
            }
            Err(error) => Next::Direct(error.reason()),
        }
    }

    /// With its memory full the server still deletes, so what it has is as good as ever; after any
    /// other error a plain GET might serve what can no longer be invalidated.
    async fn failed_probe(&self, role: &Role, id: Id, error: StoreError) -> Next {
        if error != StoreError::Unknown {
            role.forget(id);
        }
        if error == StoreError::OutOfMemory
            && let Ok(Some(found)) = self.look_only().await
        {
            return Next::Hit(id, found.answer, Status::Hit);
        }
        Next::Direct(error.reason())
    }
}

impl Patience {
    fn new() -> Self {
        Self { waited: Duration::ZERO, pause: Duration::from_millis(2), retries: 0 }
    }

    fn retry(&mut self) -> bool {
        self.retries += 1;
        self.retries <= RETRIES
    }

    /// Full jitter, doubling from 2 ms to 50 ms.
    async fn pause(&mut self) {
        let pause = self.pause.mul_f64(fastrand::f64());
        self.pause = (self.pause * 2).min(Duration::from_millis(50));
        let before = sync::now();
        sync::sleep(pause).await;
        self.waited += (sync::now() - before).max(pause);
    }
}
