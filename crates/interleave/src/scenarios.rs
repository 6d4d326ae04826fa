//! Scenarios: what two or three threads do with the code under test.

/// Expands scenarios in `mod scenarios`, where `exercise` names the explored crate, `std` names the
/// modelled std, and `Arc`, `thread` and `Tracked` are imported.
///
/// A public function without arguments and result is a scenario: its name is part of the schedules
/// that it fails on, and its documentation is what `cargo course schedule` says of it.
///
/// ```ignore
/// interleave::scenarios! {
///     exercise = spin_lock_explored;
///
///     pub fn two_threads_add() {
///         let lock = Arc::new(exercise::SpinLock::new(Tracked::new(0u32)));
///         let theirs = Arc::clone(&lock);
///         let thread = thread::spawn(move || theirs.lock().update(|n| n + 1));
///         lock.lock().update(|n| n + 1);
///         thread.join().unwrap();
///         assert_eq!(lock.lock().get(), 2);
///     }
/// }
/// // then: interleave::explore(scenarios::two_threads_add)
/// ```
#[macro_export]
macro_rules! scenarios {
    (exercise = $exercise:path; $($items:tt)*) => {
        #[allow(unused_imports, dead_code, missing_docs, unreachable_pub)]
        mod scenarios {
            use $crate::std;
            use $crate::std::scenario::*;
            use $exercise as exercise;
            $crate::__with_names! { $($items)* }
        }
    };
}

/// Makes a test of each scenario in `mod scenarios` (see [`scenarios!`]): it must hold, and something
/// must have been explored. `SHOW=1` prints what was covered.
///
/// ```ignore
/// interleave::hold! {
///     Explore::new().executions(2_000);
///     two_threads_add
///     three_threads_add
/// }
/// ```
#[macro_export]
macro_rules! hold {
    ($explore:expr; $($name:ident)+) => {$(
        #[test]
        fn $name() {
            let found = $explore.of(scenarios::$name);
            found.must_pass();
            assert!(found.scheduling_points > 1, "nothing was explored");
            if std::env::var_os("SHOW").is_some() {
                eprintln!("{}: {}, {} ms", stringify!($name), found.coverage(), found.millis);
            }
        }
    )+};
}

/// The same items, but each scenario first says its name.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_names {
    () => {};
    ($(#[$attribute:meta])* pub fn $name:ident() $body:block $($rest:tt)*) => {
        $(#[$attribute])*
        pub fn $name() {
            $crate::named(stringify!($name));
            $body
        }
        $crate::__with_names! { $($rest)* }
    };
    ($item:item $($rest:tt)*) => {
        $item
        $crate::__with_names! { $($rest)* }
    };
}
