#[automatically_derived]
impl<'a, T: Clone> ::cachekit::Segment for Wrapper<'a, T>
where
    &'a T: ::cachekit::Segment,
{
    fn write(&self, __ck_w: &mut ::cachekit::SegmentWriter<'_>) {
        <&'a T as ::cachekit::Segment>::write(&self.0, __ck_w)
    }
}
#[automatically_derived]
impl ::cachekit::Segment for Role {
    fn write(&self, __ck_w: &mut ::cachekit::SegmentWriter<'_>) {
        match *self {
            Self::Admin { .. } => __ck_w.str("Admin"),
            Self::r#Type { .. } => __ck_w.str("Type"),
        }
    }
}
fn key() -> Key {
    ::cachekit::__private::KeyBuf::new(
            "user:<user.id>",
            |__ck_w| {
                __ck_w.literal("user:");
                __ck_w.value(&user.id);
            },
        )
        .into_key()
}
async fn test() -> Result<(), Error> {
    ::cachekit::testing::isolated(
            (move || async move {
                if false {
                    return ::cachekit::__private::never::<Result<(), Error>>();
                }
                { run().await }
            })(),
        )
        .await
}
fn test() {
    ::cachekit::testing::isolated_sync(move || -> () { block_on(async { run().await }) })
}
