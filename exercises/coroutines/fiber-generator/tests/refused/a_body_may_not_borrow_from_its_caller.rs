//! C14: A body is `'static`: it must not borrow from its caller.
//! Errors: E0597

use fiber_generator::Generator;

pub fn borrows() -> u32 {
    let local = 1;
    let borrowed = &local;
    let generator = Generator::new(move |yielder| yielder.yield_item(*borrowed)); //~ refused
    drop(generator); //~ refused
    *borrowed
}
