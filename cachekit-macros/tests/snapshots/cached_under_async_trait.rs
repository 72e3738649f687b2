impl Users for Repo {
    fn find<'life0, 'async_trait>(
        &'life0 self,
        id: i64,
    ) -> ::core::pin::Pin<
        Box<
            dyn ::core::future::Future<
                Output = User,
            > + ::core::marker::Send + 'async_trait,
        >,
    >
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        ::std::boxed::Box::pin(async move {
            use ::cachekit::__private::{self as __ck, probes::*};
            static __CK_SITE: __ck::Site = __ck::Site::read(
                ::core::concat!(::core::module_path!(), "::find"),
                "user:<self.tenant>:<id>",
                ::core::file!(),
                ::core::line!(),
            );
            let __ck_shape = (&&&&__ck::Probe::<User>::NEW).ck_shape();
            let __ck_stored = (&&__ck_shape.value()).ck_stored();
            let __ck_error = (&&__ck_shape.error()).ck_error();
            let __ck_form = __ck::form(&__ck_shape, &__ck_stored, &__ck_error);
            let __ck_read = {
                const __CK_POLICY: __ck::Policy = __ck::Policy::from_parts(
                    __ck::Ttl::from_millis(3600000, 0),
                    ::core::option::Option::None,
                );
                let __ck_policy = &__CK_POLICY;
                let mut __ck_key = __ck::KeyBuf::blank("user:<self.tenant>:<id>");
                __ck_key
                    .write(|__ck_w| {
                        __ck_w.literal("user:");
                        __ck_w.value(&self.tenant);
                        __ck_w.literal(":");
                        __ck_w.value(&id);
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
                        let __ck_body = move || -> ::core::pin::Pin<
                            Box<
                                dyn ::core::future::Future<
                                    Output = User,
                                > + ::core::marker::Send + 'async_trait,
                            >,
                        > { Box::pin(async move { load(self, id).await }) };
                        __ck_body().await
                    },
                )
            };
            __ck_read.await
        })
    }
}
