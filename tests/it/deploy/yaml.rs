//! YAML of `deploy/`, as values.

use serde_json::Value;

use super::monitoring::read;

/// The one document of a file.
pub(super) fn document(path: &str) -> Value {
    let mut all = documents(path);
    assert_eq!(all.len(), 1, "{path} has one document");
    all.remove(0)
}

/// All documents of a file.
pub(super) fn documents(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The texts of a list; none, if it is not there.
pub(super) fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(|text| text.as_str().unwrap()).collect()
}

/// The pairs of a table; none, if it is not there.
pub(super) fn pairs(table: &Value) -> Vec<(&str, &Value)> {
    let table = table.as_object().into_iter().flatten();
    table.map(|(key, value)| (key.as_str(), value)).collect()
}
