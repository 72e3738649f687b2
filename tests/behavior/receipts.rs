//! A receipt tells a writer how far each of its invalidations has come.

use cachekit::{Cache, Outcome, cached, invalidates, with_receipt};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{Entries, builder, until, until_async};

#[cached(key = "user:<id>", ttl = "1m", cache = cache)]
async fn find(cache: &Cache, id: u64) -> Result<u64, ()> {
    Ok(id)
}

#[invalidates("user:<id>", "list:<id>", cache = cache)]
async fn rename(cache: &Cache, id: u64) -> Result<(), ()> {
    Ok(())
}

#[tokio::test]
async fn receipt_says_applied_or_pending() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = builder(&proxy.url()).await.build().unwrap();
    let read = find(&cache, 7).await;
    assert_eq!(read, Ok(7));
    let (renamed, receipt) = with_receipt(rename(&cache, 7)).await;
    assert_eq!((renamed, receipt.outcome()), (Ok(()), Outcome::Applied));
    let keys = receipt.entries().iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>();
    assert_eq!(keys, ["user:7", "list:7"]);

    let (_, receipt) = with_receipt(find(&cache, 7)).await;
    assert_eq!((receipt.entries().len(), receipt.outcome()), (0, Outcome::Applied));

    proxy.refuse(true);
    proxy.cut();
    let both = async { (rename(&cache, 7).await, cache.invalidate(cachekit::key!("x")).await) };
    let (outputs, receipt) = with_receipt(both).await;
    assert_eq!(outputs, (Ok(()), Outcome::Pending));
    let outcomes = receipt.entries().iter().map(|(_, outcome)| *outcome).collect::<Vec<_>>();
    assert_eq!((outcomes, receipt.outcome()), (vec![Outcome::Pending; 3], Outcome::Pending));
    proxy.refuse(false);
    let mut entries = Entries::of(&server);
    until("the retries got through", || entries.pttl("user:7") == -2).await;
    until_async("writes go through at once", async || {
        let (_, receipt) = with_receipt(rename(&cache, 7)).await;
        receipt.outcome() == Outcome::Applied
    })
    .await;
}
