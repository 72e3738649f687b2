//! What the compiler says of each misuse. `TRYBUILD=overwrite` writes the answers anew.

#[test]
fn misuse_is_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
