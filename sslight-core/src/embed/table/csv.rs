//! Features as comma-separated values.

use std::io;

use super::{EmbedError, Head, Rows, Writer};
use crate::fsio::{Draft, WithPath};

pub(super) struct Csv<'a> {
    head: Head<'a>,
    writer: ::csv::Writer<Draft>,
}

impl<'a> Csv<'a> {
    pub(super) fn create(head: Head<'a>) -> Result<Self, EmbedError> {
        let mut writer = ::csv::Writer::from_writer(Draft::create(head.out)?);
        let columns = (0..head.dim).map(|index| format!("f{index}"));
        let names = ["path", "label", "class"].map(str::to_owned);
        writer
            .write_record(names.into_iter().chain(columns))
            .map_err(io::Error::from)
            .on(head.out, "write")?;
        Ok(Self { head, writer })
    }
}

impl Writer for Csv<'_> {
    fn rows(&mut self, rows: &Rows<'_>) -> io::Result<()> {
        let images = rows.names.iter().zip(rows.labels);
        for ((name, label), features) in images.zip(rows.features.chunks(self.head.dim)) {
            self.writer.write_field(name)?;
            let number = label.map(|label| label.to_string()).unwrap_or_default();
            self.writer.write_field(number)?;
            self.writer
                .write_field(self.head.class(*label).unwrap_or_default())?;
            for value in features {
                // The shortest digits that are read back as the same number.
                self.writer.write_field(format!("{value:?}"))?;
            }
            self.writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    fn publish(self: Box<Self>) -> Result<(), EmbedError> {
        let draft = self
            .writer
            .into_inner()
            .map_err(|error| io::Error::other(error.to_string()))
            .on(self.head.out, "write")?;
        Ok(draft.publish()?)
    }
}
