async fn members(org: i64, page: u32) -> Option<Members> {
    use ::cachekit::__private::{self as __ck, probes::*};
    static __CK_SITE: __ck::Site = __ck::Site::read(
        ::core::concat!(::core::module_path!(), "::members"),
        "members:<org>:<page>",
        ::core::file!(),
        ::core::line!(),
    );
    let __ck_shape = (&&&&__ck::Probe::<Option<Members>>::NEW).ck_shape();
    let __ck_stored = (&&__ck_shape.value()).ck_stored();
    let __ck_error = (&&__ck_shape.error()).ck_error();
    let __ck_form = __ck::form(&__ck_shape, &__ck_stored, &__ck_error);
    let __ck_read = {
        const __CK_POLICY: __ck::Policy = __ck::Policy::from_parts(
            __ck::Ttl::from_millis(3600000, 0),
            ::core::option::Option::None,
        );
        let __ck_policy = &__CK_POLICY;
        let mut __ck_key = __ck::KeyBuf::blank("members:<org>:<page>");
        __ck_key
            .write(|__ck_w| {
                __ck_w.literal("members:");
                __ck_w.value(&org);
                __ck_w.literal(":");
                __ck_w.value(&page);
            });
        let __ck_tags: [__ck::Tag; 2] = [
            __ck::Tag::new(
                "org:<org>",
                |__ck_w| {
                    __ck_w.literal("org:");
                    __ck_w.value(&org);
                },
            ),
            {
                let __ck_tag: __ck::Key = region_key(org);
                __ck::Tag::from(__ck_tag)
            },
        ];
        let __ck_call = __ck::Call {
            site: &__CK_SITE,
            cache: ::core::option::Option::None,
            tags: &__ck_tags,
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
                    return __ck::never::<Option<Members>>();
                }
                { load(org, page).await }
            },
        )
    };
    __ck_read.await
}
/// The key under which `members` keeps its answer.
#[allow(dead_code, clippy::too_many_arguments, clippy::needless_pass_by_value)]
#[must_use]
fn members_key(
    org: impl ::cachekit::__private::KeyArg<i64>,
    page: impl ::cachekit::__private::KeyArg<u32>,
) -> ::cachekit::Key {
    let org = ::cachekit::__private::KeyArg::<i64>::arg(&org);
    let page = ::cachekit::__private::KeyArg::<u32>::arg(&page);
    ::cachekit::__private::KeyBuf::new(
            "members:<org>:<page>",
            |__ck_w| {
                __ck_w.literal("members:");
                __ck_w.value(org);
                __ck_w.literal(":");
                __ck_w.value(page);
            },
        )
        .into_key()
}
async fn add(org: i64, orgs: &[i64]) {
    use ::cachekit::__private as __ck;
    static __CK_SITE: __ck::Site = __ck::Site::write(
        ::core::concat!(::core::module_path!(), "::add"),
        ::core::file!(),
        ::core::line!(),
    );
    let mut __ck_keys = ::std::vec::Vec::<__ck::Key>::new();
    __ck::push(
        &mut __ck_keys,
        {
            let __ck_tag: __ck::Key = __ck::KeyBuf::new(
                    "org:<org>",
                    |__ck_w| {
                        __ck_w.literal("org:");
                        __ck_w.value(&org);
                    },
                )
                .into_key();
            __ck::tag_key(__ck_tag)
        },
    );
    __ck::push(
        &mut __ck_keys,
        {
            let __ck_tag: __ck::Key = region_key(org);
            __ck::tag_key(__ck_tag)
        },
    );
    __ck::extend(&mut __ck_keys, __ck::tag_keys(orgs.iter().map(org_key)));
    let __ck_rules = __ck::WriteRules::<()> {
        failed: ::core::option::Option::None,
        again_after: ::core::option::Option::None,
    };
    __ck::write(
            &__CK_SITE,
            ::core::option::Option::None,
            __ck_keys,
            __ck_rules,
            |_, _| {},
            move || async move {
                if false {
                    return __ck::never::<()>();
                }
                { insert(org, orgs).await }
            },
        )
        .await
}
