impl Repo {
    async fn find(&self, db: &Pool, id: i64) -> sqlx::Result<Option<User>> {
        use ::cachekit::__private::{self as __ck, probes::*};
        static __CK_SITE: __ck::Site = __ck::Site::read(
            ::core::concat!(::core::module_path!(), "::find"),
            "user:<self.tenant>:<id>",
            ::core::file!(),
            ::core::line!(),
        );
        let __ck_shape = (&&&&__ck::Probe::<sqlx::Result<Option<User>>>::NEW).ck_shape();
        let __ck_stored = (&&__ck_shape.value()).ck_stored();
        let __ck_error = (&&__ck_shape.error()).ck_error();
        let __ck_form = __ck::form(&__ck_shape, &__ck_stored, &__ck_error);
        let __ck_read = {
            const __CK_POLICY: __ck::Policy = __ck::Policy::from_parts(
                    __ck::Ttl::from_millis(30_000, 0),
                    ::core::option::Option::None,
                )
                .refresh_ahead_percent(20u8);
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
            let __ck_ttl = __ck::ttl_of(&__ck_shape, |user| user.lifetime());
            let __ck_plan = {
                let __ck_body = async |
                    #[allow(unused_variables)]
                    __ck_self: &Self,
                    #[allow(unused_variables)]
                    db: &Pool,
                    #[allow(unused_variables)]
                    mut id: i64,
                | -> sqlx::Result<Option<User>> {
                    id += __ck_self.offset;
                    log!("{} of {}", id, __ck_self.tenant);
                    db.find(id).await
                };
                let __ck_split = __ck_form.split;
                __ck::Owning::new(
                    (self, db, id),
                    move |(__ck_self, db, id)| async move {
                        __ck_body(__ck_self, db, id).await
                    },
                    move |(__ck_self, db, id)| -> __ck::Job {
                        let __ck_self = __ck::owned::<Self>(__ck_self);
                        let db = __ck::owned::<Pool>(db);
                        let id = __ck::copied::<i64>(id);
                        ::std::boxed::Box::pin(async move {
                            let __ck_out = __ck_body(
                                    __ck::lent::<Self>(&__ck_self),
                                    __ck::lent::<Pool>(&db),
                                    id,
                                )
                                .await;
                            __ck::brought(__ck_split, __ck_ttl(&__ck_out), &__ck_out)
                        })
                    },
                )
            };
            __ck::read_ahead(
                __ck_call,
                &__ck_key,
                __ck_policy,
                __ck_form,
                __ck::Timed::new(__ck_plan, __ck_ttl),
            )
        };
        __ck_read.await
    }
}
