//! Tests of keys: the grammar's table, the escaping, and that distinct arguments never meet.

mod expansion;
mod injective;

use proptest::prelude::*;

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

proptest! {
    /// A template that is taken makes keys that begin with its literal; all others say what is wrong.
    #[test]
    fn any_text_gives_a_template_or_an_error(text in "[<>:{}a-z0-9._%~ -]{0,24}|\\PC*") {
        let Ok(template) = RuntimeTemplate::parse(&text) else { return Ok(()) };
        let key = template.expand(|name, w| {
            crate::Segment::write(name, w);
            Ok::<_, crate::Error>(())
        });
        let literal = text.split('<').next().unwrap_or_default();
        let key = key.unwrap();
        prop_assert!(key.as_str().starts_with(literal) || key.as_str().len() <= 200, "{key:?}");
    }
}
