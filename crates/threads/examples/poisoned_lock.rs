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

/// Changes the account in two steps, and checks between them.
fn handle(account: &Mutex<Account>, amount: i64) {
    let mut account = account.lock().expect("the account is poisoned");
    account.balance += amount;
    assert!(account.balance >= 0, "overdrawn");
    account.bookings += 1;
}
// ANCHOR_END: account

// ANCHOR: repaired
/// Checks first and changes afterwards. If the check panics, nothing has been changed, so the next
/// thread may go on with the account.
fn handle_repaired(account: &Mutex<Account>, amount: i64) {
    let mut account = account.lock().unwrap_or_else(PoisonError::into_inner);
    let balance = account.balance + amount;
    assert!(balance >= 0, "overdrawn");
    account.balance = balance;
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
        ("changes, then checks", handle),
        ("checks, then changes", handle_repaired),
    ];
    for (name, handle) in ways {
        let account = new();
        println!("{name}");
        for amount in [10, -50, 20, 30] {
            let ended = thread::scope(|scope| scope.spawn(|| handle(&account, amount)).join());
            let said = match &ended {
                Ok(()) => "booked",
                Err(payload) => message_of(&**payload),
            };
            println!("  booking {amount:>3}: {said}");
        }
        println!("  the lock is poisoned: {}", account.is_poisoned());
        println!(
            "  {:?}",
            account.into_inner().unwrap_or_else(PoisonError::into_inner)
        );
    }
}
