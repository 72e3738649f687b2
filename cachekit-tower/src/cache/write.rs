//! Requests that change something: the responses of their groups are dropped before they are answered.

use std::sync::Arc;

use bytes::Bytes;
use cachekit_core::Key;
use http::Response;
use http_body::Body as HttpBody;

use super::{
    cache_status::{CacheStatus, Forward},
    future::Going,
    observe,
    settings::Shared,
};
use crate::{
    Disconnect, Kind,
    outlive::{Begun, Outliving},
    writes::Owed,
};

/// Sees a write to its end, whether its caller waits or not: calls the handler, waits for it, and then for the
/// invalidation of `groups`.
pub(super) fn finish<F, R, E>(
    shared: Arc<Shared>,
    groups: Vec<Key>,
    call: impl FnOnce() -> F,
) -> Going<R, E>
where
    F: Future<Output = Result<Response<R>, E>> + Send + 'static,
    R: HttpBody<Data = Bytes> + Send + 'static,
    E: Send + 'static,
{
    observe::passed(&shared.settings.name, "method");
    // Before the handler: a panic in it is one after a write.
    let owed = Owed::new(shared.settings.terms.clone(), groups);
    let begun = Begun::default();
    begun.set();
    let calling = call();
    let cache = shared.settings.cache.clone();
    let write = async move {
        let mut response = owed.pay_after(Kind::Http, calling).await?;
        shared.settings.tell(&mut response, CacheStatus::passed(Forward::Method, None), None);
        Ok(response)
    };
    Box::pin(Outliving::new(Box::pin(write), begun, Disconnect::Finish, "cache", &cache))
}
