//! A process that accepts values to be written behind, and may die in the midst of writing some.

use std::{convert::Infallible, error::Error, future, time::Duration};

use cachekit::{Write, WriteBehind};
use cachekit_torture::service::{NAMESPACE, item};

use crate::{args::Args, parent};

/// Accepts each of the values for each key, and tells of every row it writes. `dies` says whether it comes to an end
/// with a flush: it is killed `before` the rows were written, `after` that, or `never`.
pub(crate) async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let dies = args.text("dies")?.to_owned();
    let builder = WriteBehind::<u64>::builder("items").namespace(NAMESPACE).batch(20);
    let builder = builder.every(Duration::from_millis(5)).lease(Duration::from_millis(300));
    parent::ready().await?;
    let writes = builder.start(args.text("redis")?, move |batch: Vec<Write<u64>>| {
        let dies = dies.clone();
        async move {
            if dies != "before" {
                for row in &batch {
                    let _told = parent::tell(format!("wrote {} {}", row.key.as_str(), row.value));
                }
            }
            if dies != "never" {
                let _told = parent::tell("flushing");
                future::pending::<()>().await;
            }
            Ok::<_, Infallible>(())
        }
    });
    let writes = writes.await?;
    for value in args.get::<u64>("first")?..args.get("end")? {
        for id in 0..args.get("keys")? {
            writes.accept(&item(id), &value).await?;
        }
    }
    parent::tell("accepted")?;
    future::pending().await
}
