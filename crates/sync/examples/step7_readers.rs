//! Step 7 of the chapter: many readers. A mutex keeps readers apart that would not disturb each
//! other; a reader-writer lock lets them in together, and has a trap of its own.

mod explored;

use explored::{explorer, timeline, verdict};

interleave::scenarios! {
    exercise = sync_explored;

    use exercise::{Barrier, Mutex, RwLock};

    // ANCHOR: readers
    /// Two readers, and each stays until the other one has come.
    pub fn readers_meet<S: Send + Sync + 'static>(shared: S, read: fn(&S, &Barrier)) {
        let shared = Arc::new((shared, Barrier::new(2)));
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || read(&theirs.0, &theirs.1));
        read(&shared.0, &shared.1);
        _ = other.join();
    }

    pub fn under_a_mutex() {
        readers_meet(Mutex::new(7), |lock, meet| {
            let _value = lock.lock();
            meet.wait();
        });
    }

    pub fn under_a_reader_writer_lock() {
        readers_meet(RwLock::new(7), |lock, meet| {
            let _value = lock.read();
            meet.wait();
        });
    }
    // ANCHOR_END: readers

    // ANCHOR: twice
    /// Reads while it reads already. Wrong, if a writer comes in between.
    pub fn reads_twice(lock: &RwLock<u32>) {
        let outer = lock.read();
        let inner = lock.read();
        assert_eq!(*outer, *inner);
    }
    // ANCHOR_END: twice

    pub fn reads_once(lock: &RwLock<u32>) {
        let value = lock.read();
        assert!(*value <= 1);
    }

    pub fn beside_a_writer(read: fn(&RwLock<u32>)) {
        let lock = Arc::new(RwLock::new(0));
        let theirs = Arc::clone(&lock);
        let writer = thread::spawn(move || *theirs.write() += 1);
        read(&lock);
        _ = writer.join();
    }
}

fn main() {
    let found = explorer().of(scenarios::under_a_mutex);
    verdict("two readers that meet, under a mutex", &found);
    let found = explorer().of(scenarios::under_a_reader_writer_lock);
    verdict("two readers that meet, under a reader-writer lock", &found);
    let found = explorer().of(|| scenarios::beside_a_writer(scenarios::reads_twice));
    verdict("a reader that reads twice, beside a writer", &found);
    timeline(&found);
    let found = explorer().of(|| scenarios::beside_a_writer(scenarios::reads_once));
    verdict("a reader that reads once, beside a writer", &found);
}
