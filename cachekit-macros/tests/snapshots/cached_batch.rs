pub async fn find_users(
    db: &Pool,
    lang: &str,
    mut ids: Vec<i64>,
    limit: usize,
) -> sqlx::Result<HashMap<i64, User>> {
    use ::cachekit::__private::{self as __ck, probes::*};
    static __CK_SITE: __ck::Site = __ck::Site::read_many(
        ::core::concat!(::core::module_path!(), "::find_users"),
        "user:<lang>:<ids[]>",
        ::core::file!(),
        ::core::line!(),
    );
    const __CK_POLICY: __ck::Policy = __ck::Policy::from_parts(
        __ck::Ttl::from_millis(3600000, 0),
        ::core::option::Option::None,
    );
    let __ck_policy = &__CK_POLICY;
    let __ck_asked: ::std::vec::Vec<(i64, __ck::Key)> = (&mut ids)
        .iter()
        .map(|ids| {
            let mut __ck_key = __ck::KeyBuf::blank("user:<lang>:<ids[]>");
            __ck_key
                .write(|__ck_w| {
                    __ck_w.literal("user:");
                    __ck_w.value(&lang);
                    __ck_w.literal(":");
                    __ck_w.value(&ids);
                });
            (::core::clone::Clone::clone(ids), __ck_key.into_key())
        })
        .collect();
    let __ck_shape = (&&&&__ck::Probe::<sqlx::Result<HashMap<i64, User>>>::NEW)
        .ck_shape();
    let __ck_many = __ck::many_shape(&__ck_asked[..], &__ck_shape);
    let __ck_stored = (&&__ck_many.value()).ck_stored();
    let __ck_error = (&&__ck_shape.error()).ck_error();
    let __ck_form = __ck::many_form(__ck_many, &__ck_stored, &__ck_error);
    let __ck_call = __ck::Call {
        site: &__CK_SITE,
        cache: ::core::option::Option::None,
        tags: &[],
        in_transaction: false,
        filter: ::core::option::Option::None,
    };
    let mut __ck_read = __ck::ManyRead::begin(
        __ck_call,
        __ck_asked,
        *__ck_policy,
        __ck_form,
    );
    while let ::core::option::Option::Some(__ck_missing) = __ck_read.next().await {
        let __ck_out = __ck_read
            .load(async {
                let mut ids: Vec<i64> = ::core::iter::FromIterator::from_iter(
                    __ck_missing,
                );
                if false {
                    return __ck::never::<sqlx::Result<HashMap<i64, User>>>();
                }
                {
                    ids.sort();
                    db.find_all(lang, &ids).limit(limit).await
                }
            });
        let __ck_out = __ck_out.await;
        __ck_read.settle(__ck_out).await;
    }
    __ck_read.finish()
}
/// The key under which `find_users` keeps what it has for one of `ids`.
#[allow(dead_code, clippy::too_many_arguments, clippy::needless_pass_by_value)]
#[must_use]
pub fn find_users_key(
    lang: impl ::cachekit::__private::KeyArg<str>,
    ids: impl ::cachekit::__private::KeyArg<i64>,
) -> ::cachekit::Key {
    let lang = ::cachekit::__private::KeyArg::<str>::arg(&lang);
    let ids = ::cachekit::__private::KeyArg::<i64>::arg(&ids);
    ::cachekit::__private::KeyBuf::new(
            "user:<lang>:<ids[]>",
            |__ck_w| {
                __ck_w.literal("user:");
                __ck_w.value(lang);
                __ck_w.literal(":");
                __ck_w.value(ids);
            },
        )
        .into_key()
}
