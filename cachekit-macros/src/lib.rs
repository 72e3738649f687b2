//! The attributes of cachekit; use them through the `cachekit` crate, where they are documented by example.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

use proc_macro::TokenStream;

mod cached;
#[cfg(test)]
mod cases;
mod duration;
mod errors;
mod fallback;
mod invalidates;
mod isolated;
mod key;
mod krate;
mod mentions;
mod options;
mod segment;
mod signature;
#[cfg(test)]
mod snapshots;
mod template;
mod writes_through;

/// Keeps what an async function answers, and gives it to the next caller with the same key.
///
/// Concurrent calls with one key run the body once. Only success is kept, an `Err` never. Without a cache in scope or
/// installed the body runs, as if the attribute were not there.
///
/// ```
/// use cachekit::cached;
///
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct User {
///     id: i64,
/// }
///
/// #[cached(key = "user:<id>", ttl = "30m±5m", negative_ttl = "30s")]
/// async fn find_user(id: i64) -> Result<Option<User>, std::io::Error> {
///     Ok((id > 0).then_some(User { id }))
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let cache = cachekit::Cache::builder().build().unwrap();
/// cache.scope(find_user(7)).await?;
/// cache.invalidate(find_user_key(7)).await; // the companion: the key of the call
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `key = "user:<id>"` | a template: literal text, and placeholders that name an argument, a field of one (`<user.id>`, `<self.tenant>`, `<pair.0>`), a const parameter (`<N>`) or a constant of a type parameter (`<T::TABLE>`) |
/// | `key = expr` | any expression over the arguments of type `Key`; for methods of traits, whose key is a function of its own |
/// | `tags("org:<org>", expr)` | one to eight tags, templates or expressions of type `Key` over the arguments: see below |
/// | `ttl = "30m"` | how long an entry lives; `ms s m h d`, compound (`1h30m`), with jitter (`30m±5m`, `30m+-5m`, `30m±10%`); or an expression of type `Ttl` or `Duration` |
/// | `negative_ttl = ".."` | how long "not there" is kept (30 s, or the TTL if that is shorter, where nothing is said); for functions that return `Option<T>` or `Result<Option<T>, E>` |
/// | `ttl = \|value\| expr` | the value, by reference, says how long it is good; a `Ttl` or `Duration` |
/// | `stale_while_revalidate = "10m"` | for so long after its TTL a value is still answered, at once, as `Status::Stale`, while one load in the background brings the next; never one that was invalidated |
/// | `refresh_ahead = "20%"`, `= "1m"`, or `refresh_ahead` | a read that finds less than this left of the TTL (at most half of it) is answered at once, and one load in the background brings the next; without a value, and with `stale_while_revalidate` alone, by chance, the earlier the longer a load takes |
/// | `skip(a, b)` | arguments that the answer does not depend on, though they are data |
/// | `shared` | the key of this method leaves `self` out on purpose |
/// | `cache = expr` | this cache, and not the one in scope or installed |
/// | `companion = false`, `= name`, or `companion` | no companion, one of another name, or one where there would be none |
/// | `outside_tx` | a promise that no transaction is open on what the function is given |
/// | `local` | the value stays in this process, and needs no serde |
/// | `l1 = false` | processes with a [local tier](https://docs.rs/cachekit/latest/cachekit/struct.LocalTier.html) keep no copy of it: each read asks Redis. For what must never be behind a write in another process; `true` by default |
/// | `crate = "path"` | where to find cachekit, if not at `::cachekit` |
///
/// `key` and `ttl` must be given. An argument that is plain data (numbers, text, ids, collections of them) must be in
/// the key or in `skip`; so must `self` (or `shared`), const parameters, and type parameters of the return type. An
/// argument whose name begins with `_` is left alone.
///
/// # What it returns
///
/// | type | kept | "not there" |
/// |---|---|---|
/// | `Result<Option<T>, E>` | `T` | `Ok(None)` |
/// | `Result<T, E>` | `T` | – |
/// | `Option<T>` | `T` | `None` |
/// | `T` | `T` | – |
///
/// Aliases of these work. `T` is `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`, or an `Arc` of such a
/// type without `Clone`, which a hit hands out without a copy. Those who waited for a load that failed get its error
/// where it can be cloned.
///
/// # In the background
///
/// With `stale_while_revalidate` or `refresh_ahead` nobody waits for a load of what is still there: it runs in a task
/// of its own, once for each key and process, and with Redis, as a rule, once for all processes. It takes the place of
/// the very entry that was found old; an invalidation in between refuses it. It runs in the caller's scope and ends with
/// the cache; see `Cache::get_or_refresh`, which does the same without an attribute.
///
/// ```
/// use cachekit::cached;
///
/// # #[derive(Clone)] struct Pool;
/// #[cached(key = "price:<sku>", ttl = "30s", refresh_ahead = "20%", stale_while_revalidate = "10m")]
/// async fn price(db: &Pool, sku: &str) -> Result<u64, std::io::Error> {
///     # let _ = db;
///     Ok(sku.len() as u64)
/// }
///
/// #[cached(key = "rate:<day>", ttl = |rate| if *rate > 0 { hours(24) } else { hours(1) })]
/// async fn rate(day: u32) -> u32 {
///     day
/// }
/// # fn hours(hours: u64) -> std::time::Duration { std::time::Duration::from_secs(hours * 3600) }
/// ```
///
/// Such a function runs with copies of its arguments: `&T` needs `ToOwned` (a pool, `str`, a slice), everything else
/// `Clone`, `&self` a type that is `Clone`; all of them `Send` and without borrows, as the future has to be. A `&mut`, an
/// `impl Trait` and a pattern are refused.
///
/// # The companion
///
/// Beside `find_user` stands `find_user_key`, of the same visibility, which takes the arguments that the template uses
/// and gives the key. [`macro@invalidates`] calls it. A private method, a method of a trait and a function whose key is
/// an expression have none.
///
/// # Tags
///
/// A tag stands for many entries whose keys nobody can list. [`macro@invalidates`] names it by `tag = ..`, and
/// `Cache::invalidate_tag` at run time; each entry that was loaded under it is dropped, for the price of one key. The
/// key of an entry may be a tag as well: it is invalidated with the entry.
///
/// ```
/// use cachekit::{cached, invalidates};
///
/// #[cached(key = "members:<org>:<page>", tags("org:<org>"), ttl = "1h")]
/// async fn members(org: i64, page: u32) -> Result<Vec<String>, std::io::Error> {
///     # let _ = (org, page);
///     Ok(vec![String::from("Ada")])
/// }
///
/// #[invalidates(tag = "org:<org>")] // every page
/// async fn add_member(org: i64, name: &str) -> Result<(), std::io::Error> {
///     # let _ = (org, name);
///     Ok(())
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let cache = cachekit::Cache::builder().build().unwrap();
/// cache.scope(async {
///     members(7, 1).await?;
///     add_member(7, "Grace").await?;
///     let (_, status) = cachekit::with_status(members(7, 1)).await;
///     assert_eq!(status, cachekit::Status::Loaded);
///     Ok::<(), std::io::Error>(())
/// }).await?;
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// Tags cannot name the result: what they stand for is looked at before the load, so that an invalidation in mid-load
/// is not missed. Over Redis each tag costs a `GET` in the round trip of the read.
///
/// # Transactions
///
/// Every `&mut` argument is asked whether a transaction is open on it (see `InTransaction`). If so, the body runs and
/// nothing is kept: the rows may be rolled back. A generic executor cannot be asked, and is refused without `outside_tx`.
///
/// # Other attributes
///
/// The attribute on top is the inner one: `#[tracing::instrument]` above this one spans loads, below it every call.
/// `#[async_trait]` goes on the trait and the `impl` as always.
#[proc_macro_attribute]
pub fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    cached::cached(args.into(), item.into()).into()
}

