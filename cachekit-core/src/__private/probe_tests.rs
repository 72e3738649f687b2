//! Each arm of each probe, by the name of the type it picks.

use std::any::type_name_of_val;
use std::sync::Arc;

use super::super::form::{Split, form, local_form};
use super::super::tx::{TxProbe, ViaInTransaction as _, ViaSilent as _, in_tx};
use super::*;
use crate::sql::InTransaction;

/// The last word of a type's name, without its parameters.
fn word<T>(value: &T) -> &'static str {
    let name = type_name_of_val(value);
    let name = name.split('<').next().unwrap();
    name.rsplit("::").next().unwrap()
}

macro_rules! shape {
    ($t:ty) => {{
        let shape = (&&&&Probe::<$t>::NEW).ck_shape();
        format!("{shape:?}").rsplit("::").next().unwrap().to_owned()
    }};
}

macro_rules! stored {
    ($t:ty) => {{
        let stored = (&&Probe::<$t>::NEW).ck_stored();
        word(&stored)
    }};
}

macro_rules! error {
    ($t:ty) => {{
        let error = (&&Probe::<$t>::NEW).ck_error();
        word(&error)
    }};
}

mod probe_picks {
    use super::*;

    #[test]
    fn the_shape() {
        type Alias<T> = Result<T, std::io::Error>;
        assert_eq!(shape!(Result<Option<i64>, String>), "IsResultOption");
        assert_eq!(shape!(Alias<Option<Arc<i64>>>), "IsResultOption");
        assert_eq!(shape!(Result<i64, String>), "IsResult");
        assert_eq!(shape!(Alias<Vec<Option<i64>>>), "IsResult");
        assert_eq!(shape!(Option<i64>), "IsOption");
        assert_eq!(shape!(Option<Result<i64, String>>), "IsOption");
        assert_eq!(shape!(i64), "IsPlain");
        assert_eq!(shape!(()), "IsPlain");
        assert_eq!(shape!(Arc<i64>), "IsPlain");
    }

    #[test]
    fn how_a_value_is_stored() {
        assert_eq!(stored!(Arc<String>), "Whole");
        assert_eq!(stored!(String), "Owned");
        // An `Arc` of an unsized type cannot be `dyn Any`, so it is a value like any other.
        assert_eq!(stored!(Arc<str>), "Owned");
    }

    #[test]
    fn whether_an_error_is_shared() {
        struct NotClone;
        assert_eq!(error!(String), "Kept");
        assert_eq!(error!(Arc<std::io::Error>), "Kept");
        assert_eq!(error!(std::io::Error), "Lost");
        assert_eq!(error!(NotClone), "Lost");
        assert_eq!(error!(std::rc::Rc<String>), "Lost");
    }

    #[test]
    fn what_a_connection_says() {
        struct Open;
        impl InTransaction for Open {
            fn in_transaction(&self) -> bool {
                true
            }
        }
        let asked = (&&&TxProbe(&Open)).ck_in_tx();
        assert!(in_tx(&asked));
        let open = &mut &mut Open;
        let asked = (&&&TxProbe(&*open)).ck_in_tx();
        assert!(in_tx(&asked));
        let asked = (&&&TxProbe("silent")).ck_in_tx();
        assert_eq!(word(&asked), "Silent");
        assert!(!in_tx(&asked));
    }

    #[cfg(feature = "sqlx-sqlite")]
    #[tokio::test]
    async fn what_a_connection_of_sqlx_says() {
        use super::super::super::tx::ViaConnection as _;
        use sqlx::Connection;

        /// All that a generic function knows of its argument.
        fn is_in_tx<C: Connection>(db: &C) -> bool {
            let asked = (&&&TxProbe(db)).ck_in_tx();
            assert_eq!(word(&asked), "bool");
            in_tx(&asked)
        }
        let mut db = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
        assert!(!is_in_tx(&db));
        let tx = db.begin().await.unwrap();
        assert!(is_in_tx(&*tx));
    }
}

macro_rules! form {
    ($t:ty) => {{
        let shape = (&&&&Probe::<$t>::NEW).ck_shape();
        let stored = (&&shape.value()).ck_stored();
        let error = (&&shape.error()).ck_error();
        form(&shape, &stored, &error)
    }};
}

#[test]
fn a_value_comes_back_as_it_went() {
    let form = form!(Result<Option<String>, String>);
    let Split::Value(shared) = (form.split)(&Ok(Some("Ada".into()))) else { panic!("no value") };
    assert_eq!((form.value)(shared), Some(Ok(Some("Ada".into()))));
    assert!(matches!((form.split)(&Ok(None)), Split::Absent));
    assert_eq!(form.absent.unwrap()(), Ok(None));
    assert_eq!((form.codec.unwrap().type_name)(), "alloc::string::String");
}

#[test]
fn an_arc_is_stored_as_it_is() {
    let form = form!(Result<Arc<String>, std::io::Error>);
    let ada = Arc::new(String::from("Ada"));
    let Split::Value(shared) = (form.split)(&Ok(ada.clone())) else { panic!("no value") };
    assert!(shared.is::<String>());
    let back = (form.value)(shared).unwrap().unwrap();
    assert!(Arc::ptr_eq(&ada, &back));
    assert_eq!((form.codec.unwrap().type_name)(), "alloc::string::String");
}

#[test]
fn an_error_is_shared_where_it_can_be_cloned() {
    let form = form!(Result<i64, String>);
    let Split::Failed(Some(shared)) = (form.split)(&Err("no".into())) else { panic!("not shared") };
    assert_eq!(form.error.unwrap()(&shared), Some(Err("no".into())));

    let form = form!(Result<i64, std::io::Error>);
    assert!(form.error.is_none());
    let out = Err(std::io::Error::other("no"));
    assert!(matches!((form.split)(&out), Split::Failed(None)));
}

#[test]
fn another_type_is_not_taken() {
    let form = form!(Option<i64>);
    assert_eq!((form.value)(Arc::new(String::new())), None);
    assert_eq!((form.value)(Arc::new(7_i64)), Some(Some(7)));
}

#[test]
fn a_local_value_needs_no_serde() {
    #[derive(Clone, PartialEq, Debug)]
    struct Plain;
    let shape = (&&&&Probe::<Plain>::NEW).ck_shape();
    let stored = (&&shape.value()).ck_stored();
    let error = (&&shape.error()).ck_error();
    let form = local_form(&shape, &stored, &error);
    assert!(form.codec.is_none());
    assert!(form.absent.is_none());
    assert!(form.error.is_none());
    let Split::Value(shared) = (form.split)(&Plain) else { panic!("no value") };
    assert_eq!((form.value)(shared), Some(Plain));
}

#[test]
fn loaders_without_a_macro_have_forms() {
    let form = super::super::form::Form::<Result<i64, std::io::Error>>::result();
    assert!(form.absent.is_none());
    let form = super::super::form::Form::<Result<Option<i64>, std::io::Error>>::optional();
    assert_eq!(form.absent.unwrap()().unwrap(), None);
}
