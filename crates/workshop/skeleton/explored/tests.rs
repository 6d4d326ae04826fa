
interleave::scenarios! {
    exercise = new_exercise_explored;

    /// FILL IN: what two or three threads do, as small as it can be.
    pub fn two_threads_add() {
        let counter = Arc::new(exercise::Counter::new(1));
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || theirs.add(2));
        counter.add(3);
        thread.join().unwrap();
        let sum = counter.sum();
        assert_eq!(sum, 6, "one thread added 2 and another 3 to 1: the sum (left) is not 6 (right)");
    }
}

#[proctor::test(clauses = [2], subject = |(): ()| interleave::explore(scenarios::two_threads_add))]
fn nothing_is_lost_whatever_happens(mut subject: Subject) {
    subject.ask(&()).value.must_hold();
}
