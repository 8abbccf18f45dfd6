//! The one way to work on several threads.

use std::sync::Mutex;

/// Runs `work` on every item, on up to `threads` threads. Which thread takes which item, and when, is left open: `work` must not
/// depend on it.
pub(crate) fn for_each<T: Send>(
    items: impl ExactSizeIterator<Item = T> + Send,
    threads: usize,
    work: impl Fn(T) + Sync,
) {
    if threads <= 1 || items.len() <= 1 {
        items.for_each(work);
        return;
    }
    let threads = threads.min(items.len());
    let items = Mutex::new(items);
    // A thread that panics lets go of the items; the panic reaches the caller at the end of the scope.
    let next = || items.lock().ok().and_then(|mut items| items.next());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = next() {
                    work(item);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_whatever_the_number_of_threads() {
        for threads in [1, 2, 3, 50] {
            let mut counts = vec![0_u32; 20];
            for_each(counts.iter_mut(), threads, |count| *count += 1);
            assert_eq!(counts, vec![1; 20]);
        }
    }
}
