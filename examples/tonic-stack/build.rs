//! Turns `proto/shop.proto` into Rust.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let read = protox::compile(["shop.proto"], ["proto"])?;
    tonic_prost_build::configure().build_transport(false).compile_fds(read)?;
    Ok(())
}
