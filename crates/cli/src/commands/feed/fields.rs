//! A JSON object written member by member, straight to the output: the text of an entry is never copied into a tree first.

use std::io::{self, Write};

use serde::Serialize;

/// An open object.
pub(super) struct Fields<'o, W: Write> {
    out: &'o mut W,
    has_member: bool,
}

impl<'o, W: Write> Fields<'o, W> {
    pub(super) fn open(out: &'o mut W) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Self { out, has_member: false })
    }

    pub(super) fn close(self) -> io::Result<()> {
        self.out.write_all(b"}")
    }

    fn key(&mut self, key: &str) -> io::Result<()> {
        let comma = if std::mem::replace(&mut self.has_member, true) { "," } else { "" };
        write!(self.out, "{comma}\"{key}\":")
    }

    /// A text, if there is one. `key` needs no escaping.
    pub(super) fn text(&mut self, key: &str, value: Option<&str>) -> io::Result<()> {
        self.value(key, &value, value.is_none())
    }

    /// Any value, unless it is missing.
    pub(super) fn value<T: Serialize>(&mut self, key: &str, value: &T, is_missing: bool) -> io::Result<()> {
        if is_missing {
            return Ok(());
        }
        self.key(key)?;
        serde_json::to_writer(&mut *self.out, value).map_err(io::Error::from)
    }

    /// A list of objects, unless it is empty.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        list: &[T],
        write: impl Fn(&T, &mut Fields<'_, W>) -> io::Result<()>,
    ) -> io::Result<()> {
        if list.is_empty() {
            return Ok(());
        }
        self.key(key)?;
        for (index, one) in list.iter().enumerate() {
            self.out.write_all(if index == 0 { b"[" } else { b"," })?;
            let mut fields = Fields::open(&mut *self.out)?;
            write(one, &mut fields)?;
            fields.close()?;
        }
        self.out.write_all(b"]")
    }

    /// The first of a list as an object, if there is one.
    pub(super) fn first<T>(
        &mut self,
        key: &str,
        list: &[T],
        write: impl Fn(&T, &mut Fields<'_, W>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(one) = list.first() else { return Ok(()) };
        self.key(key)?;
        let mut fields = Fields::open(&mut *self.out)?;
        write(one, &mut fields)?;
        fields.close()
    }
}
