//! Fifty buyers at once want more than there is: all of it is sold, no more, and no read shows stock that is gone.

#![allow(clippy::unwrap_used, reason = "what helps tests is part of them")]
#![allow(clippy::duplicate_mod, reason = "the shop is compiled once for each database")]

mod on_mariadb;
mod on_postgres;
mod on_sqlite;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use cachekit::Cache;

pub const BUYERS: i64 = 50;
pub const EACH: i64 = 3;
pub const STOCK: i64 = 100;

/// A cache of one process.
pub async fn cache(redis: &str) -> Cache {
    // On a slow machine too the invalidation is to be waited for, since another process is asked after it.
    let builder = Cache::builder().namespace("orders").invalidate_wait(Duration::from_secs(20));
    builder.redis(redis).await.unwrap().build().unwrap()
}

/// What was sold, as those know who bought it.
#[derive(Clone, Default)]
pub struct Sales {
    /// The least stock that an order has returned; `None` before the first.
    lowest: Arc<AtomicI64>,
    over: Arc<AtomicBool>,
}

impl Sales {
    pub fn new() -> Self {
        Self { lowest: Arc::new(AtomicI64::new(STOCK)), over: Arc::default() }
    }

    pub fn returned(&self, left: i64) {
        self.lowest.fetch_min(left, SeqCst);
    }

    /// What a read that begins now may show at most.
    pub fn most(&self) -> i64 {
        self.lowest.load(SeqCst)
    }

    pub fn end(&self) {
        self.over.store(true, SeqCst);
    }

    pub fn are_over(&self) -> bool {
        self.over.load(SeqCst)
    }
}

/// The same on each database, with each way to order; the functions are typed by the database.
macro_rules! sell_out {
    ($pool:expr, $redis:expr, $shop:ident, $order:path) => {{
        let pool = $pool.clone();
        let caches = [crate::cache($redis).await, crate::cache($redis).await];
        let sales = crate::Sales::new();
        let stock =
            async |cache: &Cache| cache.scope($shop::stock(&pool, 1)).await.unwrap().unwrap();
        assert_eq!(stock(&caches[0]).await, crate::STOCK);

        let mut readers = Vec::new();
        for cache in caches.clone() {
            let (pool, sales) = (pool.clone(), sales.clone());
            readers.push(tokio::spawn(async move {
                let mut hits = 0;
                while !sales.are_over() {
                    let most = sales.most();
                    let read = cache.scope(with_status($shop::stock(&pool, 1)));
                    let (shown, status) = read.await;
                    let shown = shown.unwrap().unwrap();
                    assert!(shown <= most, "{shown} are shown, and {most} were left before");
                    hits += u32::from(status == Status::Hit);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                hits
            }));
        }

        let start = Arc::new(Barrier::new(crate::BUYERS as usize));
        let mut buyers = Vec::new();
        for buyer in 0..crate::BUYERS {
            let (pool, sales, start) = (pool.clone(), sales.clone(), start.clone());
            // One orders, and looks at both processes after that.
            let (here, there) =
                (caches[buyer as usize % 2].clone(), caches[1 - buyer as usize % 2].clone());
            buyers.push(tokio::spawn(async move {
                let mut bought = 0;
                start.wait().await;
                for _ in 0..crate::EACH {
                    match $order(&here, &pool, 1, 1).await {
                        Ok(ordered) => {
                            assert_eq!(ordered.invalidation, Outcome::Applied);
                            bought += 1;
                            sales.returned(ordered.left);
                        }
                        Err($shop::OrderError::SoldOut { left }) => assert_eq!(left, 0),
                        Err(error) => panic!("{error}"),
                    }
                    let most = sales.most();
                    for cache in [&here, &there] {
                        let shown = cache.scope($shop::stock(&pool, 1)).await.unwrap().unwrap();
                        assert!(shown <= most, "{shown} are shown, and {most} were left before");
                    }
                }
                bought
            }));
        }
        let mut bought = 0;
        for buyer in buyers {
            bought += buyer.await.unwrap();
        }
        assert_eq!(bought, crate::STOCK);
        sales.end();
        for reader in readers {
            println!("a reader had {} hits", reader.await.unwrap());
        }
        assert_eq!((stock(&caches[0]).await, stock(&caches[1]).await), (0, 0));
        let sum = "SELECT CAST(sum(quantity) AS DECIMAL) = 100 FROM orders";
        let all: bool = sqlx::query_scalar(sum).fetch_one(&pool).await.unwrap();
        assert!(all, "what buyers have is what was written down");
    }};
}
pub(crate) use sell_out;
