async fn find(db: &mut PgConnection, seen: &mut Seen, id: i64) -> sqlx::Result<User> {
    use ::cachekit::__private::{self as __ck, probes::*};
    static __CK_SITE: __ck::Site = __ck::Site::read(
        ::core::concat!(::core::module_path!(), "::find"),
        "user:<id>",
        ::core::file!(),
        ::core::line!(),
    );
    let __ck_shape = (&&&&__ck::Probe::<sqlx::Result<User>>::NEW).ck_shape();
    let __ck_stored = (&&__ck_shape.value()).ck_stored();
    let __ck_error = (&&__ck_shape.error()).ck_error();
    let __ck_form = __ck::form(&__ck_shape, &__ck_stored, &__ck_error);
    let __ck_tx_0 = (&&&__ck::TxProbe(&*db)).ck_in_tx();
    let __ck_tx_1 = (&&&__ck::TxProbe(&*seen)).ck_in_tx();
    let __ck_read = {
        const __CK_POLICY: __ck::Policy = __ck::Policy::from_parts(
            __ck::Ttl::from_millis(3600000, 0),
            ::core::option::Option::None,
        );
        let __ck_policy = &__CK_POLICY;
        let mut __ck_key = __ck::KeyBuf::blank("user:<id>");
        __ck_key
            .write(|__ck_w| {
                __ck_w.literal("user:");
                __ck_w.value(&id);
            });
        let __ck_call = __ck::Call {
            site: &__CK_SITE,
            cache: ::core::option::Option::None,
            tags: &[],
            in_transaction: __ck::known_in_tx(&*db, &__ck_tx_0)
                || __ck::in_tx(&__ck_tx_1),
            filter: ::core::option::Option::None,
        };
        __ck::read(
            __ck_call,
            &__ck_key,
            __ck_policy,
            __ck_form,
            move || async move {
                if false {
                    return __ck::never::<sqlx::Result<User>>();
                }
                {
                    seen.add(id);
                    query(id).fetch_one(db).await
                }
            },
        )
    };
    __ck_read.await
}
/// The key under which `find` keeps its answer.
#[allow(dead_code, clippy::too_many_arguments, clippy::needless_pass_by_value)]
#[must_use]
fn find_key(id: impl ::cachekit::__private::KeyArg<i64>) -> ::cachekit::Key {
    let id = ::cachekit::__private::KeyArg::<i64>::arg(&id);
    ::cachekit::__private::KeyBuf::new(
            "user:<id>",
            |__ck_w| {
                __ck_w.literal("user:");
                __ck_w.value(id);
            },
        )
        .into_key()
}
