//! Every shipped rule holds in all states, and every mutant is caught.

use std::io::Write;

use cachekit_model::models::outbox::Outbox;
use cachekit_model::models::textbook::{Textbook, Way};
use cachekit_model::{Property, Row, Variant, variants};

/// Checks the variants, prints their lines of the table, and says all that is not as it should be.
fn check(list: Vec<Variant>) {
    let rows: Vec<_> = list.iter().map(Variant::check).collect();
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "\n{}", Row::head());
    for row in &rows {
        let _ = writeln!(out, "{row}");
    }
    let surprises = rows.iter().flat_map(|row| {
        row.surprises.iter().map(move |what| format!("{}, {}: {what}", row.model, row.name))
    });
    let surprises: Vec<_> = surprises.collect();
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

macro_rules! models {
    ($($model:ident),* $(,)?) => {
        $(
            #[test]
            fn $model() {
                check(variants::$model());
            }
        )*

        #[test]
        fn the_table_has_every_model() {
            let tested: usize = [$(variants::$model().len()),*].iter().sum();
            assert_eq!(tested, variants::all().len());
        }
    };
}

models!(
    textbook, lease, replicas, failover, strong, outbox, copies, dirty, flight, batch, tags, fence,
    stale, testers,
);

#[test]
fn what_should_not_come_is_a_surprise() {
    let naive = Variant::new("textbook", "naive", Textbook::new(Way::CommitDelete));
    let row = naive.holds(&[Property::Regular]).check();
    assert!(row.held.is_empty() && row.surprises[0].starts_with("not regular: "), "{row:?}");

    let sound = Variant::new("outbox", "sound", Outbox::new(None));
    let row = sound.breaks(&[Property::Converges]).check();
    assert_eq!(row.surprises, ["converges: not caught"]);
}
