//! A search index that follows another service's articles; the README shows it.

mod index;

use std::{env, error::Error, process::ExitCode};

use cachekit::events::{Consumer, ConsumerHandle, Event, Message, Publisher};
use index::{Article, Content};
use sqlx::SqlitePool;

const NAMESPACE: &str = "blog";
const TOPIC: &str = "articles";

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().without_time().with_ansi(false).init();
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("search-index: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[&str]) -> Result<(), Box<dyn Error>> {
    let index = env::var("INDEX_URL").unwrap_or_else(|_| "sqlite://search.db?mode=rwc".to_owned());
    let redis = || env::var("REDIS_URL").map_err(|_| "REDIS_URL is not set");
    match args {
        ["serve"] => serve(&redis()?, index::open(&index).await?).await,
        ["publish", id, version, title, text] => {
            let content = Content { title: (*title).to_owned(), text: (*text).to_owned() };
            let (id, version) = (id.parse()?, version.parse()?);
            publish(&redis()?, &Article { id, version, content: Some(content) }).await
        }
        ["find", words] => {
            let found = index::find(&index::open(&index).await?, words).await?;
            found.iter().for_each(|title| println!("{title}"));
            Ok(())
        }
        _ => Err("say `serve`, `publish <id> <version> <title> <text>` or `find <words>`".into()),
    }
}

async fn serve(redis: &str, index: SqlitePool) -> Result<(), Box<dyn Error>> {
    let consumer = follow(redis, index).await?;
    tokio::signal::ctrl_c().await?;
    println!("{} events could not be indexed", consumer.lag().await?.dead);
    consumer.shutdown().await;
    Ok(())
}

/// Keeps the index up to date until the consumer is shut down. A database that is locked is tried again.
async fn follow(redis: &str, index: SqlitePool) -> Result<ConsumerHandle, cachekit::Error> {
    let handler = move |message: Message<Article>| {
        let index = index.clone();
        async move { index::apply(&index, &message.payload).await }
    };
    Consumer::new(TOPIC, "search").namespace(NAMESPACE).start(redis, handler).await
}

async fn publish(redis: &str, article: &Article) -> Result<(), Box<dyn Error>> {
    let publisher = Publisher::connect(redis, NAMESPACE).await?;
    publisher.publish(Event::new(TOPIC, article)?.key(article.id.to_string())).await?;
    publisher.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use cachekit_test_support::RedisServer;

    use super::*;

    fn article(version: i64, text: Option<&str>) -> Article {
        let content = |text: &str| Content { title: format!("v{version}"), text: text.to_owned() };
        Article { id: 1, version, content: text.map(content) }
    }

    #[tokio::test]
    async fn index_follows_what_is_published() {
        let server = RedisServer::start();
        let folder = env::temp_dir().join(format!("search-index-{}", server.port()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let url = format!("sqlite://{}/search.db?mode=rwc", folder.display());
        let index = index::open(&url).await.expect("the index");
        let consumer = follow(&server.url(), index.clone()).await.expect("a consumer");
        for article in [
            article(2, Some("lifetimes and borrows")),
            article(1, Some("an older text about borrows")),
            article(3, Some("borrows, once more")),
            article(3, Some("borrows, once more")),
        ] {
            publish(&server.url(), &article).await.expect("it is published");
        }
        until(async || index::find(&index, "borrows").await.expect("a search") == ["v3"]).await;
        assert!(index::find(&index, "older OR lifetimes").await.expect("a search").is_empty());
        publish(&server.url(), &article(4, None)).await.expect("it is published");
        until(async || index::find(&index, "borrows").await.expect("a search").is_empty()).await;
        assert_eq!(consumer.lag().await.expect("the lag").dead, 0);
        consumer.shutdown().await;
        index.close().await;
        std::fs::remove_dir_all(folder).expect("its own folder");
    }

    async fn until(mut holds: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while !holds().await {
            assert!(begun.elapsed() < Duration::from_secs(20), "it never came to this");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
