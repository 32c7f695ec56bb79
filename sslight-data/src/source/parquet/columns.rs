//! Which columns hold images, their names and their labels.

use std::path::Path;

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::refuse;
use crate::DataError;

/// Names of the column of images, the first that is there.
const IMAGE_COLUMNS: [&str; 7] = ["image", "img", "jpg", "png", "picture", "photo", "bytes"];
/// Names of the column of labels, the first that is there.
const LABEL_COLUMNS: [&str; 7] = [
    "label",
    "labels",
    "fine_label",
    "cls",
    "class",
    "target",
    "class_id",
];

/// Columns of a file by their places.
pub(super) struct Columns {
    pub(super) image: usize,
    pub(super) path: Option<usize>,
    pub(super) label: Option<usize>,
    pub(super) label_name: Option<String>,
}

impl Columns {
    pub(super) fn find(
        schema: &SchemaDescriptor,
        file: &Path,
        with_labels: bool,
    ) -> Result<Self, DataError> {
        let columns = schema.columns();
        let name = |column: &ColumnDescriptor| column.path().parts().join(".");
        let place = |wanted: &str| columns.iter().position(|column| name(column) == wanted);
        let is_bytes = |place: &usize| {
            let column = &columns[*place];
            column.physical_type() == Physical::BYTE_ARRAY && column.max_rep_level() == 0
        };
        // A struct of bytes and path, or bytes without a struct.
        let inside = |known: &&str| place(&format!("{known}.bytes")).filter(is_bytes);
        let plain = |known: &&str| {
            let place = place(known).filter(is_bytes)?;
            (!is_text(&columns[place])).then_some(place)
        };
        let image = IMAGE_COLUMNS
            .iter()
            .find_map(inside)
            .or_else(|| IMAGE_COLUMNS.iter().find_map(plain));
        let Some(image) = image else {
            let names: Vec<String> = columns.iter().map(|column| name(column)).collect();
            return Err(refuse(
                file,
                format!(
                    "no column of encoded images: looked for {} (bytes, or a struct with bytes), found {}",
                    IMAGE_COLUMNS.join(", "),
                    names.join(", ")
                ),
                "rename the column of images",
            ));
        };
        let parts = columns[image].path().parts();
        let beside = format!("{}.path", parts[0]);
        let path = place(&beside).filter(|place| parts.len() > 1 && is_bytes(place));
        let label = LABEL_COLUMNS.iter().find_map(|known| place(known));
        let label = label.filter(|_| with_labels);
        if let Some(label) = label {
            let column = &columns[label];
            let fits = matches!(
                column.physical_type(),
                Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY
            );
            if !fits || column.max_rep_level() > 0 {
                return Err(refuse(
                    file,
                    format!(
                        "column {} holds {:?}{}, not one class a row",
                        name(column),
                        column.physical_type(),
                        if column.max_rep_level() > 0 {
                            " lists"
                        } else {
                            ""
                        }
                    ),
                    "write class numbers or names there, or give use_labels=false",
                ));
            }
        }
        Ok(Self {
            image,
            path,
            label,
            label_name: label.map(|label| name(&columns[label])),
        })
    }
}

fn is_text(column: &ColumnDescriptor) -> bool {
    column.logical_type_ref() == Some(&LogicalType::String)
        || column.converted_type() == ConvertedType::UTF8
}
