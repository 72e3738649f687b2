/// Ships an order.
pub async fn ship(db: &Pool, id: i64) -> Result<(), Error> {
    use ::cachekit::__private as __ck;
    const __CK_NAME: &str = ::core::concat!(::core::module_path!(), "::ship");
    let __ck_fail = __ck::no_lock::<Result<(), Error>>;
    let __ck_keys: [__ck::Key; 1] = [
        __ck::KeyBuf::new(
                "order:<id>",
                |__ck_w| {
                    __ck_w.literal("order:");
                    __ck_w.value(&id);
                },
            )
            .into_key(),
    ];
    let __ck_keys = ::std::vec::Vec::from(__ck_keys);
    let __ck_rules = __ck::LockRules {
        lease: ::core::option::Option::Some(::core::time::Duration::from_millis(10000)),
        wait: ::core::option::Option::Some(::core::time::Duration::from_millis(2000)),
        ..::core::default::Default::default()
    };
    __ck::locked(
            __CK_NAME,
            ::core::option::Option::None,
            __ck_keys,
            __ck_rules,
            __ck_fail,
            move |lock: __ck::LockHandle| async move {
                if false {
                    return __ck::never::<Result<(), Error>>();
                }
                { db.write(id, lock.fencing_token()).await }
            },
        )
        .await
}
