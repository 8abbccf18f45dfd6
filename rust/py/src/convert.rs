//! Python columns to Rust columns and back; every error names the entry.

use numpy::{PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyDict, PyList, PyString};
use servemix_core::{NO_PAIR, NO_POOL};

use crate::error::invalid;

/// A mapping from the names of columns to columns, such as the routes of a problem.
pub(crate) struct Section<'py> {
    name: &'static str,
    columns: Bound<'py, PyAny>,
}

impl<'py> Section<'py> {
    /// Checks that `columns` is a mapping with the `required` keys, perhaps the `optional` ones and no other.
    pub(crate) fn new(
        name: &'static str,
        columns: &Bound<'py, PyAny>,
        required: &[&str],
        optional: &[&str],
    ) -> PyResult<Self> {
        let py = columns.py();
        let not_a_mapping = |_| invalid(py, name, &format!("must map names to columns, got {}", kind(columns)));
        let keys = columns.call_method0("keys").and_then(|keys| keys.try_iter()).map_err(not_a_mapping)?;
        let mut found = Vec::new();
        for key in keys {
            let key = key?;
            let Ok(text) = key.extract::<String>() else {
                return Err(invalid(py, name, &format!("unknown key {}", repr(&key))));
            };
            if !required.contains(&text.as_str()) && !optional.contains(&text.as_str()) {
                return Err(invalid(py, name, &format!("unknown key {text:?}")));
            }
            found.push(text);
        }
        if let Some(missing) = required.iter().find(|key| !found.iter().any(|text| text == *key)) {
            return Err(invalid(py, name, &format!("missing key {missing:?}")));
        }
        Ok(Self { name, columns: columns.clone() })
    }

    fn column(&self, key: &str) -> PyResult<(Bound<'py, PyAny>, String)> {
        Ok((self.columns.get_item(key)?, format!("{}.{key}", self.name)))
    }

    /// A column of numbers.
    pub(crate) fn floats(&self, key: &str) -> PyResult<Vec<f64>> {
        let (values, entry) = self.column(key)?;
        floats(&values, &entry)
    }

    /// A column of limits, where `None` and infinity mean that there is none.
    pub(crate) fn limits(&self, key: &str) -> PyResult<Vec<f64>> {
        let (values, entry) = self.column(key)?;
        each(&values, &entry, "numbers", |value, entry| {
            if value.is_none() {
                return Ok(f64::INFINITY);
            }
            number_at(value, entry)
        })
    }

    /// A column of indices or counts.
    pub(crate) fn integers(&self, key: &str) -> PyResult<Vec<u32>> {
        let (values, entry) = self.column(key)?;
        integers(&values, &entry)
    }

    /// A column of pools or pairs, where `None` and -1 mean that there is none.
    pub(crate) fn optional_indices(&self, key: &str) -> PyResult<Vec<u32>> {
        const { assert!(NO_POOL == NO_PAIR) };
        let (values, entry) = self.column(key)?;
        each(&values, &entry, "integers", |value, entry| {
            if value.is_none() {
                return Ok(NO_POOL);
            }
            match integer(value, entry)? {
                -1 => Ok(NO_POOL),
                index => narrow(value.py(), index, entry),
            }
        })
    }

    /// Whether there is an optional column.
    pub(crate) fn has(&self, key: &str) -> PyResult<bool> {
        Ok(self.columns.contains(key)? && !self.columns.get_item(key)?.is_none())
    }

    /// A column of shares that are 0 if there is none, which `None` says too; all 0 if there is no column.
    pub(crate) fn optional_shares(&self, key: &str, length: usize) -> PyResult<Vec<f64>> {
        if !self.has(key)? {
            return Ok(vec![0.0; length]);
        }
        let (values, entry) = self.column(key)?;
        if values.is_instance_of::<PyUntypedArray>() && numeric_array(&values, &entry)?.is_some() {
            return floats(&values, &entry);
        }
        each(&values, &entry, "numbers", |value, entry| if value.is_none() { Ok(0.0) } else { number_at(value, entry) })
    }

