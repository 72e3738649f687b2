async fn insert(name: String) -> Result<User, Error> {
    use ::cachekit::__private::{self as __ck, probes::*};
    static __CK_SITE: __ck::Site = __ck::Site::write(
        ::core::concat!(::core::module_path!(), "::insert"),
        ::core::file!(),
        ::core::line!(),
    );
    let __ck_keys: [__ck::Key; 1] = [
        __ck::KeyBuf::new(
                "names:<name>",
                |__ck_w| {
                    __ck_w.literal("names:");
                    __ck_w.value(&name);
                },
            )
            .into_key(),
    ];
    let __ck_keys = ::std::vec::Vec::from(__ck_keys);
    let __ck_rules = __ck::WriteRules::<Result<User, Error>> {
        failed: ::core::option::Option::None,
        again_after: ::core::option::Option::None,
    };
    __ck::write(
            &__CK_SITE,
            ::core::option::Option::None,
            __ck_keys,
            __ck_rules,
            |__ck_out: &Result<User, Error>, __ck_more: &mut ::std::vec::Vec<__ck::Key>| {
                let __ck_shape = (&&&&__ck::Probe::<Result<User, Error>>::NEW)
                    .ck_shape();
                if let ::core::option::Option::Some(ret) = __ck::ret(
                    __ck_out,
                    &__ck_shape,
                ) {
                    __ck::push(__ck_more, find_user_key(&ret.id));
                }
            },
            move || async move {
                if false {
                    return __ck::never::<Result<User, Error>>();
                }
                { store(name).await }
            },
        )
        .await
}
