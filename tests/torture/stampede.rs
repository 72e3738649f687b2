//! One cold key, four processes, a thousand callers in each: one load.

use std::time::Duration;

use cachekit_test_support::RedisServer;

use crate::fleet::{Worker, machine};

const PROCESSES: u32 = 4;
const CALLERS: usize = 1000;
const LOAD: Duration = Duration::from_millis(100);
const LEASE: Duration = Duration::from_secs(3);
/// How long a worker may be silent: longer than any lease.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the callers of all processes said.
#[derive(Debug, Default)]
struct Told {
    loads: usize,
    aborted: usize,
    served: Vec<Served>,
    other: Vec<String>,
}

/// A caller that was answered.
#[derive(Clone, Copy, Debug)]
struct Served {
    invoked: u64,
    returned: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn four_thousand_callers_cause_one_load() {
    let _machine = machine().await;
    let server = RedisServer::start();
    let mut told = Told::default();
    for worker in start(&server, false).await {
        told.hear(worker.finish(PATIENCE).await);
    }
    println!("stampede: {}", told.report());
    told.assert_served(PROCESSES as usize * CALLERS);
    assert_eq!(told.loads, 1);
    assert!(told.slowest() < LOAD + Duration::from_secs(1), "{}", told.report());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_aborted_in_mid_load_costs_one_more_load() {
    let _machine = machine().await;
    let server = RedisServer::start();
    let mut told = Told::default();
    for worker in start(&server, true).await {
        told.hear(worker.finish(PATIENCE).await);
    }
    println!("leader aborted: {}", told.report());
    assert_eq!((told.loads, told.aborted), (2, 1));
    told.assert_served(PROCESSES as usize * CALLERS - 1);
    assert!(told.slowest() < LOAD * 2 + Duration::from_secs(1), "{}", told.report());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_process_killed_in_mid_load_costs_one_more_load_after_its_lease() {
    let _machine = machine().await;
    let server = RedisServer::start();
    let mut workers = start(&server, false).await;
    let leader = first_to_load(&mut workers).await;
    let killed = workers.remove(leader).kill().await;
    assert_eq!(killed, [""; 0], "nobody was served by the process that was killed");
    let mut told = Told { loads: 1, ..Told::default() };
    for worker in workers {
        told.hear(worker.finish(PATIENCE).await);
    }
    println!("leader killed: {}", told.report());
    assert_eq!(told.loads, 2);
    told.assert_served((PROCESSES as usize - 1) * CALLERS);
    assert!(told.slowest() < LEASE + LOAD + Duration::from_secs(2), "{}", told.report());
}

/// Starts all workers, then lets all of them begin.
async fn start(server: &RedisServer, abort_leader: bool) -> Vec<Worker> {
    let mut workers = Vec::new();
    for process in 0..PROCESSES {
        let args = [
            ("role", "stampede".to_owned()),
            ("redis", server.url()),
            ("process", process.to_string()),
            ("callers", CALLERS.to_string()),
            ("load_ms", LOAD.as_millis().to_string()),
            ("abort_leader", abort_leader.to_string()),
        ];
        workers.push(Worker::start(&args).await);
    }
    for worker in &mut workers {
        worker.go().await;
    }
    workers
}

/// The worker whose caller runs the first load.
async fn first_to_load(workers: &mut [Worker]) -> usize {
    let lines = workers.iter_mut().map(|worker| Box::pin(worker.line(PATIENCE)));
    let (line, leader) = first(lines.collect()).await;
    assert_eq!(line.as_deref(), Some("load"));
    leader
}

/// The output of the first future to end, and which one that was.
async fn first<F: Future + Unpin>(mut futures: Vec<F>) -> (F::Output, usize) {
    std::future::poll_fn(|cx| {
        let mut polled = futures.iter_mut().map(|future| std::pin::Pin::new(future).poll(cx));
        let ready = polled.by_ref().enumerate().find(|(_, poll)| poll.is_ready());
        match ready {
            Some((at, poll)) => poll.map(|out| (out, at)),
            None => std::task::Poll::Pending,
        }
    })
    .await
}

impl Told {
    fn hear(&mut self, lines: Vec<String>) {
        for line in lines {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["load"] => self.loads += 1,
                ["aborted"] => self.aborted += 1,
                ["served", invoked, returned, _] => {
                    let moment = |text: &str| text.parse().expect("nanoseconds");
                    let served = Served { invoked: moment(invoked), returned: moment(returned) };
                    self.served.push(served);
                }
                _ => self.other.push(line),
            }
        }
    }

    fn assert_served(&self, callers: usize) {
        assert_eq!(self.other, [""; 0], "callers that got no answer, or a wrong one");
        assert_eq!(self.served.len(), callers);
    }

    /// The longest that any caller waited.
    fn slowest(&self) -> Duration {
        let waits = self.served.iter().map(|served| served.returned - served.invoked);
        Duration::from_nanos(waits.max().unwrap_or(0))
    }

    fn report(&self) -> String {
        let first = self.served.iter().map(|served| served.invoked).min().unwrap_or(0);
        let last = self.served.iter().map(|served| served.returned).max().unwrap_or(0);
        let all = Duration::from_nanos(last.saturating_sub(first));
        let Told { loads, aborted, served, .. } = self;
        let (served, slowest) = (served.len(), self.slowest());
        format!(
            "{loads} loads, {served} served, {aborted} aborted; \
             slowest caller {slowest:?}, first call to last answer {all:?}"
        )
    }
}
