//! What becomes in this process of a value that is shared with those who wait, and not kept.

use super::{
    Answer, Status,
    attempt::{Attempt, Ticketed, own_if_deposed},
};
use crate::flight::{Role, Verdict};

impl Attempt {
    /// Shares it if it could have been kept: then nothing was invalidated since the load began.
    pub(super) fn settle_unkept(
        &mut self,
        role: Role,
        lease: &Ticketed,
        answer: &Answer,
    ) -> Option<Verdict> {
        let stamps = self.stamps_of_fill(&role, lease.stamps.clone());
        if lease.ticket.redeem(|| ()).is_none() {
            let settled = role.refused(answer);
            return self.after(settled, role);
        }
        if stamps.is_some_and(|stamps| !self.engine.are_current(&stamps, self.tags())) {
            let settled = role.outdated(answer);
            return self.after(settled, role);
        }
        own_if_deposed(role.served(answer, Status::Loaded), Status::Loaded)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use serde::{Deserialize, Serialize};
    use tokio::sync::Semaphore;

    use crate::{
        __private::KeyBuf,
        cache::{Cache, HasLife, Life, Policy, ToldError},
        key::Key,
    };

    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        number: usize,
        secs: u64,
    }

    impl HasLife for Page {
        fn life(&self) -> Life {
            Life::new(Duration::from_secs(self.secs))
                .stale_while_revalidate(Duration::from_secs(self.secs))
        }
    }

    impl ToldError for Infallible {
        fn to_others(&self) -> Option<Self> {
            None
        }
    }

    fn key(name: &'static str) -> Key {
        KeyBuf::new(name, |w| w.literal(name)).into_key()
    }

    fn policy() -> Policy {
        Policy::new(Duration::from_secs(3600)).life_from::<Page>()
    }

    #[derive(Default)]
    struct Source {
        loads: AtomicUsize,
        secs: u64,
    }

    impl Source {
        fn page(&self) -> Page {
            let number = self.loads.fetch_add(1, Ordering::SeqCst);
            Page { number, secs: self.secs }
        }
    }

    async fn read(cache: &Cache, source: &'static Source, gate: &'static Semaphore) -> Page {
        let load = move || async move {
            let page = source.page();
            gate.acquire().await.unwrap().forget();
            Ok::<_, Infallible>(page)
        };
        let tagged = cache.tagged([key("group")]);
        tagged.get_or_refresh_told(key("page"), &policy(), load).await.unwrap()
    }

    fn leak<T>(value: T) -> &'static T {
        Box::leak(Box::new(value))
    }

    async fn until_loads(source: &Source, loads: usize) {
        while source.loads.load(Ordering::SeqCst) < loads {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn all_who_wait_share_it_and_the_next_one_loads() {
        let cache = Cache::builder().build().unwrap();
        let (source, gate) = (leak(Source::default()), leak(Semaphore::new(0)));
        let readers: Vec<_> = (0..20)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move { read(&cache, source, gate).await })
            })
            .collect();
        until_loads(source, 1).await;
        gate.add_permits(1);
        for reader in readers {
            assert_eq!(reader.await.unwrap().number, 0);
        }
        gate.add_permits(1);
        assert_eq!(read(&cache, source, gate).await.number, 1);
    }

    #[tokio::test]
    async fn who_came_after_an_invalidation_is_not_given_it() {
        let cache = Cache::builder().build().unwrap();
        let (source, gate) = (leak(Source::default()), leak(Semaphore::new(0)));
        let spawn = || {
            let cache = cache.clone();
            tokio::spawn(async move { read(&cache, source, gate).await })
        };
        let early = spawn();
        until_loads(source, 1).await;
        cache.invalidate(key("group")).await;
        let late = spawn();
        tokio::task::yield_now().await;
        gate.add_permits(2);
        assert_eq!(early.await.unwrap().number, 0);
        assert_eq!(late.await.unwrap().number, 1);
    }

    #[tokio::test]
    async fn each_value_lives_as_long_as_it_says() {
        let (clock, builder) = crate::testing::clock();
        let cache = builder.build().unwrap();
        let gate = leak(Semaphore::new(9));
        let source = leak(Source { secs: 10, ..Source::default() });
        assert_eq!(read(&cache, source, gate).await.number, 0);
        clock.advance(Duration::from_secs(5));
        assert_eq!(read(&cache, source, gate).await.number, 0);
        // The policy has no window for it, so that of the value counts for nothing.
        clock.advance(Duration::from_secs(6));
        assert_eq!(read(&cache, source, gate).await.number, 1);
    }
}
