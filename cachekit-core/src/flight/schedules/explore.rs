//! Running a scenario under many schedules.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use shuttle::{
    Config, FailurePersistence, MaxSteps, Runner,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
};

use super::scenario::Scenario;
use crate::mutant::Mutant;

/// Plays `schedules` random schedules of the scenario and half as many by priority, times
/// `CACHEKIT_SCHEDULES`.
pub(super) fn explore(scenario: Scenario, schedules: usize) {
    scenario.arm(None);
    let schedules = schedules * number("CACHEKIT_SCHEDULES").unwrap_or(1) as usize;
    let seed = number("CACHEKIT_SEED").unwrap_or_else(|| fastrand::u64(..));
    let random = RandomScheduler::new_from_seed(seed, schedules);
    let by_priority = PctScheduler::new_from_seed(seed, 4, schedules / 2);
    let outs = [
        ("random", run(random, move || scenario.play())),
        ("priority", run(by_priority, move || scenario.play())),
    ];
    for (scheduler, out) in outs {
        if let Err(message) = out {
            panic!("{message}\nunder {scheduler} schedules; again with CACHEKIT_SEED={seed}");
        }
    }
}

/// Plays schedules of the scenario with a rule broken, until one fails the way it should.
pub(super) fn catch(mutant: Mutant, scenario: Scenario, complaint: &str) {
    const MOST: usize = 60_000;
    scenario.arm(Some(mutant));
    let seed = number("CACHEKIT_SEED").unwrap_or(1);
    let out = run(RandomScheduler::new_from_seed(seed, MOST), move || scenario.play());
    let message = out.expect_err("no schedule showed that the rule is broken");
    assert!(message.contains(complaint), "failed for another reason: {message}");
}

/// Plays one schedule, made by hand, and gives what it complains of. That is judged when all of it
/// is gone: a panic would drop futures in the midst of it.
pub(super) fn script(
    mutant: Option<Mutant>,
    impatient: bool,
    play: fn() -> Result<(), &'static str>,
) -> Result<(), String> {
    crate::mutant::set(mutant, impatient);
    let judge = move || play().unwrap_or_else(|complaint| panic!("{complaint}"));
    run(RandomScheduler::new_from_seed(1, 1), judge)
}

fn run(
    scheduler: impl Scheduler + 'static,
    play: impl Fn() + Send + Sync + 'static,
) -> Result<(), String> {
    let runner = Runner::new(scheduler, config());
    match catch_unwind(AssertUnwindSafe(|| runner.run(play))) {
        Ok(_) => Ok(()),
        Err(panic) => Err(text(panic.as_ref())),
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 0x2_0000;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(100_000);
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    config
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
