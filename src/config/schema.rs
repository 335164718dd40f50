//! The JSON Schema of a pipeline file, for editors.
//!
//! It is made of the sections themselves (`written.rs`), so it cannot name a key that is not read. It says less than
//! `weir check`: bounds that a second key sets, and files, are not in it.

#[cfg(test)]
mod tests;

use super::written::Pipeline;

/// The schema. `pipelines/schemas/pipeline.schema.json` is the same, for those who have no weir at hand.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Pipeline);
    schema.insert("title".to_owned(), "weir pipeline".into());
    schema.to_value()
}
