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
    use ::cachekit::__private::{self as __ck, probes::*};
    static __CK_SITE: __ck::Site = __ck::Site::read(
        ::core::concat!(::core::module_path!(), "::row"),
        "row:<T::TABLE>:<N>:<query.text>:<id>:<lang>:<name>",
        ::core::file!(),
        ::core::line!(),
    );
    let __ck_shape = (&&&&__ck::Probe::<Result<Row, Error>>::NEW).ck_shape();
    let __ck_stored = (&&__ck_shape.value()).ck_stored();
    let __ck_error = (&&__ck_shape.error()).ck_error();
    let __ck_form = __ck::form(&__ck_shape, &__ck_stored, &__ck_error);
    let __ck_read = {
        const __CK_POLICY: __ck::Policy = __ck::Policy::from_parts(
            __ck::Ttl::from_millis(3600000, 0),
            ::core::option::Option::None,
        );
        let __ck_policy = &__CK_POLICY;
        let mut __ck_key = __ck::KeyBuf::blank(
            "row:<T::TABLE>:<N>:<query.text>:<id>:<lang>:<name>",
        );
        __ck_key
            .write(|__ck_w| {
                __ck_w.literal("row:");
                __ck_w.value(&T::TABLE);
                __ck_w.literal(":");
                __ck_w.value(&N);
                __ck_w.literal(":");
                __ck_w.value(&query.text);
                __ck_w.literal(":");
                __ck_w.value(&id);
                __ck_w.literal(":");
                __ck_w.value(&lang);
                __ck_w.literal(":");
                __ck_w.value(&name);
            });
        let __ck_call = __ck::Call {
            site: &__CK_SITE,
            cache: ::core::option::Option::None,
            tags: &[],
            in_transaction: false,
            filter: ::core::option::Option::None,
        };
        __ck::read(
            __ck_call,
            &__ck_key,
            __ck_policy,
            __ck_form,
            move || async move {
                if false {
                    return __ck::never::<Result<Row, Error>>();
                }
                { state.row(query, id).await }
            },
        )
    };
    __ck_read.await
}
#[cfg(feature = "rows")]
/// The key under which `row` keeps its answer.
#[allow(dead_code, clippy::too_many_arguments, clippy::needless_pass_by_value)]
#[must_use]
pub(crate) fn row_key<'__ck0, '__ck1, 'a, T: Table<'a>, const N: usize>(
    query: impl ::cachekit::__private::KeyArg<Query<'__ck0>>,
    Path(id): Path<i64>,
    lang: impl ::cachekit::__private::KeyArg<Option<&'__ck1 str>>,
    name: &(impl Segment + Send),
) -> ::cachekit::Key
where
    T: Send,
{
    let query = ::cachekit::__private::KeyArg::<Query<'__ck0>>::arg(&query);
    let lang = ::cachekit::__private::KeyArg::<Option<&'__ck1 str>>::arg(&lang);
    ::cachekit::__private::KeyBuf::new(
            "row:<T::TABLE>:<N>:<query.text>:<id>:<lang>:<name>",
            |__ck_w| {
                __ck_w.literal("row:");
                __ck_w.value(&T::TABLE);
                __ck_w.literal(":");
                __ck_w.value(&N);
                __ck_w.literal(":");
                __ck_w.value(&query.text);
                __ck_w.literal(":");
                __ck_w.value(&id);
                __ck_w.literal(":");
                __ck_w.value(lang);
                __ck_w.literal(":");
                __ck_w.value(name);
            },
        )
        .into_key()
}