    /// A column of counts that are `none` where they are not known, which `None` says too; all so where there is no column.
    pub(crate) fn optional_counts(&self, key: &str, length: usize, none: u32) -> PyResult<Vec<u32>> {
        if !self.has(key)? {
            return Ok(vec![none; length]);
        }
        let (values, entry) = self.column(key)?;
        if values.is_instance_of::<PyUntypedArray>() && numeric_array(&values, &entry)?.is_some() {
            return integers(&values, &entry);
        }
        each(&values, &entry, "integers", |value, entry| {
            if value.is_none() {
                return Ok(none);
            }
            narrow(value.py(), integer(value, entry)?, entry)
        })
    }

    /// A column of names.
    pub(crate) fn names(&self, key: &str) -> PyResult<Vec<String>> {
        let (values, entry) = self.column(key)?;
        each(&values, &entry, "names", |value, entry| {
            value
                .extract::<String>()
                .map_err(|_| invalid(value.py(), &entry(), &format!("must be a name, got {}", repr(value))))
        })
    }
}

/// A column of numbers: a one-dimensional array, or a sequence of numbers.
pub(crate) fn floats(values: &Bound<'_, PyAny>, entry: &str) -> PyResult<Vec<f64>> {
    match numeric_array(values, entry)? {
        Some((array, _)) => copy::<f64>(&array, "float64"),
        None => each(values, entry, "numbers", number_at),
    }
}

/// A column of integers: a one-dimensional array of integers, or a sequence of them.
pub(crate) fn integers(values: &Bound<'_, PyAny>, entry: &str) -> PyResult<Vec<u32>> {
    let py = values.py();
    match numeric_array(values, entry)? {
        // Empty arrays of numbers come out as floats unless told otherwise.
        Some((array, _)) if array.len() == 0 => Ok(Vec::new()),
        Some((_, 'f')) => Err(invalid(py, entry, "must hold integers, got floating-point numbers")),
        Some((array, 'u')) => narrow_all::<u64>(&array, "uint64", entry),
        Some((array, _)) => narrow_all::<i64>(&array, "int64", entry),
        None => each(values, entry, "integers", |value, entry| narrow(py, integer(value, entry)?, entry)),
    }
}

/// `values` as an array and its kind of number, where it is an array of numbers.
fn numeric_array<'py>(values: &Bound<'py, PyAny>, entry: &str) -> PyResult<Option<(Bound<'py, PyUntypedArray>, char)>> {
    let py = values.py();
    let array = if let Ok(array) = values.cast::<PyUntypedArray>() {
        array.clone()
    } else if values.hasattr("__array__")? {
        py.import("numpy")?.call_method1("asarray", (values,))?.cast_into::<PyUntypedArray>()?
    } else {
        return Ok(None);
    };
    if array.ndim() != 1 {
        return Err(invalid(py, entry, &format!("must have one dimension, got {}", array.ndim())));
    }
    match char::from(array.dtype().kind()) {
        kind @ ('i' | 'u' | 'f') => Ok(Some((array, kind))),
        // An array of objects is a sequence like any other.
        'O' => Ok(None),
        _ if array.len() == 0 => Ok(None),
        _ => Err(invalid(py, entry, &format!("must hold numbers, got an array of {}", array.dtype()))),
    }
}

fn copy<T: numpy::Element + Copy>(array: &Bound<'_, PyUntypedArray>, dtype: &str) -> PyResult<Vec<T>> {
    let cast = cast::<T>(array, dtype)?;
    let view = cast.try_readonly()?;
    let view = view.as_array();
    Ok(view.iter().copied().collect())
}

/// The array itself where it is of the type, or a copy that is.
fn cast<'py, T: numpy::Element>(array: &Bound<'py, PyUntypedArray>, dtype: &str) -> PyResult<Bound<'py, PyArray1<T>>> {
    match array.cast::<PyArray1<T>>() {
        Ok(same) => Ok(same.clone()),
        Err(_) => Ok(array.call_method1("astype", (dtype,))?.cast_into::<PyArray1<T>>()?),
    }
}

