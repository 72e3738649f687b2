//! Bloom filters: ids that were never issued are answered without a look-up.
//!
//! A cache does not help against questions for what does not exist: each of them is a miss. A [`Bloom`] filter holds all
//! ids that do, in about ten bits each, and says of any other that it is *definitely absent*; of a small share of those,
//! one in a hundred unless the builder says otherwise, it says "perhaps", and they take the usual way.
//!
//! ```
//! use std::time::Duration;
//! use cachekit_core::{Cache, bloom::Bloom};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder().build()?;
//! let users: Bloom<i64> = Bloom::builder("users")
//!     .expected(1_000_000)
//!     .false_positives(0.01)
//!     # .settle(Duration::ZERO)
//!     .build(&cache)?;
//! assert!(users.may_contain(7).await); // before the first rebuild: perhaps
//!
//! // With sqlx: `users.rebuild(|| sqlx::query_scalar("SELECT id FROM users").fetch(&pool))`
//! # use std::{convert::Infallible, pin::Pin, task::{Context, Poll}};
//! # struct Ids(std::ops::Range<i64>);
//! # impl futures_core::Stream for Ids {
//! #     type Item = Result<i64, Infallible>;
//! #     fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
//! #         Poll::Ready(self.0.next().map(Ok))
//! #     }
//! # }
//! users.rebuild(|| Ids(0..1000)).await?;
//! assert!(users.may_contain(7).await);
//! assert!(!users.may_contain(-1).await);
//!
//! // A writer adds the id before it commits, and confirms it after that.
//! let added = users.add(-1).await?;
//! // INSERT …, COMMIT
//! added.confirm().await?;
//! assert!(users.may_contain(-1).await);
//! # Ok(())
//! # }
//! ```
//!
//! With `#[cached(.., bloom = users)]` the placeholders of the key are asked for, after the
//! in-process tier and before anything else; an id that is absent is answered `None` or `Ok(None)`.
//!
//! # What is promised
//!
//! Once a write has returned that [added](Bloom::add) its id, committed, and [confirmed](Added::confirm) it, no process
//! is told any more that the id is absent; [`Transaction::bloom_add`](crate::sql) does all of it. Every doubt is a
//! "perhaps": Redis away or refusing writes, a filter that was never rebuilt, evicted, flushed, made by another server
//! process, or restored from a snapshot.
//!
//! "Absent" is not kept anywhere and ends nowhere by itself, so what it rests on is worth knowing:
//!
//! * **The bits and what vouches for them are one key**, `ck~bf:<namespace>:<name>`, and one command looks at both. If
//!   Redis evicts or flushes it, the voucher is gone with the bits. The voucher names the server process that took every
//!   write since the rebuild began, by its run id and the id of its history: a restart or a failover, whatever data it
//!   comes up with, is not believed until somebody rebuilds.
//! * **The look-up counts as a write**, as with the cache's entries: a server that would refuse an insert's bits
//!   (a replica, a primary that lost its replicas) is not asked either.
//! * **A rebuild has every insert.** From its beginning inserts go to the new filter as well as to the old one. Then it
//!   waits for [`settle`](BloomBuilder::settle), 5 s: a transaction that had added its id to the old filter alone has
//!   committed by then, and is found by the scan that follows. One that took longer adds its id again in `confirm`. Last
//!   of all the new filter takes the old one's place, in one step.
//! * **An insert that cannot add its id must not commit.** [`add`](Bloom::add) is an error then. Nothing else could tell
//!   the readers that reach Redis from elsewhere.
//!
//! The rest is up to the user: every insert, also of other programs, adds its id; the scan reads from the primary, sees
//! what was committed when it began, and sees *all* rows. Deleted ids stay until the next rebuild, as "perhaps".
//! One case is left: a writer that is *killed* after a commit that came later than `settle` after its `add`, while a
//! rebuild was begun in between. Give `settle` more time than your longest transaction takes from `add` to its end.
//!
//! # In Redis, or in process?
//!
//! Both. A filter in each process (the crate `fastbloom`, say) answers in tens of nanoseconds, where a question to Redis
//! takes tens of microseconds and more. But a process cannot know by itself of an insert elsewhere, so that its
//! "absent" is right only after asking, or if every insert waited for every process. Its "perhaps" on the other hand can
//! do no harm. So the bits are in Redis, which alone says "absent", and each process keeps what it has learnt of them:
//! ids that exist, as most do that are asked for, are let through in process from the second question on. Measured with a
//! million ids at 1 %, Redis on the same machine, which had other work (read the ratios;
//! `cargo bench -p cachekit-benches --bench bloom`):
//!
//! | | a question | ids that pass and do not exist |
//! |---|---|---|
//! | `fastbloom` in process | 0.1 to 0.2 µs | 1.04 % |
//! | bits in Redis only | 44 µs | |
//! | this filter, an id that exists and is known here | 1.1 µs | |
//! | this filter, an id that does not exist | 38 µs: one round trip | 0.98 % |
//! | this filter without Redis | 0.7 to 1 µs | 0.95 % |
//!
//! Most of the microsecond is the hash, which is BLAKE3 with a salt of each filter's own: who knows your ids can still not
//! work out others that pass. A rebuild with a million ids took 1.1 s.
//!
//! It takes no module in Redis, 2.4 MB there for a million ids at 1 % (two regions: the one in use, and the one that is
//! rebuilt or spare) and half of that in each process. Without Redis it is all in process.
//!
//! # How many are too many
//!
//! A filter with more ids than [expected](BloomBuilder::expected) lets more pass: with twice as many 16 % in place of
//! 1 %. It stays right. [`Bloom::stats`] says how many it has and what share passes now, `cachekit_bloom_ids` and
//! `cachekit_bloom_false_positives` are its gauges, and the log has one warning per process. Rebuild it with more room:
//! processes go by what the filter in Redis says of its size, so old and new ones agree; it is distrusted meanwhile, as
//! the old bits are no use to the new size.
//!
//! The log-in of an ACL user needs `+bitfield +setbit +setrange +getrange +bitcount +time +eval +evalsha` on `~ck~bf:*`.

mod added;
mod ask;
mod bits;
mod builder;
mod filter;
mod geometry;
#[cfg(feature = "redis")]
mod header;
mod local;
mod rebuild;
#[cfg(feature = "redis")]
mod shared;
mod stats;

pub use added::Added;
#[cfg(feature = "_sqlx")]
pub(crate) use added::Adds;
pub(crate) use ask::Asked;
#[doc(hidden)]
pub use ask::{Asks, Question};
pub use builder::BloomBuilder;
pub use filter::{Bloom, Verdict};
pub use rebuild::Rebuilt;
pub use stats::BloomStats;
