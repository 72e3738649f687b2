//! Tests of keys: the grammar's table, the escaping, and that distinct arguments never meet.

mod expansion;
mod injective;

use super::RuntimeTemplate;
use crate::test_cases::cases;

#[test]
fn templates_parse_as_the_table_says() {
    for case in cases(include_str!("../template_cases.txt")) {
        let result = RuntimeTemplate::parse(case.input());
        match result {
            Ok(template) => {
                assert!(case.is_ok(), "{case:?} was accepted");
                assert_eq!(template.template().shape(), case.field(0), "{case:?}");
                let names: Vec<_> = template.placeholders().collect();
                assert_eq!(names.join(" "), case.field(1), "{case:?}");
            }
            Err(error) => {
                assert!(!case.is_ok(), "{case:?}: {error}");
                assert_eq!(error.message(), case.field(0), "{case:?}");
                assert_eq!(error.template(), Some(case.input()));
            }
        }
    }
}
