//! Every example prints what it promises.

use example_output::of;

#[test]
fn the_pool_gives_the_squares_in_order() {
    assert_eq!(
        of("pool_of_squares", &[]),
        "Squares (a pool of 5 threads): [1, 4, 9, 16, 25]\n"
    );
}

#[test]
fn threads_that_append_do_so_in_the_order_of_their_ends() {
    let expected = "\
        Squares, as the threads ended:  [25, 16, 9, 4, 1]\n\
        Squares, in the items' order:   [1, 4, 9, 16, 25]\n";
    assert_eq!(of("thread_squares", &[]), expected);
}

#[test]
fn the_task_works_in_the_background() {
    let expected = "\
        Doing other work while the task is being performed...\n\
        the task is at 1 of 5\n\
        the task is at 2 of 5\n\
        the task is at 3 of 5\n\
        the task is at 4 of 5\n\
        the task is at 5 of 5\n\
        Task completed: 5 parts\n\
        Another one, cancelled after its first part: stopped at 1 of 1000000\n";
    assert_eq!(of("background_task", &[]), expected);
}

#[test]
fn a_crash_of_a_thread_is_the_process_s() {
    let expected = "\
        a thread panics:          the process lives on, and says: joined a panic: no milk\n\
        a thread aborts:          the whole process died of signal 6\n\
        a thread overflows:       the whole process died of signal 6\n\
        a thread calls exit(0):   the process ended with code 0, and says: nothing\n";
    assert_eq!(of("crash_not_contained", &[]), expected);
}

#[test]
fn thread_local_state_stays_with_the_thread() {
    let expected = "\
        3 threads counted for themselves: [1, 2, 3], together 6\n\
        in a pool, job 1 finds \"\" and leaves \"Alice's password\"\n\
        in a pool, job 2 finds \"Alice's password\" and leaves \"\"\n\
        in a pool, job 3 finds \"\" and leaves \"\"\n";
    assert_eq!(of("thread_local_state", &[]), expected);
}
