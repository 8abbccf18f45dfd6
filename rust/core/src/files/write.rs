//! JSON that a person can read and a diff can follow: one line per key, or per row of a list.

use serde::Serialize;

/// A JSON object, written key by key.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// Adds a value on one line. Values that JSON cannot hold become null.
    pub(super) fn value<T: Serialize + ?Sized>(mut self, key: &str, value: &T) -> Self {
        self.key(key);
        self.0.push_str(&json(value));
        self
    }

    /// Adds a list of rows, each on its own line.
    pub(super) fn rows<T: Serialize>(mut self, key: &str, rows: impl Iterator<Item = T>) -> Self {
        self.key(key);
        let rows: Vec<String> = rows.map(|row| format!("    {}", json(&row))).collect();
        self.0.push_str(&if rows.is_empty() { "[]".to_owned() } else { format!("[\n{}\n  ]", rows.join(",\n")) });
        self
    }

    /// Adds an object of columns, each on its own line.
    pub(super) fn columns<const N: usize>(mut self, key: &str, columns: [(&str, String); N]) -> Self {
        self.key(key);
        let columns: Vec<String> = columns.iter().map(|(name, column)| format!("    \"{name}\": {column}")).collect();
        self.0.push_str(&format!("{{\n{}\n  }}", columns.join(",\n")));
        self
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push_str("\n}\n");
        self.0
    }

    fn key(&mut self, key: &str) {
        self.0.push_str(if self.0.len() == 1 { "\n" } else { ",\n" });
        self.0.push_str(&format!("  \"{key}\": "));
    }
}

/// A value as JSON on one line.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    // Numbers, names and lists of them always have a JSON form.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
