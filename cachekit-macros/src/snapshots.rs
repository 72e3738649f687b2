//! What the attributes expand to, kept as files that a reviewer reads. `UPDATE_EXPECT=1` writes them anew.

use expect_test::{ExpectFile, expect_file};
use proc_macro2::TokenStream;
use quote::quote;

use crate::cached::cached;
use crate::invalidates::invalidates;
use crate::isolated::isolated;
use crate::key::key;
use crate::locked::locked;
use crate::segment::segment;

fn check(expanded: TokenStream, expected: ExpectFile) {
    let file = syn::parse2(expanded).expect("an expansion is legal");
    expected.assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn cached_function() {
    let expanded = cached(
        quote!(key = "user:<id>", ttl = "30m±5m", negative_ttl = "30s"),
        quote! {
            /// Finds a user.
            #[inline]
            pub async fn find_user(db: &Pool, id: i64) -> sqlx::Result<Option<User>> {
                db.find(id).await
            }
        },
    );
    check(expanded, expect_file!["../tests/snapshots/cached_function.rs"]);
}

#[test]
fn cached_method_with_expressions() {
    let expanded = cached(
        quote!(key = user_key(id), ttl = self.lifetime, cache = self.cache, shared, local),
        quote! {
            async fn find(&self, id: i64) -> Option<Handle> {
                self.handles.get(&id).cloned()
            }
        },
    );
    check(quote!(impl Repo { #expanded }), expect_file!["../tests/snapshots/cached_method.rs"]);
}

#[test]
fn named_tags() {
    let read = cached(
        quote!(key = "members:<org>:<page>", tags("org:<org>", region_key(org)), ttl = "1h"),
        quote! {
            async fn members(org: i64, page: u32) -> Option<Members> {
                load(org, page).await
            }
        },
    );
    let write = invalidates(
        quote!(tag = "org:<org>", tag = region_key(org), tags = orgs.iter().map(org_key)),
        quote! {
            async fn add(org: i64, orgs: &[i64]) {
                insert(org, orgs).await
            }
        },
    );
    check(quote!(#read #write), expect_file!["../tests/snapshots/named_tags.rs"]);
}

#[test]
fn cached_in_the_background() {
    let expanded = cached(
        quote!(
            key = "user:<self.tenant>:<id>",
            ttl = |user| user.lifetime(),
            refresh_ahead = "20%"
        ),
        quote! {
            async fn find(&self, db: &Pool, mut id: i64) -> sqlx::Result<Option<User>> {
                id += self.offset;
                log!("{} of {}", id, self.tenant);
                db.find(id).await
            }
        },
    );
    let expected = expect_file!["../tests/snapshots/cached_in_the_background.rs"];
    check(quote!(impl Repo { #expanded }), expected);
}

#[test]
fn cached_on_a_connection() {
    let expanded = cached(
        quote!(key = "user:<id>", ttl = "1h"),
        quote! {
            async fn find(db: &mut PgConnection, seen: &mut Seen, id: i64) -> sqlx::Result<User> {
                seen.add(id);
                query(id).fetch_one(db).await
            }
        },
    );
    check(expanded, expect_file!["../tests/snapshots/cached_on_a_connection.rs"]);
}

#[test]
fn cached_under_async_trait() {
    let expanded = cached(
        quote!(key = "user:<self.tenant>:<id>", ttl = "1h"),
        quote! {
            fn find<'life0, 'async_trait>(
                &'life0 self,
                id: i64,
            ) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = User> + ::core::marker::Send + 'async_trait>>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async move { load(self, id).await })
            }
        },
    );
    check(
        quote!(impl Users for Repo { #expanded }),
        expect_file!["../tests/snapshots/cached_under_async_trait.rs"],
    );
}

#[test]
fn cached_batch() {
    let expanded = cached(
        quote!(key = "user:<lang>:<ids[]>", ttl = "1h", skip(limit)),
        quote! {
            pub async fn find_users(
                db: &Pool,
                lang: &str,
                mut ids: Vec<i64>,
                limit: usize,
            ) -> sqlx::Result<HashMap<i64, User>> {
                ids.sort();
                db.find_all(lang, &ids).limit(limit).await
            }
        },
    );
    check(expanded, expect_file!["../tests/snapshots/cached_batch.rs"]);
}

#[test]
fn companion_of_generics_and_patterns() {
    let expanded = cached(
        quote!(key = "row:<T::TABLE>:<N>:<query.text>:<id>:<lang>:<name>", ttl = "1h"),
        quote! {
            #[cfg(feature = "rows")]
            pub(crate) async fn row<'a, T: Table<'a>, S, const N: usize>(
                state: &'a S,
                query: &Query<'_>,
                Path(id): Path<i64>,
                lang: Option<&str>,
                name: impl Segment + Send,
            ) -> Result<Row, Error>
            where
                S: Sync,
                T: Send,
            {
                state.row(query, id).await
            }
        },
    );
    check(expanded, expect_file!["../tests/snapshots/companion_of_generics_and_patterns.rs"]);
}

#[test]
fn invalidates_by_every_means() {
    let expanded = invalidates(
        quote!(
            repo::find_user(user.id),
            self.users.find(user.id, "x"),
            "list:<user.team>",
            key = user_key(user.id),
            keys = user.teams.iter().map(team_key),
            on_err = "keep",
            again_after = "500ms"
        ),
        quote! {
            pub async fn rename(&self, user: User) -> Result<(), Error> {
                self.store(user).await
            }
        },
    );
    check(
        quote!(impl Service { #expanded }),
        expect_file!["../tests/snapshots/invalidates_by_every_means.rs"],
    );
}

#[test]
fn invalidates_by_the_result() {
    let expanded = invalidates(
        quote!(find_user(ret.id), "names:<name>"),
        quote! {
            async fn insert(name: String) -> Result<User, Error> {
                store(name).await
            }
        },
    );
    check(expanded, expect_file!["../tests/snapshots/invalidates_by_the_result.rs"]);
}

#[test]
fn invalidates_in_a_transaction() {
    let named = invalidates(
        quote!(find_user(id), tx = self.tx),
        quote! {
            async fn rename(&mut self, id: i64) -> Result<(), Error> {
                store(&mut self.tx, id).await
            }
        },
    );
    let by_its_type = invalidates(
        quote!(find_user(ret.id), "names:<name>"),
        quote! {
            async fn insert(tx: &mut Transaction<'_, Sqlite>, name: &str) -> Result<User, Error> {
                store(&mut **tx, name).await
            }
        },
    );
    let by_value = invalidates(
        quote!(find_user(id)),
        quote! {
            async fn remove(tx: Transaction<'static, Sqlite>, id: i64) -> Result<(), Error> {
                tx.commit().await
            }
        },
    );
    check(
        quote!(impl Service { #named } #by_its_type #by_value),
        expect_file!["../tests/snapshots/invalidates_in_a_transaction.rs"],
    );
}

#[test]
fn locked_function() {
    let expanded = locked(
        quote!(key = "order:<id>", lease = "10s", wait = "2s", guard = lock),
        quote! {
            /// Ships an order.
            pub async fn ship(db: &Pool, id: i64) -> Result<(), Error> {
                db.write(id, lock.fencing_token()).await
            }
        },
    );
    check(expanded, expect_file!["../tests/snapshots/locked_function.rs"]);
}

#[test]
fn locked_methods() {
    let with_every_option = locked(
        quote!(
            key = "order:<self.shop>:<order.id>",
            keys = order.items.iter().map(item_key),
            lease = self.lease,
            wait = "2s",
            fair,
            max_hold = "1m",
            owner = "shipping",
            above = order.fence,
            cache = self.cache,
        ),
        quote! {
            async fn ship(&self, order: Order) -> anyhow::Result<Receipt> {
                self.db.ship(order).await
            }
        },
    );
    let under_async_trait = locked(
        quote!(key = account_key(from), key = account_key(to)),
        quote! {
            fn transfer<'life0, 'async_trait>(
                &'life0 self,
                from: i64,
                to: i64,
            ) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<(), Error>> + ::core::marker::Send + 'async_trait>>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async move { self.db.transfer(from, to).await })
            }
        },
    );
    check(
        quote!(impl Shop { #with_every_option #under_async_trait }),
        expect_file!["../tests/snapshots/locked_methods.rs"],
    );
}

#[test]
fn errors_keep_the_function() {
    let expanded = cached(
        quote!(key = "user:<id>", ttl = "30x", shared),
        quote! {
            #[inline]
            async fn find_user(id: i64, lang: &str) -> Option<User> {
                None
            }
        },
    );
    check(expanded, expect_file!["../tests/snapshots/errors_keep_the_function.rs"]);
}

#[test]
fn the_small_macros() {
    let newtype = segment(quote! { struct Wrapper<'a, T: Clone>(&'a T); });
    let names = segment(quote! { enum Role { Admin, r#Type } });
    let key = key(quote!("user:<user.id>"));
    let before =
        isolated(quote!(), quote! { async fn test() -> Result<(), Error> { run().await } });
    let after = isolated(quote!(), quote! { fn test() { block_on(async { run().await }) } });
    let expanded = quote! {
        #newtype
        #names
        fn key() -> Key { #key }
        #before
        #after
    };
    check(expanded, expect_file!["../tests/snapshots/the_small_macros.rs"]);
}
