//! Walks through the models, played step by step against real servers through the shipped store.
//!
//! A model says of every step what the command answers and what is under the key afterwards. Here a server says it too,
//! under two locales, since scripts that compare strings would go by that of the server. Between the steps come commands
//! that nobody in the model sends and that must change nothing: a fill sent twice, and late ones of dead ids.

mod player;

use std::path::Path;
use std::process::Command;

use cachekit_core::testing::Steps;
use cachekit_model::models::flight::Flights;
use cachekit_model::models::lease::{Floor, Lease, Sharing};
use cachekit_model::trace::{Touched, walk};
use cachekit_test_support::RedisServer;
use fastrand::Rng;

use player::Player;

/// Walks of each model and locale.
const WALKS: u64 = 120;

/// What a fill must not be: it stores whatever comes.
const BLIND_FILL: &str = "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";

/// One that compares ids and forgets that a lease is filled once, by the holder of a lease.
const KINDLESS_FILL: &str = "
    local header = redis.call('GETRANGE', KEYS[1], 0, 27)
    if #header < 28 or string.sub(header, 5, 20) ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    return 1";

/// The walks with this seed, through each of the models that touch a key in Redis.
fn walks(seed: u64) -> [Vec<Touched>; 3] {
    let rng = &mut Rng::with_seed(seed);
    let rules = Lease { crashes: 1, outbox: true, expiries: 2, ..Lease::shipped() };
    let floors = Lease { floor: Floor::Highest, lagging: true, ..Lease::shipped() };
    let flights = Flights {
        foreign_writers: 2,
        foreign_readers: 2,
        cancels: 1,
        impatience: 1,
        lost: 1,
        expiries: 1,
        ..Flights::new(None)
    };
    [
        walk(&Lease { sharing: Sharing::IfAccepted, ..rules }, rng),
        walk(&floors, rng),
        walk(&flights, rng),
    ]
}

/// Plays all walks; the first difference is said with its seed and the way to it.
async fn play(server: &RedisServer, steps: &Steps, walks_each: u64) -> Result<usize, String> {
    let mut played = 0;
    for seed in 0..walks_each {
        for (model, walk) in walks(seed).into_iter().enumerate() {
            let mut player = Player::new(server, steps, format!("walk:{seed}:{model}"), seed);
            player
                .play(&walk)
                .await
                .map_err(|what| format!("seed {seed}, model {model}: {what}"))?;
            played += walk.len();
        }
    }
    Ok(played)
}

async fn connect(server: &RedisServer) -> Steps {
    Steps::connect(&server.url(), "model").await.expect("the test's Redis listens")
}

#[tokio::test]
async fn redis_answers_as_the_models_say() {
    let server = RedisServer::start_with(&[], &[("LC_ALL", "C")]);
    let played = play(&server, &connect(&server).await, WALKS).await;
    assert!(played.expect("no step differs") > 3_000);
}

#[tokio::test]
async fn redis_answers_as_the_models_say_under_another_collation() {
    let locales = tempfile::tempdir().expect("a folder for the locale");
    if !make_locale(locales.path()) {
        println!("note: en_US.UTF-8 cannot be made here (apt-get install locales)");
        return;
    }
    let path = locales.path().display().to_string();
    let environment = [("LOCPATH", path.as_str()), ("LC_ALL", "en_US.UTF-8")];
    let server = RedisServer::start_with(&[], &environment);
    let collates = server.connection().call(&["EVAL", "return ('a' < 'B') and 1 or 0", "0"]);
    assert_eq!(collates, cachekit_test_support::Reply::Int(1), "the locale is in force");
    let played = play(&server, &connect(&server).await, WALKS).await;
    assert!(played.expect("no step differs") > 3_000);
}

#[tokio::test]
async fn a_fill_that_compares_nothing_is_caught() {
    let server = RedisServer::start();
    let steps = connect(&server).await.with_fill(BLIND_FILL);
    let caught = play(&server, &steps, WALKS).await.expect_err("a blind fill differs somewhere");
    assert!(caught.contains("fill"), "{caught}");
}

#[tokio::test]
async fn a_fill_that_forgets_the_kind_is_caught() {
    let server = RedisServer::start();
    let steps = connect(&server).await.with_fill(KINDLESS_FILL);
    let caught = play(&server, &steps, WALKS).await.expect_err("such a fill differs somewhere");
    assert!(caught.contains("fill"), "{caught}");
}

fn make_locale(folder: &Path) -> bool {
    let target = folder.join("en_US.UTF-8");
    let made = Command::new("localedef").args(["-i", "en_US", "-f", "UTF-8"]).arg(&target).status();
    made.is_ok_and(|status| status.success()) && target.is_dir()
}
