impl Service {
    async fn rename(&mut self, id: i64) -> Result<(), Error> {
        use ::cachekit::__private as __ck;
        static __CK_SITE: __ck::Site = __ck::Site::write(
            ::core::concat!(::core::module_path!(), "::rename"),
            ::core::file!(),
            ::core::line!(),
        );
        let __ck_keys: [__ck::Key; 1] = [find_user_key(&id)];
        let __ck_keys = ::std::vec::Vec::from(__ck_keys);
        __ck::record(&mut self.tx, &__CK_SITE, __ck_keys);
        let __ck_load = move || async move {
            if false {
                return __ck::never::<Result<(), Error>>();
            }
            { store(&mut self.tx, id).await }
        };
        __ck_load().await
    }
}
async fn insert(tx: &mut Transaction<'_, Sqlite>, name: &str) -> Result<User, Error> {
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
    let __ck_tx = &mut *tx;
    __ck::record(__ck_tx, &__CK_SITE, __ck_keys);
    let __ck_out = {
        let tx = &mut *__ck_tx;
        let __ck_load = move || async move {
            if false {
                return __ck::never::<Result<User, Error>>();
            }
            { store(&mut **tx, name).await }
        };
        __ck_load().await
    };
    __ck::record_ret(
        __ck_tx,
        &__CK_SITE,
        &__ck_out,
        |__ck_out: &Result<User, Error>, __ck_more: &mut ::std::vec::Vec<__ck::Key>| {
            let __ck_shape = (&&&&__ck::Probe::<Result<User, Error>>::NEW).ck_shape();
            if let ::core::option::Option::Some(ret) = __ck::ret(__ck_out, &__ck_shape) {
                __ck::push(__ck_more, find_user_key(&ret.id));
            }
        },
    );
    __ck_out
}
async fn remove(tx: Transaction<'static, Sqlite>, id: i64) -> Result<(), Error> {
    use ::cachekit::__private as __ck;
    static __CK_SITE: __ck::Site = __ck::Site::write(
        ::core::concat!(::core::module_path!(), "::remove"),
        ::core::file!(),
        ::core::line!(),
    );
    let __ck_keys: [__ck::Key; 1] = [find_user_key(&id)];
    let __ck_keys = ::std::vec::Vec::from(__ck_keys);
    #[allow(unused_mut)]
    let mut tx = tx;
    __ck::record(&mut tx, &__CK_SITE, __ck_keys);
    let __ck_load = move || async move {
        if false {
            return __ck::never::<Result<(), Error>>();
        }
        { tx.commit().await }
    };
    __ck_load().await
}
