impl Service {
    pub async fn rename(&self, user: User) -> Result<(), Error> {
        use ::cachekit::__private as __ck;
        static __CK_SITE: __ck::Site = __ck::Site::write(
            ::core::concat!(::core::module_path!(), "::rename"),
            ::core::file!(),
            ::core::line!(),
        );
        let mut __ck_keys = ::std::vec::Vec::<__ck::Key>::new();
        __ck::push(&mut __ck_keys, repo::find_user_key(&user.id));
        __ck::push(&mut __ck_keys, self.users.find_key(&user.id, "x"));
        __ck::push(
            &mut __ck_keys,
            __ck::KeyBuf::new(
                    "list:<user.team>",
                    |__ck_w| {
                        __ck_w.literal("list:");
                        __ck_w.value(&user.team);
                    },
                )
                .into_key(),
        );
        __ck::push(&mut __ck_keys, user_key(user.id));
        __ck::extend(&mut __ck_keys, user.teams.iter().map(team_key));
        let __ck_rules = __ck::WriteRules::<Result<(), Error>> {
            failed: ::core::option::Option::Some(__ck::failed::<Result<(), Error>>),
            again_after: ::core::option::Option::Some(
                ::core::time::Duration::from_millis(500),
            ),
        };
        __ck::write(
                &__CK_SITE,
                ::core::option::Option::None,
                __ck_keys,
                __ck_rules,
                |_, _| {},
                move || async move {
                    if false {
                        return __ck::never::<Result<(), Error>>();
                    }
                    { self.store(user).await }
                },
            )
            .await
    }
}