/// Drops the entries that an async function makes stale, however the call ends once it has begun.
///
/// `Ok`, `Err`, a panic and the caller's drop alike: an error does not prove that nothing was written, and a dropped
/// entry is only a miss.
///
/// ```
/// use cachekit::{cached, invalidates};
///
/// #[cached(key = "user:<id>", ttl = "30m")]
/// async fn user_name(id: i64) -> Option<String> {
///     (id > 0).then(|| String::from("Ada"))
/// }
///
/// #[invalidates(user_name(id))] // as the read is called, with only the arguments of its key
/// async fn rename_user(id: i64, name: String) -> Result<(), std::io::Error> {
///     # let _ = (id, name);
///     Ok(())
/// }
///
/// #[invalidates(user_name(ret))] // `ret` is the success value
/// async fn create_user(name: String) -> Result<i64, std::io::Error> {
///     # let _ = name;
///     Ok(7)
/// }
/// ```
///
/// # What to drop
///
/// | entry | meaning |
/// |---|---|
/// | `repo::find_user(user.id)` | the entry of that call; calls the companion, so a changed key is a compile error here |
/// | `self.users.find(id)` | the same of a method |
/// | `"user:<id>"` | the entry of that template, as in [`macro@cached`] |
/// | `key = expr`, `keys = expr` | a `Key`, or any iterator of them |
/// | `tag = "org:<org>"` | all entries that were loaded under that tag; or an expression of type `Key` |
/// | `tags = expr` | the same for any iterator of keys |
///
/// Keys are made before the body runs, those that name `ret` when it has succeeded. A place (`user.id`) is borrowed, so
/// the body still owns it.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `tx = expr` | the `cachekit::Transaction` that carries the keys to its commit |
/// | `on_err = "keep"` | an `Err` drops nothing: for functions whose error proves that nothing was written |
/// | `again_after = "500ms"` | drops the entries once more after that long, for reads of a lagging replica |
/// | `best_effort` | a promise that no transaction around the call commits after it, or that it does not matter |
/// | `cache = expr` | this cache, and not the one in scope or installed |
/// | `crate = "path"` | where to find cachekit, if not at `::cachekit` |
///
/// A function that takes a `&mut` connection or a generic executor is refused without `best_effort`: the entry would be
/// dropped before the commit, and the old rows read back.
///
/// # Transactions
///
/// With `tx = ..`, or with one argument whose type ends in `Transaction` or `Savepoint`, the keys are recorded in that
/// transaction before the body runs, whatever it returns: the caller may commit after an error. They are invalidated
/// when it commits, and forgotten when it does not. Keys that name `ret` are recorded after a body that succeeded, for
/// which the transaction must be an argument taken by `&mut`. The transaction knows its cache; none is looked for.
///
/// ```
/// use cachekit::{Transaction, invalidates};
/// use sqlx::Sqlite;
///
/// #[invalidates("user:<id>")]
/// async fn rename(tx: &mut Transaction<'_, Sqlite>, id: i64, name: &str) -> sqlx::Result<()> {
///     let update = sqlx::query("UPDATE users SET name = ? WHERE id = ?").bind(name).bind(id);
///     update.execute(&mut **tx).await?;
///     Ok(())
/// }
///
/// #[invalidates("user:<ret>", tx = tx)]
/// async fn insert(tx: &mut Transaction<'_, Sqlite>, name: &str) -> sqlx::Result<i64> {
///     let insert = sqlx::query("INSERT INTO users (name) VALUES (?)").bind(name);
///     Ok(insert.execute(&mut **tx).await?.last_insert_rowid())
/// }
/// ```
///
/// # Panics
///
/// Outside a transaction the function panics before its body runs where no cache is named, in scope or installed: no
/// write without its invalidation. `Cache::disabled()` is for tools that have none.
#[proc_macro_attribute]
pub fn invalidates(args: TokenStream, item: TokenStream) -> TokenStream {
    invalidates::invalidates(args.into(), item.into()).into()
}

