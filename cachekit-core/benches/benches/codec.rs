//! Values to bytes and back: each format beside its crate alone with the same settings, for a small
//! value and for one that is large enough to be compressed, and what the compression adds.

#![allow(missing_docs)]

use std::{collections::BTreeMap, convert::Infallible, hint::black_box, time::Duration};

use cachekit::{
    __private::{Codec, Form},
    Format,
};
use cachekit_benches::print_ratios;
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use lz4_flex::block;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: i64,
    customer: String,
    email: Option<String>,
    total_cents: u64,
    discount: f64,
    is_paid: bool,
    state: State,
    positions: Vec<Position>,
    labels: BTreeMap<String, String>,
    note: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum State {
    Open,
    Shipped { at: u64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Position {
    article: u32,
    count: u16,
}

impl Order {
    fn new(positions: u32) -> Self {
        let label = |number| format!("label {number}");
        Self {
            id: 4_711,
            customer: "Ada Lovelace".to_owned(),
            email: Some("ada@example.org".to_owned()),
            total_cents: 129_900,
            discount: 0.15,
            is_paid: true,
            state: if positions > 9 { State::Shipped { at: 1_700_000_000 } } else { State::Open },
            positions: (0..positions)
                .map(|n| Position { article: n.wrapping_mul(2_654_435_761), count: n as u16 % 7 })
                .collect(),
            labels: (0..3).map(|n| (format!("key {n}"), label(n))).collect(),
            note: "leave it at the neighbour's door, please; ".repeat(positions as usize / 3),
        }
    }
}

/// The function pointers that the engine calls.
fn codec() -> &'static Codec {
    Form::<Result<Order, Infallible>>::result().codec.expect("it has serde")
}

/// One format: cachekit's way, and the bare crate's.
struct Contender {
    name: &'static str,
    format: Format,
    encode: fn(&Order, &mut Vec<u8>),
    decode: fn(&[u8]) -> Order,
}

const CONTENDERS: [Contender; 3] = [
    Contender {
        name: "messagepack",
        format: Format::MessagePack,
        encode: |order, out| {
            let mut serializer = rmp_serde::Serializer::new(out).with_struct_map();
            order.serialize(&mut serializer).expect("it encodes");
        },
        decode: |bytes| rmp_serde::from_slice(bytes).expect("an order"),
    },
    Contender {
        name: "postcard",
        format: Format::Postcard,
        encode: |order, out| _ = postcard::to_io(order, out).expect("it encodes"),
        decode: |bytes| postcard::from_bytes(bytes).expect("an order"),
    },
    Contender {
        name: "json",
        format: Format::Json,
        encode: |order, out| serde_json::to_writer(out, order).expect("it encodes"),
        decode: |bytes| serde_json::from_slice(bytes).expect("an order"),
    },
];

fn encoded(order: &Order, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    (codec().encode)(order, format, &mut out).expect("it encodes");
    out
}

fn encode(c: &mut Criterion, name: &str, order: &Order, contender: &Contender) {
    let name = format!("encode_{name}_{}", contender.name);
    let mut group = c.benchmark_group(&name);
    let mut out = Vec::with_capacity(64 * 1024);
    group.bench_function("cachekit", |b| {
        b.iter(|| {
            out.clear();
            (codec().encode)(black_box(order), contender.format, &mut out).expect("it encodes");
            out.len()
        });
    });
    group.bench_function("bare", |b| {
        b.iter(|| {
            out.clear();
            (contender.encode)(black_box(order), &mut out);
            out.len()
        });
    });
    group.finish();
    print_ratios(&name, &["cachekit", "bare"]);
}

fn decode(c: &mut Criterion, name: &str, order: &Order, contender: &Contender) {
    let name = format!("decode_{name}_{}", contender.name);
    let bytes = encoded(order, contender.format);
    assert_eq!((contender.decode)(&bytes), *order, "both read the same bytes");
    let mut group = c.benchmark_group(&name);
    group.bench_function("cachekit", |b| {
        b.iter(|| (codec().decode)(black_box(&bytes), contender.format).expect("an order"));
    });
    group.bench_function("bare", |b| {
        b.iter(|| std::sync::Arc::new((contender.decode)(black_box(&bytes))));
    });
    group.finish();
    print_ratios(&name, &["cachekit", "bare"]);
}

// ===== compression =====

/// As the store does it: a block after its length.
fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 4 + block::get_maximum_output_size(bytes.len())];
    let written = block::compress_into(bytes, &mut out[4..]).expect("there is room");
    out[..4].copy_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.truncate(4 + written);
    out
}

fn decompress(bytes: &[u8]) -> Vec<u8> {
    let (length, block) = bytes.split_first_chunk::<4>().expect("its length");
    let mut out = vec![0; u32::from_be_bytes(*length) as usize];
    block::decompress_into(block, &mut out).expect("a block");
    out
}

fn compressed(c: &mut Criterion, order: &Order, contender: &Contender) {
    let name = format!("compressed_{}", contender.name);
    let mut group: BenchmarkGroup<'_, WallTime> = c.benchmark_group(&name);
    let small = compress(&encoded(order, contender.format));
    group.bench_function("encode", |b| {
        b.iter(|| compress(&encoded(black_box(order), contender.format)));
    });
    group.bench_function("decode", |b| {
        b.iter(|| {
            let bytes = decompress(black_box(&small));
            (codec().decode)(&bytes, contender.format).expect("an order")
        });
    });
    group.finish();
    print_ratios(&name, &["encode", "decode"]);
}

#[allow(clippy::print_stdout)]
fn print_sizes(name: &str, order: &Order) {
    for contender in &CONTENDERS {
        let bytes = encoded(order, contender.format);
        let small = compress(&bytes).len();
        println!("{name} {}: {} bytes, compressed {small}", contender.name, bytes.len());
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    let (small, large) = (Order::new(5), Order::new(500));
    for (name, order) in [("small", &small), ("large", &large)] {
        print_sizes(name, order);
        for contender in &CONTENDERS {
            encode(&mut criterion, name, order, contender);
            decode(&mut criterion, name, order, contender);
        }
    }
    for contender in &CONTENDERS {
        compressed(&mut criterion, &large, contender);
    }
    criterion.final_summary();
}
