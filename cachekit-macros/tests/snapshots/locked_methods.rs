impl Shop {
    async fn ship(&self, order: Order) -> anyhow::Result<Receipt> {
        use ::cachekit::__private as __ck;
        const __CK_NAME: &str = ::core::concat!(::core::module_path!(), "::ship");
        let __ck_fail = __ck::no_lock::<anyhow::Result<Receipt>>;
        let __ck_source = &self.cache;
        let __ck_cache = __ck::explicit(__ck_source);
        let mut __ck_keys = ::std::vec::Vec::<__ck::Key>::new();
        __ck::push(
            &mut __ck_keys,
            __ck::KeyBuf::new(
                    "order:<self.shop>:<order.id>",
                    |__ck_w| {
                        __ck_w.literal("order:");
                        __ck_w.value(&self.shop);
                        __ck_w.literal(":");
                        __ck_w.value(&order.id);
                    },
                )
                .into_key(),
        );
        __ck::extend(&mut __ck_keys, order.items.iter().map(item_key));
        let __ck_rules = __ck::LockRules {
            lease: ::core::option::Option::Some({
                let __ck_time: ::core::time::Duration = self.lease;
                __ck_time
            }),
            wait: ::core::option::Option::Some(
                ::core::time::Duration::from_millis(2000),
            ),
            max_hold: ::core::option::Option::Some(
                ::core::time::Duration::from_millis(60000),
            ),
            fair: true,
            owner: ::core::option::Option::Some(__ck::owner("shipping")),
            above: ::core::option::Option::Some({
                let __ck_above: u64 = order.fence;
                __ck_above
            }),
            ..::core::default::Default::default()
        };
        __ck::locked(
                __CK_NAME,
                ::core::option::Option::Some(__ck_cache),
                __ck_keys,
                __ck_rules,
                __ck_fail,
                move |_: __ck::LockHandle| async move {
                    if false {
                        return __ck::never::<anyhow::Result<Receipt>>();
                    }
                    { self.db.ship(order).await }
                },
            )
            .await
    }
    fn transfer<'life0, 'async_trait>(
        &'life0 self,
        from: i64,
        to: i64,
    ) -> ::core::pin::Pin<
        Box<
            dyn ::core::future::Future<
                Output = Result<(), Error>,
            > + ::core::marker::Send + 'async_trait,
        >,
    >
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        ::std::boxed::Box::pin(async move {
            use ::cachekit::__private as __ck;
            const __CK_NAME: &str = ::core::concat!(
                ::core::module_path!(), "::transfer"
            );
            let __ck_fail = __ck::no_lock::<Result<(), Error>>;
            let __ck_keys: [__ck::Key; 2] = [account_key(from), account_key(to)];
            let __ck_keys = ::std::vec::Vec::from(__ck_keys);
            let __ck_rules = __ck::LockRules {
                ..::core::default::Default::default()
            };
            __ck::locked(
                    __CK_NAME,
                    ::core::option::Option::None,
                    __ck_keys,
                    __ck_rules,
                    __ck_fail,
                    move |_: __ck::LockHandle| async move {
                        let __ck_body = move || -> ::core::pin::Pin<
                            Box<
                                dyn ::core::future::Future<
                                    Output = Result<(), Error>,
                                > + ::core::marker::Send + 'async_trait,
                            >,
                        > { Box::pin(async move { self.db.transfer(from, to).await }) };
                        __ck_body().await
                    },
                )
                .await
        })
    }
}