/// An array of integers in one pass.
fn narrow_all<T>(array: &Bound<'_, PyUntypedArray>, dtype: &str, entry: &str) -> PyResult<Vec<u32>>
where
    T: numpy::Element + TryInto<u32> + std::fmt::Display + Copy,
{
    let cast = cast::<T>(array, dtype)?;
    let view = cast.try_readonly()?;
    let view = view.as_array();
    let mut column = Vec::with_capacity(view.len());
    for (index, &value) in view.iter().enumerate() {
        column.push(narrow(array.py(), value, || format!("{entry}[{index}]"))?);
    }
    Ok(column)
}

/// Every element of a sequence through `convert`, which is told the element's entry.
pub(crate) fn each<'py, T>(
    values: &Bound<'py, PyAny>,
    entry: &str,
    what: &str,
    mut convert: impl FnMut(&Bound<'py, PyAny>, &dyn Fn() -> String) -> PyResult<T>,
) -> PyResult<Vec<T>> {
    let py = values.py();
    let refuse = || invalid(py, entry, &format!("must be a sequence of {what}, got {}", kind(values)));
    if values.is_instance_of::<PyString>() || values.is_instance_of::<PyDict>() {
        return Err(refuse());
    }
    let iterator = values.try_iter().map_err(|_| refuse())?;
    iterator.enumerate().map(|(index, value)| convert(&value?, &|| format!("{entry}[{index}]"))).collect()
}

/// One number.
pub(crate) fn number(value: &Bound<'_, PyAny>, entry: &str) -> PyResult<f64> {
    number_at(value, &|| entry.to_owned())
}

fn number_at(value: &Bound<'_, PyAny>, entry: &dyn Fn() -> String) -> PyResult<f64> {
    let refuse = || invalid(value.py(), &entry(), &format!("must be a number, got {}", repr(value)));
    if value.is_instance_of::<PyBool>() || value.is_instance_of::<PyComplex>() {
        return Err(refuse());
    }
    value.extract::<f64>().map_err(|_| refuse())
}

/// One limit: `None` means that there is none.
pub(crate) fn limit(value: Option<&Bound<'_, PyAny>>, entry: &str) -> PyResult<f64> {
    value.map_or(Ok(f64::INFINITY), |value| number(value, entry))
}

/// One integer in the range of an `i64`.
fn integer(value: &Bound<'_, PyAny>, entry: &dyn Fn() -> String) -> PyResult<i64> {
    let refuse = || invalid(value.py(), &entry(), &format!("must be an integer, got {}", repr(value)));
    if value.is_instance_of::<PyBool>() {
        return Err(refuse());
    }
    value.extract::<i64>().map_err(|_| refuse())
}

/// One non-negative integer.
pub(crate) fn unsigned(value: &Bound<'_, PyAny>, entry: &str) -> PyResult<u64> {
    let refuse =
        || invalid(value.py(), entry, &format!("must be an integer between 0 and {}, got {}", u64::MAX, repr(value)));
    if value.is_instance_of::<PyBool>() {
        return Err(refuse());
    }
    value.extract::<u64>().map_err(|_| refuse())
}

fn narrow<T: TryInto<u32> + std::fmt::Display + Copy>(
    py: Python<'_>,
    value: T,
    entry: impl FnOnce() -> String,
) -> PyResult<u32> {
    // The largest is kept for "none".
    match value.try_into() {
        Ok(value) if value < u32::MAX => Ok(value),
        _ => Err(invalid(py, &entry(), &format!("is {value}, out of range"))),
    }
}

/// A read-only array.
pub(crate) fn array<'py, T: numpy::Element + Copy>(py: Python<'py>, values: &[T]) -> Bound<'py, PyAny> {
    let array = PyArray1::from_slice(py, values);
    array.readwrite().make_nonwriteable();
    array.into_any()
}

/// A read-only array of indices.
pub(crate) fn index_array<'py>(py: Python<'py>, values: &[u32]) -> Bound<'py, PyAny> {
    array(py, &values.iter().map(|&value| i64::from(value)).collect::<Vec<_>>())
}

/// A read-only array of indices, -1 if there is none.
pub(crate) fn optional_index_array<'py>(py: Python<'py>, values: &[u32]) -> Bound<'py, PyAny> {
    let index = |&value: &u32| if value == NO_POOL { -1 } else { i64::from(value) };
    array(py, &values.iter().map(index).collect::<Vec<_>>())
}

/// A list of names.
pub(crate) fn name_list<'py>(py: Python<'py>, names: &[String]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, names)
}

fn kind(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string())
}

fn repr(value: &Bound<'_, PyAny>) -> String {
    let text = value.repr().map_or_else(|_| kind(value), |text| text.to_string());
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
