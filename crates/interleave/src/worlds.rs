//! One scenario, compiled in every world.

/// Expands scenarios in `mod shuttled` and `mod loomed` (or just one of them), where `exercise`
/// names the world crate, `std` names the world's std, and `Arc`, `thread` and `Tracked` are
/// imported.
///
/// A public function without arguments and result is a scenario: its name is part of the schedules
/// that it fails on, and its documentation is what `cargo course schedule` says of it.
///
/// ```ignore
/// interleave::in_worlds! {
///     shuttled = spin_lock_shuttled, loomed = spin_lock_loomed;
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
/// // then: interleave::schedules(shuttled::two_threads_add)
/// ```
///
/// In the loomed world there may be at most five threads, including the scenario's own thread.
#[macro_export]
macro_rules! in_worlds {
    ($($world:ident = $exercise:path),+ ; $($items:tt)*) => {
        $crate::__in_each_world! { [$($world = $exercise),+] { $($items)* } }
    };
}

/// Makes a test of each scenario in `mod shuttled` and `mod loomed` (see [`in_worlds!`]): in both
/// worlds it must hold, and something must have been explored. `SHOW=1` prints what was covered.
///
/// ```ignore
/// interleave::hold_in_both_worlds! {
///     Explore::new().schedules(2_000).executions(1_000);
///     two_threads_add
///     three_threads_add
/// }
/// ```
#[macro_export]
macro_rules! hold_in_both_worlds {
    ($explore:expr; $($name:ident)+) => {$(
        #[test]
        fn $name() {
            for found in [
                $explore.schedules_of(shuttled::$name),
                $explore.orderings_of(loomed::$name),
            ] {
                found.must_pass();
                assert!(found.scheduling_points > 1, "nothing was explored");
                if std::env::var_os("SHOW").is_some() {
                    eprintln!("{}: {}, {} ms", stringify!($name), found.coverage(), found.millis);
                }
            }
        }
    )+};
}

/// Makes one world after another, with the same items.
#[doc(hidden)]
#[macro_export]
macro_rules! __in_each_world {
    ([] $items:tt) => {};
    ([$world:ident = $exercise:path $(, $($more:tt)*)?] { $($items:tt)* }) => {
        #[allow(unused_imports, dead_code, missing_docs, unreachable_pub)]
        mod $world {
            use $crate::$world as std;
            use $crate::$world::scenario::*;
            use $exercise as exercise;
            $crate::__with_names! { $($items)* }
        }
        $crate::__in_each_world! { [$($($more)*)?] { $($items)* } }
    };
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
