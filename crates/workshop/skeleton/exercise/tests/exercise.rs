//! FILL IN: what is judged here, and how each mistake is caught every time.

proctor::exercise!(new_exercise);

use new_exercise::Counter;

use proctor::Subject;

// FILL IN: a test for each clause of the contract. Its name is a sentence. The closure captures
// nothing, and question and answer are plain data. The body makes inputs and expected values.
#[proctor::test(clauses = [1, 2, 3], subject = |(start, amounts): (u64, Vec<u64>)| {
    let counter = Counter::new(start);
    for amount in amounts {
        counter.add(amount);
    }
    counter.sum()
})]
fn it_gives_the_sum_of_all_that_was_added(mut subject: Subject) {
    let [start, one, two] = std::array::from_fn(|_| u64::from(proctor::random::<u32>()));
    let sum = subject.ask(&(start, vec![one, two])).value;
    assert_eq!(
        sum,
        start + one + two,
        "the sum of {start}, {one} and {two} is (right), and sum() returned (left)"
    );
}
