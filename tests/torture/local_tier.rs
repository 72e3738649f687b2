//! Copies in process: no read is further behind another process's write than the bound, and none behind a write of its
//! own process, whatever becomes of the connection that tells of invalidations.

use std::time::Duration;

use cachekit_test_support::{Command, Proxy, RedisServer};
use cachekit_torture::{
    check::Visibility,
    history::{Call, Event, Source},
};
use tokio::time::{self, Instant};

use crate::{
    consistency::{Run, Setup, seconds},
    fleet::machine,
    settings::tell,
};

const SETUP: Setup = Setup {
    subject: "local",
    processes: 3,
    bound: Duration::from_millis(500),
    pace: Duration::from_millis(1),
    pause: Duration::from_millis(400),
};

/// No answer of Redis comes as quickly.
const QUICK: u64 = 30_000;

#[tokio::test(flavor = "multi_thread")]
async fn no_read_is_further_behind_than_the_bound() {
    let _machine = machine().await;
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    proxy.forget();
    let mut nemesis = Nemesis::default();
    let run = Run::of(SETUP, &proxy.url(), nemesis.haunt(&proxy, seconds())).await;
    let copies = served_from_copies(&run.history);
    tell(format_args!("{nemesis:?}, {} s: {copies} from copies; {}", run.seconds, run.summary));
    run.assert_consistent();
    assert!(copies > 0, "copies were served");
    assert!(nemesis.all() >= 4, "{nemesis:?}");
}

/// With nothing in the way. Readers look about once a millisecond at one of the keys, so that is how finely this
/// measures.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_invalidated_is_gone_elsewhere_within_20_ms() {
    let _machine = machine().await;
    let server = RedisServer::start();
    let run = Run::of(Setup { processes: 2, ..SETUP }, &server.url(), async {}).await;
    let (copies, visibility) = (served_from_copies(&run.history), Visibility::of(&run.history));
    tell(format_args!("{visibility}, {} s: {copies} from copies; {}", run.seconds, run.summary));
    run.assert_consistent();
    assert!(copies > 0, "copies were served");
    assert!(visibility.count() >= 20, "{visibility}");
    assert!(visibility.percentile(99) < Duration::from_millis(20), "{visibility}");
}

fn served_from_copies(history: &[Event]) -> usize {
    let quick = |event: &&Event| {
        let hit = matches!(event.call, Call::Read { source: Source::Cache, .. });
        hit && event.returned - event.invoked < QUICK
    };
    history.iter().filter(quick).count()
}

/// What was done to the connections, and how often.
#[derive(Debug, Default)]
struct Nemesis {
    delayed: u32,
    stalled: u32,
    half_open: u32,
    cut: u32,
    all_cut: u32,
}

impl Nemesis {
    /// Does its worst for `seconds`, less a rest at the end, and four times at least. Some replies are late all the time,
    /// so that news overtakes them.
    async fn haunt(&mut self, proxy: &Proxy, seconds: u64) {
        let end = Instant::now() + Duration::from_secs(seconds.saturating_sub(2));
        let reads = |share: u8| {
            move |command: &Command| {
                (command.is("GETEX") || command.is("SET")) && fastrand::u8(..) < share
            }
        };
        let _late = proxy.delay_replies(Duration::from_millis(3), reads(25));
        let _later = proxy.delay_replies(Duration::from_millis(20), reads(10));
        let mut round = fastrand::u32(..5);
        while Instant::now() < end || self.all() < 4 {
            time::sleep(Duration::from_millis(fastrand::u64(50..200))).await;
            self.strike(proxy, round).await;
            round += 1;
        }
    }

    async fn strike(&mut self, proxy: &Proxy, round: u32) {
        match round % 5 {
            0 => {
                let _delay = proxy.delay_pushes(Duration::from_millis(fastrand::u64(1..40)));
                time::sleep(Duration::from_millis(700)).await;
                self.delayed += 1;
            }
            // Shorter than the bound: news comes late, and copies are served all the time.
            1 => {
                let _silence = proxy.hold_pushes();
                time::sleep(Duration::from_millis(fastrand::u64(50..350))).await;
                self.stalled += 1;
            }
            // Longer than it takes to give the connection up.
            2 => {
                let _silence = proxy.hold_pushes();
                time::sleep(Duration::from_millis(fastrand::u64(800..2500))).await;
                self.half_open += 1;
            }
            // What happens meanwhile is told to nobody.
            3 => {
                proxy.refuse(true);
                proxy.cut_trackers();
                time::sleep(Duration::from_millis(fastrand::u64(0..400))).await;
                proxy.refuse(false);
                self.cut += 1;
            }
            _ => {
                proxy.cut();
                self.all_cut += 1;
            }
        }
    }

    fn all(&self) -> u32 {
        self.delayed + self.stalled + self.half_open + self.cut + self.all_cut
    }
}
