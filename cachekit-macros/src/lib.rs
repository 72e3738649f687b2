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
mod locked;
mod mentions;
mod options;
mod segment;
mod signature;
#[cfg(test)]
mod snapshots;
mod template;
mod writes_through;

#[doc = include_str!("cached/cached.md")]
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

#[doc = include_str!("locked/locked.md")]
#[proc_macro_attribute]
pub fn locked(args: TokenStream, item: TokenStream) -> TokenStream {
    locked::locked(args.into(), item.into()).into()
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
