//! Step 5 of the chapter: two bathrooms. A mutex admits too few, a counter too many, a semaphore
//! exactly two.

mod explored;

use explored::{explorer, timeline, verdict};

interleave::scenarios! {
    exercise = sync_explored;

    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use exercise::{Barrier, Mutex, Semaphore};

    // ANCHOR: together
    /// Two roommates, two bathrooms. Nobody leaves before the other one is inside, too.
    pub fn both_are_inside<S: Send + Sync + 'static>(shared: S, inside: fn(&S, &Barrier)) {
        let shared = Arc::new((shared, Barrier::new(2)));
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || inside(&theirs.0, &theirs.1));
        inside(&shared.0, &shared.1);
        _ = other.join();
    }

    pub fn under_a_mutex() {
        both_are_inside(Mutex::new(()), |mutex, both_taken| {
            let _only_me = mutex.lock();
            both_taken.wait();
        });
    }

    pub fn under_a_semaphore() {
        both_are_inside(Semaphore::new(2), |bathrooms, both_taken| {
            let _permit = bathrooms.acquire();
            both_taken.wait();
        });
    }
    // ANCHOR_END: together

    // ANCHOR: counter
    /// Waits until the counter of free bathrooms is not 0, and then takes one. Wrong.
    pub fn enter_by_counter(free: &AtomicU32) {
        while free.load(SeqCst) == 0 {
            std::hint::spin_loop();
        }
        free.fetch_sub(1, SeqCst);
    }
    // ANCHOR_END: counter

    /// Two roommates and only one bathroom, which the payload stands for.
    pub fn one_bathroom_by_counter() {
        let shared = Arc::new((AtomicU32::new(1), Tracked::new(0)));
        let visit = |(free, bathroom): &(AtomicU32, Tracked<u32>)| {
            enter_by_counter(free);
            bathroom.update(|n| n + 1);
            free.fetch_add(1, SeqCst);
        };
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || visit(&theirs));
        visit(&shared);
        _ = other.join();
    }

    pub fn one_bathroom_by_semaphore() {
        let shared = Arc::new((Semaphore::new(1), Tracked::new(0)));
        let visit = |(free, bathroom): &(Semaphore, Tracked<u32>)| {
            let _permit = free.acquire();
            bathroom.update(|n| n + 1);
        };
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || visit(&theirs));
        visit(&shared);
        _ = other.join();
    }
}

fn main() {
    let found = explorer().of(scenarios::under_a_mutex);
    verdict("two bathrooms under one mutex", &found);
    let found = explorer().of(scenarios::one_bathroom_by_counter);
    verdict("one bathroom and a counter that is checked first", &found);
    timeline(&found);
    let found = explorer().of(scenarios::one_bathroom_by_semaphore);
    verdict("one bathroom and a semaphore with 1 permit", &found);
    let found = explorer().of(scenarios::under_a_semaphore);
    verdict("two bathrooms and a semaphore with 2 permits", &found);
}
