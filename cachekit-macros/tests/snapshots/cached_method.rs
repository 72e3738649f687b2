impl Repo {
    async fn find(&self, id: i64) -> Option<Handle> {
        use ::cachekit::__private::{self as __ck, probes::*};
        static __CK_SITE: __ck::Site = __ck::Site::read(
            ::core::concat!(::core::module_path!(), "::find"),
            "",
            ::core::file!(),
            ::core::line!(),
        );
        let __ck_shape = (&&&&__ck::Probe::<Option<Handle>>::NEW).ck_shape();
        let __ck_stored = (&&__ck_shape.value()).ck_stored();
        let __ck_error = (&&__ck_shape.error()).ck_error();
        let __ck_form = __ck::local_form(&__ck_shape, &__ck_stored, &__ck_error);
        let __ck_source = &self.cache;
        let __ck_cache = __ck::explicit(__ck_source);
        let __ck_read = {
            let __ck_policy = &__ck::Policy::from_parts(
                __ck::ttl(self.lifetime),
                ::core::option::Option::None,
            );
            let __ck_key: __ck::Key = user_key(id);
            let __ck_key = __ck::KeyBuf::from(__ck_key);
            let __ck_call = __ck::Call {
                site: &__CK_SITE,
                cache: ::core::option::Option::Some(__ck_cache),
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
                        return __ck::never::<Option<Handle>>();
                    }
                    { self.handles.get(&id).cloned() }
                },
            )
        };
        __ck_read.await
    }
}
