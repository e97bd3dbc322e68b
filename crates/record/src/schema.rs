//! The JSON Schema of a record, generated from the struct: the two cannot drift.

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::Record;

/// JSON Schema 2020-12 of one line of `barid.records`.
pub fn record_schema() -> serde_json::Value {
    schemars::schema_for!(Record).to_value()
}

pub(crate) fn section_kinds(_: &mut SchemaGenerator) -> Schema {
    let names = barid_core::SectionKind::ALL.map(barid_core::SectionKind::name);
    json_schema!({ "type": "string", "enum": names })
}
