#[inline]
async fn find_user(id: i64, lang: &str) -> Option<User> {
    None
}
/// The key under which `find_user` keeps its answer.
#[allow(dead_code, clippy::too_many_arguments, clippy::needless_pass_by_value)]
#[must_use]
fn find_user_key(id: impl ::cachekit::__private::KeyArg<i64>) -> ::cachekit::Key {
    let id = ::cachekit::__private::KeyArg::<i64>::arg(&id);
    ::cachekit::__private::KeyBuf::new(
            "user:<id>",
            |__ck_w| {
                __ck_w.literal("user:");
                __ck_w.value(id);
            },
        )
        .into_key()
}
::core::compile_error! {
    "unknown unit `x`; expected one of `ms`, `s`, `m`, `h`, `d`"
}
::core::compile_error! {
    "`shared` is for methods, and this function has no `self`"
}
::core::compile_error! {
    "argument `lang` is not part of the key, so calls that differ in it would share an entry; add `<lang>` or list it in `skip(lang)`"
}
