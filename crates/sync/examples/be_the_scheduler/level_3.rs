//! A lock that is taken twice.

use interleave::std::sync::Arc;

use super::noting::Mutex;

// ANCHOR: shown
/// A and B
fn pay_in(account: &Mutex) {
    let balance = *account.lock().unwrap();
    *account.lock().unwrap() = balance + 10;
}

/// When both are done
fn check(balance: u32) {
    assert!(balance == 20, "the account has {balance}, not 20");
}
// ANCHOR_END: shown

pub(crate) fn play() {
    let account = Arc::new(Mutex::new(0));
    let (theirs, own) = (Arc::clone(&account), Arc::clone(&account));
    super::both(move || pay_in(&theirs), move || pay_in(&own));
    let balance = *account.lock().unwrap();
    check(balance);
}
