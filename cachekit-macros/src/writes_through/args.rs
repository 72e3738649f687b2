//! The options of `#[writes_through]`.

use proc_macro2::{Span, TokenStream};

use crate::cached::args::{Args, Ttl};
use crate::errors::Errors;
use crate::options::{self, Names, Seen};

const NAMES: Names = Names { known: &["key", "ttl", "cache", "crate"], later: &["tx", "version"] };

/// Reads the options, which `#[cached]` has too; what is wrong is in `errors`.
pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Args {
    let (mut args, mut seen) = (Args::default(), Seen::default());
    let (mut key, mut ttl) = (false, false);
    options::each(tokens, errors, |input, _| {
        let name = seen.name(input, &NAMES)?;
        key |= name == "key";
        ttl |= name == "ttl";
        args.option(&name, input)?;
        refuse_closure(&args)
    });
    if errors.is_empty() && !(key && ttl) {
        let message = "`#[writes_through]` needs the key and the ttl of the read it affects: `#[writes_through(key = \"…\", ttl = \"…\")]`";
        errors.at(Span::call_site(), message);
    }
    args
}

fn refuse_closure(args: &Args) -> syn::Result<()> {
    let Some(Ttl::Closure(closure)) = &args.ttl else { return Ok(()) };
    let message =
        "a written value has no ttl of its own; give a text, or an expression over the arguments";
    Err(syn::Error::new_spanned(closure, message))
}
