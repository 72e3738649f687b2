//! Numbers in a column of the user's own.

use crate::{
    error::{Error, ErrorKind},
    sql::Updated,
};

/// An error unless a statement that was to change a row `WHERE … fence <= $token` did change one.
///
/// Give it what `execute` returned, or a number of rows. No row is also what there is if the row that was meant does not
/// exist: where that can be, look first, in the same transaction.
///
/// # Errors
///
/// [`ErrorKind::Fenced`] for 0 rows.
///
/// ```
/// use cachekit_core::{ErrorKind, fencing::expect_unfenced};
///
/// # fn main() -> Result<(), cachekit_core::Error> {
/// expect_unfenced(&1)?;
/// assert_eq!(expect_unfenced(&0).unwrap_err().kind(), ErrorKind::Fenced);
/// # Ok(())
/// # }
/// ```
pub fn expect_unfenced(result: &impl Updated) -> Result<(), Error> {
    if result.rows() > 0 {
        return Ok(());
    }
    let message = "no row had this fencing number or a lower one: a later holder of the lock was there before; \
        roll back and acquire the lock again";
    Err(Error::new(ErrorKind::Fenced, "write under a fence", message))
}
