//! Two processes of the storefront share one cache: the steps of `run.sh`, as a test.

use std::process::Command;

#[test]
fn what_one_process_writes_the_other_reads() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/run.sh");
    let output = Command::new(script)
        .env("STOREFRONT", env!("CARGO_BIN_EXE_storefront"))
        .output()
        .expect("bash runs the script");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
