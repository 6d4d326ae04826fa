//! Every example prints what it promises.

#[test]
fn generator() {
    let printed = example_output::of("generator", &[]);
    assert_eq!(
        printed,
        "made; nothing has run yet\n  \
         (the body has found 2)\nprime number 1 is 2\n  \
         (the body has found 3)\nprime number 2 is 3\n  \
         (the body has found 5)\nprime number 3 is 5\n  \
         (the body has found 7)\nprime number 4 is 7\n\
         dropped; the endless loop ends here\n"
    );
}

#[test]
fn taking_turns() {
    let printed = example_output::of("taking_turns", &[]);
    assert_eq!(
        printed,
        "Ada cooks, step 1 of 3\nBen cooks, step 1 of 1\nCyd cooks, step 1 of 2\n\
         Ada cooks, step 2 of 3\nBen is done\nCyd cooks, step 2 of 2\n\
         Ada cooks, step 3 of 3\nCyd is done\nAda is done\n\
         6 steps in 9 turns, one thread\n"
    );
}
