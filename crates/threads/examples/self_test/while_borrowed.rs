//! While a shared reference is in use, nobody may change what it refers to.
//! Errors: E0502

pub fn look_and_change() {
    let mut shelf = vec!["milk", "bread"];
    let first = &shelf[0];
    shelf.push("cheese");
    println!("{first}");
}
