//! The service as its clients see it: `curl` asks, and a signal ends it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::Duration,
};

use cachekit_test_support::{RedisServer, wait_until};

struct Service {
    process: Child,
    told: BufReader<ChildStdout>,
    address: String,
}

/// What `curl` was answered.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Service {
    /// Starts it on a free port, with handlers that take as long.
    fn start(work_ms: u32, redis: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_axum-stack"));
        command.env("PORT", "0").env("WORK_MS", work_ms.to_string()).env_remove("DATABASE_URL");
        match redis {
            Some(url) => command.env("REDIS_URL", url),
            None => command.env_remove("REDIS_URL"),
        };
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the service");
        let mut told = BufReader::new(process.stdout.take().expect("its output"));
        let address = loop {
            let mut line = String::new();
            assert!(told.read_line(&mut line).expect("its output") > 0, "it did not come up");
            if let Some(address) = line.strip_prefix("listening on ") {
                break address.trim().to_owned();
            }
        };
        Self { process, told, address }
    }

    fn curl(&self, path: &str, more: &[&str]) -> Answer {
        let url = format!("{}{path}", self.address);
        let output = curl().args(["--include", &url]).args(more).output().expect("curl");
        Answer::of(&output)
    }

    fn get(&self, path: &str) -> Answer {
        self.curl(path, &[])
    }

    /// What a counter stands at, over all its labels that begin so.
    fn counter(&self, beginning: &str) -> u64 {
        let metrics = self.get("/metrics").body;
        let lines = metrics.lines().filter(|line| line.starts_with(beginning));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }

    fn calls(&self, handler: &str) -> u64 {
        self.counter(&format!("handler_calls_total{{handler=\"{handler}\"}}"))
    }

    /// Asks it to stop, as Ctrl-C does, and gives back what it said to the end.
    fn interrupt(mut self) -> String {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
        let ended = wait_until(Duration::from_secs(15), || {
            self.process.try_wait().expect("its state").is_some()
        });
        assert!(ended, "it goes on after SIGINT");
        assert!(self.process.wait().expect("its state").success());
        let mut rest = String::new();
        self.told.read_to_string(&mut rest).expect("its output");
        rest
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Of no use where it has ended, and of no harm.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn curl() -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30"]);
    curl
}

impl Answer {
    fn of(output: &Output) -> Self {
        let (told, wrong) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "curl: {wrong}");
        let told = String::from_utf8(told.clone()).expect("text");
        let (head, body) = told.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    fn cache_status(&self) -> &str {
        self.header("cache-status")
    }
}

