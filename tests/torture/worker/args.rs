//! What the parent says on the command line: `name=value`.

use std::{collections::BTreeMap, env, fmt::Display, str::FromStr};

/// The arguments by name.
pub(crate) struct Args(BTreeMap<String, String>);

impl Args {
    pub(crate) fn from_command_line() -> Result<Args, String> {
        let pair = |arg: String| match arg.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!("expected `name=value`, found `{arg}`")),
        };
        env::args().skip(1).map(pair).collect::<Result<_, _>>().map(Args)
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, String> {
        self.0.get(name).map(String::as_str).ok_or_else(|| format!("`{name}=…` is missing"))
    }

    pub(crate) fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, String> {
        let text = self.text(name)?;
        text.parse().map_err(|error| format!("`{name}={text}`: {error}"))
    }
}
