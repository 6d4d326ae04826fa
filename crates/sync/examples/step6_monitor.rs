//! Step 6 of the chapter: a shelf with room for one item. With one condition for two reasons to
//! wait, a notification wakes the wrong thread. A monitor gives each reason its own condition.

mod explored;

use explored::{explorer, verdict};

interleave::scenarios! {
    exercise = sync_explored;

    use exercise::{Condvar, Monitor};

    // ANCHOR: one_condition
    /// One condition for both reasons to wait. Wrong: a notification may wake a thread that still
    /// cannot go on, and the thread that could go on sleeps.
    #[derive(Default)]
    pub struct OneCondition(Monitor<u32>);

    impl OneCondition {
        pub fn put(&self) {
            let mut items = self.0.enter();
            items.wait_while(|changed| changed, |items| *items == 1);
            *items += 1;
            items.notify_one(|changed| changed);
        }

        pub fn take(&self) {
            let mut items = self.0.enter();
            items.wait_while(|changed| changed, |items| *items == 0);
            *items -= 1;
            items.notify_one(|changed| changed);
        }
    }
    // ANCHOR_END: one_condition

    // ANCHOR: two_conditions
    /// What the threads wait for, by name.
    #[derive(Default)]
    pub struct Conditions {
        not_empty: Condvar,
        not_full: Condvar,
    }

    #[derive(Default)]
    pub struct TwoConditions(Monitor<u32, Conditions>);

    impl TwoConditions {
        pub fn put(&self) {
            let mut items = self.0.enter();
            items.wait_while(|c| &c.not_full, |items| *items == 1);
            *items += 1;
            items.notify_one(|c| &c.not_empty);
        }

        pub fn take(&self) {
            let mut items = self.0.enter();
            items.wait_while(|c| &c.not_empty, |items| *items == 0);
            *items -= 1;
            items.notify_one(|c| &c.not_full);
        }
    }
    // ANCHOR_END: two_conditions

    /// Two threads take one item each, and this thread puts two.
    pub fn two_take_and_one_puts<S>(put: fn(&S), take: fn(&S))
    where
        S: Default + Send + Sync + 'static,
    {
        let shelf = Arc::new(S::default());
        let takers = [(), ()].map(|()| {
            let shelf = Arc::clone(&shelf);
            thread::spawn(move || take(&shelf))
        });
        put(&shelf);
        put(&shelf);
        for taker in takers {
            _ = taker.join();
        }
    }
}

fn main() {
    use scenarios::{OneCondition, TwoConditions, two_take_and_one_puts};

    let found = explorer().of(|| two_take_and_one_puts(OneCondition::put, OneCondition::take));
    verdict("one condition for two reasons to wait", &found);
    if let Some(failure) = &found.failure {
        println!("  found with schedule {}", failure.schedule);
    }
    let found = explorer().of(|| two_take_and_one_puts(TwoConditions::put, TwoConditions::take));
    verdict("one condition for each reason to wait", &found);
}
