//! What users read when they use the macros wrongly.

#[test]
fn mistakes_explain_themselves() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
