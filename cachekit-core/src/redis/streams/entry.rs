//! Entries of a stream, taken out of replies.

use redis::Value;

use super::super::reply::StoreError;

/// The names and values of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<(String, Vec<u8>)>);

impl Fields {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.0.push((name.to_owned(), value.into()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(other, _)| other != name);
    }

    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `<milliseconds>-<number>`, growing.
    pub(crate) id: String,
    /// `None`: it was trimmed while it was pending.
    pub(crate) fields: Option<Fields>,
}

impl Entry {
    /// Its place among all entries of the stream, as one number: 2²⁰ times the server's milliseconds, and the number
    /// within that millisecond.
    pub(crate) fn place(&self) -> i64 {
        let number = self.id.split('-').nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
        let ms = i64::try_from(added_ms(&self.id).unwrap_or(0)).unwrap_or(i64::MAX);
        ms.saturating_mul(1 << 20).saturating_add(number)
    }
}

/// The server's milliseconds in an entry's id.
pub(super) fn added_ms(id: &str) -> Option<u64> {
    id.split('-').next()?.parse().ok()
}

/// A list of entries.
pub(super) fn entries(value: Value) -> Result<Vec<Entry>, StoreError> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Array(items) => {
            items.into_iter().filter_map(|item| entry(item).transpose()).collect()
        }
        _ => Err(StoreError::Io),
    }
}

/// The entries of a read from one stream.
pub(super) fn of_one_stream(value: Value) -> Result<Vec<Entry>, StoreError> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Map(mut streams) => match streams.pop() {
            Some((_, list)) => entries(list),
            None => Ok(Vec::new()),
        },
        _ => Err(StoreError::Io),
    }
}

fn entry(value: Value) -> Result<Option<Entry>, StoreError> {
    let parts = match value {
        Value::Array(parts) => parts,
        // What XCLAIM says of an entry that is gone.
        Value::Nil => return Ok(None),
        _ => return Err(StoreError::Io),
    };
    let [id, list] = <[Value; 2]>::try_from(parts).map_err(|_| StoreError::Io)?;
    let fields = match list {
        Value::Nil => None,
        Value::Array(list) => Some(fields(list)?),
        _ => return Err(StoreError::Io),
    };
    Ok(Some(Entry { id: text(id)?, fields }))
}

fn fields(list: Vec<Value>) -> Result<Fields, StoreError> {
    let mut list = list.into_iter();
    let mut fields = Vec::with_capacity(list.len() / 2);
    while let (Some(name), Some(value)) = (list.next(), list.next()) {
        fields.push((text(name)?, bytes(value)?));
    }
    Ok(Fields(fields))
}

fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        _ => Err(StoreError::Io),
    }
}

pub(super) fn text(value: Value) -> Result<String, StoreError> {
    Ok(String::from_utf8_lossy(&bytes(value)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_that_is_none_is_refused_and_not_misread() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let list = Value::Array(vec![bulk("id"), bulk("7"), bulk("key"), bulk("a")]);
        let good = Value::Array(vec![Value::Array(vec![bulk("5-1"), list])]);
        let read = entries(good).unwrap().remove(0);
        assert_eq!((read.id.as_str(), read.place()), ("5-1", (5 << 20) + 1));
        assert_eq!(read.fields.unwrap().text("key"), Some("a"));
        let trimmed = Value::Array(vec![Value::Array(vec![bulk("5-1"), Value::Nil])]);
        assert_eq!(entries(trimmed).unwrap()[0].fields, None);
        for odd in
            [Value::Int(1), Value::Array(vec![Value::Int(1)]), Value::Array(vec![list_of(3)])]
        {
            assert_eq!(entries(odd), Err(StoreError::Io));
        }
    }

    proptest::proptest! {
        /// A foreign producer may have added anything: it is taken apart, or refused.
        #[test]
        fn a_stream_may_hold_anything(value in crate::redis::tests::rubbish::any_value()) {
            for entry in of_one_stream(value.clone()).into_iter().chain(entries(value)).flatten() {
                let _ = (entry.place(), entry.fields.map(|fields| fields.text("id").map(str::to_owned)));
            }
        }
    }

    fn list_of(count: i64) -> Value {
        Value::Array((0..count).map(Value::Int).collect())
    }
}