/// Leaves the value that an async function has written, and returns, in the cache.
///
/// ```
/// use cachekit::{cached, writes_through};
///
/// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// # struct User { id: i64, name: String }
/// #[cached(key = "user:<id>", ttl = "30m")]
/// async fn find_user(id: i64) -> Result<Option<User>, std::io::Error> {
///     # let _ = id;
///     Ok(None)
/// }
///
/// #[writes_through(key = "user:<id>", ttl = "30m")] // the key and the type of the read
/// async fn rename_user(id: i64, name: String) -> Result<User, std::io::Error> {
///     // UPDATE users SET name = .. WHERE id = .. RETURNING *
///     Ok(User { id, name })
/// }
/// ```
///
/// The value enters in the place of what was cached when the body began, and only if that is still there: whoever has
/// written since has removed it. Otherwise, and after an `Err`, a `None`, a panic or a drop, the entry is dropped as
/// [`macro@invalidates`] does that. So the cache never gives an older value than the last write that has returned, and
/// of several writers at once at most one leaves its value.
///
/// What the function returns must be all that the read would find *after the commit*: return the row as the database
/// has it (`RETURNING *`), and commit inside the function. A function that takes a transaction or a connection is
/// refused, since the value would be seen before the commit.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `key = "user:<id>"` or an expression | the key, made before the body runs |
/// | `tags("org:<org>", ..)` | the tags of the read; the value is void if one of them is invalidated after the body begins |
/// | `ttl = "30m±5m"` or an expression | how long the value is kept |
/// | `cache = expr` | this cache, and not the one in scope or installed |
/// | `crate = "path"` | where to find cachekit, if not at `::cachekit` |
///
/// # Panics
///
/// As [`macro@invalidates`].
#[proc_macro_attribute]
pub fn writes_through(args: TokenStream, item: TokenStream) -> TokenStream {
    writes_through::writes_through(args.into(), item.into()).into()
}

