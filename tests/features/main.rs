//! What can be cached does not depend on the features that somebody else in the build turned on.

mod workspace;

use workspace::Workspace;

/// A package that turns on nothing, with every kind of value that is promised to be cacheable.
const PLAIN: &str = r#"
use std::sync::Arc;

use cachekit::cached;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Clone, Serialize, Deserialize)]
pub struct Product {
    name: String,
    tags: Vec<Option<char>>,
}

#[cached(key = "product:<id>", ttl = "1h", negative_ttl = "1m")]
pub async fn product(id: i64) -> Result<Option<Product>, std::io::Error> {
    Ok((id > 0).then(|| Product { name: String::new(), tags: Vec::new() }))
}

#[derive(Serialize, Deserialize)]
pub struct Catalogue(Vec<Product>);

#[cached(key = "catalogue", ttl = "1h")]
pub async fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue(Vec::new()))
}

#[cached(key = "title:<id>", ttl = "1h")]
pub async fn title(id: i64) -> Option<Arc<str>> {
    Some(id.to_string().into())
}

#[cached(key = "any:<name>", ttl = "1h", skip(value, T))]
pub async fn any<T>(name: &str, value: T) -> Result<T, String>
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    Ok(value)
}

pub fn each_of_them_is_a_value<T>()
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    fn is_a_value<V: cachekit::Value>() {}
    is_a_value::<T>();
}

pub struct WithoutSerde;

#[cfg(feature = "refused")]
#[cached(key = "refused", ttl = "1h")]
pub async fn refused() -> Arc<WithoutSerde> {
    Arc::new(WithoutSerde)
}
"#;

/// A package in the same build that turns on whatever changes how values are stored.
const RICH: &str = r#"
use std::rc::Rc;

#[derive(serde::Serialize)]
pub struct Shared(Rc<str>);

#[cachekit::cached(key = "rich:<id>", ttl = "1h")]
pub async fn rich(id: uuid::Uuid) -> String {
    id.to_string()
}

pub fn format() -> cachekit::Format {
    cachekit::Format::Json
}
"#;

const FEATURES: &str = r#""compress", "json", "metrics", "postcard", "redis", "uuid""#;

fn workspace() -> Workspace {
    let workspace = Workspace::new("features");
    let dependencies = r#"
        cachekit = { workspace = true }
        serde = { version = "1", features = ["derive"] }
    "#;
    workspace.package("plain", dependencies, PLAIN);
    let dependencies = format!(
        r#"
        cachekit = {{ workspace = true, features = [{FEATURES}] }}
        serde = {{ version = "1", features = ["derive", "rc"] }}
        uuid = "1"
    "#
    );
    workspace.package("rich", &dependencies, RICH);
    workspace
}

#[test]
fn two_versions_of_serde_feature_unify() {
    let workspace = workspace();
    let alone = ["--package", "plain"];
    let together = ["--package", "plain", "--package", "rich"];
    for (packages, has_redis) in [(&alone[..], false), (&together[..], true)] {
        let built = workspace.check(packages).expect("every value can be cached");
        assert_eq!(built.features_of("cachekit-core").contains("\"redis\""), has_redis);

        let errors = workspace.check(&[packages, &["--features", "plain/refused"]].concat());
        let errors = errors.expect_err("this value can be cached nowhere");
        assert!(errors.contains("`Arc<WithoutSerde>` cannot be cached"), "{errors}");
    }
}
