use std::collections::HashMap;

use cachekit::cached;

struct Ids(Vec<i64>);

#[cached(key = "a:<id[]>", ttl = "1h")]
async fn not_a_collection(id: i64) -> HashMap<i64, i64> {
    HashMap::from([(id, id)])
}

#[cached(key = "b:<ids[]>", ttl = "1h")]
async fn no_visible_elements(ids: &Ids) -> HashMap<i64, i64> {
    ids.0.iter().map(|id| (*id, *id)).collect()
}

#[cached(key = "c:<ids[]>", ttl = "1h")]
async fn of_a_fixed_length(ids: &[i64; 2]) -> HashMap<i64, i64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(key = "d:<idz[]>", ttl = "1h")]
async fn misspelt(ids: &[i64]) -> HashMap<i64, i64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(key = "e:<ids[]>:<langs[]>", ttl = "1h")]
async fn over_two(ids: &[i64], langs: &[String]) -> HashMap<i64, i64> {
    ids.iter().map(|id| (*id, langs.len() as i64)).collect()
}

#[cached(key = "f:<ids[]>:<ids>", ttl = "1h")]
async fn whole_and_each(ids: &[i64]) -> HashMap<i64, i64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(key = "g:<first[]>", ttl = "1h")]
async fn in_a_pattern((first, _second): (Vec<i64>, i64)) -> HashMap<i64, i64> {
    first.iter().map(|id| (*id, *id)).collect()
}

#[cached(key = "h:<ids[0]>", ttl = "1h")]
async fn an_index(ids: &[i64]) -> HashMap<i64, i64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(key = "i:<ids[]>", ttl = "1h")]
fn a_future(ids: Vec<i64>) -> impl Future<Output = HashMap<i64, i64>> {
    async move { ids.iter().map(|id| (*id, *id)).collect() }
}

#[cached(key = "j:<ids[]>", ttl = "1h")]
async fn left_out(ids: &[i64], lang: &str) -> HashMap<i64, String> {
    ids.iter().map(|id| (*id, lang.to_owned())).collect()
}

fn main() {}