/// The `Key` that a template gives over the names in scope.
///
/// ```
/// use cachekit::{Key, key};
///
/// pub fn user_key(id: i64) -> Key {
///     key!("user:<id>")
/// }
///
/// assert_eq!(user_key(7).as_str(), "user:7");
/// ```
///
/// Placeholders are those of [`macro@cached`]. Where cachekit is not at `::cachekit`, say
/// `key!("user:<id>", crate = "path")`.
#[proc_macro]
pub fn key(input: TokenStream) -> TokenStream {
    key::key(input.into()).into()
}

/// Makes a newtype, or an enum without fields, fit to be part of a key.
///
/// The newtype writes its field, the enum its variant's name. Where cachekit is not at `::cachekit`, add
/// `#[segment(crate = "path")]`.
///
/// ```
/// use cachekit::{Segment, key};
///
/// #[derive(Segment)]
/// struct UserId(i64);
///
/// #[derive(Segment)]
/// enum View {
///     Short,
///     Full,
/// }
///
/// let (id, view) = (UserId(7), View::Full);
/// assert_eq!(key!("user:<id>:<view>").as_str(), "user:7:Full");
/// # let _ = View::Short;
/// ```
#[proc_macro_derive(Segment, attributes(segment))]
pub fn segment(input: TokenStream) -> TokenStream {
    segment::segment(input.into()).into()
}

/// Runs a test in the scope of a cache of its own, so that tests in one process do not share entries.
///
/// Goes above or below any test attribute, and on any async function.
///
/// ```
/// # use cachekit::cached;
/// # #[cached(key = "user:<id>", ttl = "1h")]
/// # async fn user_name(id: i64) -> Option<String> { (id > 0).then(String::new) }
/// # mod tests {
/// # use super::user_name;
/// #[tokio::test]
/// #[cachekit::isolated]
/// async fn a_user_has_a_name() {
///     assert!(user_name(7).await.is_some());
/// }
/// # }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn isolated(args: TokenStream, item: TokenStream) -> TokenStream {
    isolated::isolated(args.into(), item.into()).into()
}
