//! A consumer of events: it tells of each one, and may hold on to one for ever.

use std::{convert::Infallible, error::Error, time::Duration};

use cachekit::events::{Consumer, Message};

use crate::{args::Args, parent};

/// Consumes until it is killed. With the numbers from `hold_from` on it begins, and never comes to an end.
pub(crate) async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let hold_from = args.get::<u64>("hold_from")?;
    let idle = Duration::from_millis(args.get("idle_ms")?);
    let consumer = Consumer::new(args.text("topic")?, "g").namespace(args.text("namespace")?);
    let consumer = consumer.claim_idle(idle).block(Duration::from_millis(100));
    parent::ready().await?;
    let handle = consumer.start(args.text("redis")?, move |message: Message<u64>| async move {
        let number = message.payload;
        let _told = parent::tell(format!("begun {number}"));
        if number >= hold_from {
            std::future::pending::<()>().await;
        }
        let _told = parent::tell(format!("handled {number}"));
        Ok::<_, Infallible>(())
    });
    let _handle = handle.await?;
    std::future::pending().await
}
