//! A value that was moved has another owner, and its old name cannot be used any more.
//! Errors: E0382

pub fn two_owners() {
    let note = String::from("milk");
    let later = note;
    println!("{note} and {later}");
}
