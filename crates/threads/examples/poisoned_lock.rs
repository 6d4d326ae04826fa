//! A production failure: one request panics while it holds a lock, and every later request fails,
//! although nothing is wrong with them.

use std::sync::{Mutex, PoisonError};
use std::thread;

use threads::message_of;

// ANCHOR: account
#[derive(Debug)]
struct Account {
    balance: i64,
    bookings: u32,
}

/// Changes the account in two steps. The second step may panic.
fn book(account: &mut Account, amount: i64) {
    account.balance += amount;
    assert!(amount != 0, "a booking of nothing");
    account.bookings += 1;
}

fn handle(account: &Mutex<Account>, amount: i64) {
    let mut account = account.lock().expect("the account is poisoned");
    book(&mut account, amount);
}
// ANCHOR_END: account

// ANCHOR: repaired
/// Checks first and changes then, and goes on after the panic of another thread: between the two
/// changes nothing can panic, so the account is never half changed.
fn handle_repaired(account: &Mutex<Account>, amount: i64) {
    assert!(amount != 0, "a booking of nothing");
    let mut account = account.lock().unwrap_or_else(PoisonError::into_inner);
    account.balance += amount;
    account.bookings += 1;
}
// ANCHOR_END: repaired

/// Handles one booking.
type Handler = fn(&Mutex<Account>, i64);

fn main() {
    let new = || {
        Mutex::new(Account {
            balance: 0,
            bookings: 0,
        })
    };
    let ways: [(&str, Handler); 2] = [
        ("the lock is held when the panic comes", handle),
        ("the check comes before the lock", handle_repaired),
    ];
    for (name, handle) in ways {
        let account = new();
        println!("{name}");
        for amount in [10, 0, 20, 30] {
            let ended = thread::scope(|scope| scope.spawn(|| handle(&account, amount)).join());
            let said = match &ended {
                Ok(()) => "booked",
                Err(payload) => message_of(&**payload),
            };
            println!("  booking {amount:>2}: {said}");
        }
        println!("  the lock is poisoned: {}", account.is_poisoned());
        println!(
            "  {:?}",
            account.into_inner().unwrap_or_else(PoisonError::into_inner)
        );
    }
}