#[test]
fn the_second_answer_is_from_the_cache_and_a_write_is_seen_at_once() {
    let service = Service::start(0, None);
    let first = service.get("/users/1");
    assert_eq!((first.status, first.body.as_str()), (200, r#"{"id":1,"name":"Ada"}"#));
    assert_eq!(first.cache_status(), "cachekit; fwd=uri-miss; fwd-status=200; stored");
    assert!(!first.header("x-request-id").is_empty(), "{}", first.head);
    let second = service.get("/users/1");
    assert!(second.cache_status().starts_with("cachekit; hit; ttl="), "{}", second.head);
    assert_eq!(second.body, first.body);
    assert_eq!(service.calls("show"), 1);

    // A client that has it already is told so.
    let known = format!("if-none-match: {}", first.header("etag"));
    assert_eq!(service.curl("/users/1", &["--header", &known]).status, 304);

    let put = service.curl("/users/1", &["--request", "PUT", "--data", "Grace"]);
    assert_eq!(put.status, 204, "{}", put.head);
    let third = service.get("/users/1");
    assert_eq!(third.body, r#"{"id":1,"name":"Grace"}"#);
    assert!(third.cache_status().ends_with("stored"), "{}", third.head);

    // One entry, which is packed for whoever wants it so.
    let long = "Ada".repeat(100);
    service.curl("/users/1", &["--request", "PUT", "--data", &long]);
    let plain = service.get("/users/1");
    let packed = service.curl("/users/1", &["--compressed"]);
    assert!(plain.body.contains(&long) && packed.cache_status().contains("hit"), "{}", packed.head);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.body, plain.body);
}

#[test]
fn five_hundred_at_once_are_one_call() {
    let service = Service::start(500, None);
    let curls: Vec<_> = (0..5).map(|_| many(&service, "/users/2", 100)).collect();
    for curl in curls {
        let output = curl.wait_with_output().expect("curl");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(told.matches(r#"{"id":2,"name":"Alan"}"#).count(), 100, "{told}");
    }
    assert_eq!(service.calls("show"), 1);
}

/// A `curl` that asks so many times at once, each over a connection of its own.
fn many(service: &Service, path: &str, times: usize) -> Child {
    let mut child = curl()
        .args(["--parallel", "--parallel-immediate", "--parallel-max", "100", "--config", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("curl");
    let line = format!("url = \"{}{path}\"\n", service.address);
    let mut input = child.stdin.take().expect("its input");
    input.write_all(line.repeat(times).as_bytes()).expect("its input");
    child
}

#[test]
fn who_comes_while_an_order_is_paid_is_told_when_to_come_again() {
    let service = Service::start(1500, None);
    let pay = || {
        let url = format!("{}/orders/1/pay", service.address);
        curl().args(["--include", "--request", "POST", &url]).stdout(Stdio::piped()).spawn()
    };
    let first = pay().expect("curl");
    assert!(wait_until(Duration::from_secs(10), || service.calls("pay") == 1));
    let refused = service.curl("/orders/1/pay", &["--request", "POST"]);
    assert_eq!(refused.status, 429, "{}", refused.head);
    let seconds: u32 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=31).contains(&seconds), "{seconds}");
    assert_eq!(refused.header("cache-control"), "no-store");
    // Another order is another lock.
    assert_eq!(service.curl("/orders/2/pay", &["--request", "POST"]).status, 200);

    let first = Answer::of(&first.wait_with_output().expect("curl"));
    assert_eq!((first.status, first.body.as_str()), (200, "paid\n"));
    let again = service.curl("/orders/1/pay", &["--request", "POST"]);
    assert_eq!((again.status, again.body.as_str()), (409, "no such order, or paid\n"));
}

#[test]
fn two_who_are_known_never_share_an_answer() {
    let service = Service::start(0, None);
    let me = |name: &str| {
        let line = format!("authorization: Bearer {name}-token");
        service.curl("/me", &["--header", &line])
    };
    for status in ["stored", "hit"] {
        for (name, body) in
            [("ada", r#"{"id":1,"name":"Ada"}"#), ("alan", r#"{"id":2,"name":"Alan"}"#)]
        {
            let answer = me(name);
            assert_eq!(answer.body, body);
            assert!(answer.cache_status().contains(status), "{}", answer.head);
        }
    }
    assert_eq!(service.calls("me"), 2);
    assert_eq!(service.get("/me").status, 401);
    assert_eq!(me("nobody").status, 401);
    // A page that is the same for all is not given to somebody who is known either, unless its layer says so.
    let line = "authorization: Bearer ada-token";
    let user = service.curl("/users/1", &["--header", line]);
    assert_eq!(user.cache_status(), "cachekit; fwd=bypass; detail=credentials");

    service.curl("/users/1", &["--request", "PUT", "--data", "Grace"]);
    assert_eq!(me("ada").body, r#"{"id":1,"name":"Grace"}"#);
}

#[test]
fn an_id_that_nobody_has_ends_at_the_filter_until_it_is_given_out() {
    let service = Service::start(0, None);
    // Until the filter is filled the handler is asked. What ends there has been to no cache.
    let mut id = 5000;
    let ends = || {
        id += 1;
        let answer = service.get(&format!("/users/{id}"));
        assert_eq!(answer.status, 404);
        answer.cache_status().is_empty()
    };
    assert!(wait_until(Duration::from_secs(20), ends), "the filter is never asked");
    let created = service.curl("/users", &["--data", "Barbara"]);
    assert_eq!((created.status, created.body.as_str()), (201, r#"{"id":3,"name":"Barbara"}"#));
    assert_eq!(service.get("/users/3").body, created.body);
}

#[test]
fn two_processes_share_it_over_redis_and_a_signal_ends_them() {
    let redis = RedisServer::start();
    let first = Service::start(0, Some(&redis.url()));
    let second = Service::start(0, Some(&redis.url()));
    let from_first = first.get("/users/1");
    assert!(from_first.cache_status().ends_with("stored"), "{}", from_first.head);
    let line = format!("host: {}", first.address.trim_start_matches("http://"));
    let from_second = second.curl("/users/1", &["--header", &line]);
    assert!(from_second.cache_status().contains("hit"), "{}", from_second.head);
    assert_eq!(second.calls("show"), 0);
    for service in [first, second] {
        assert!(service.counter("cachekit_") > 0, "no metrics of the cache");
        assert!(service.interrupt().contains("stopped"));
    }
}
