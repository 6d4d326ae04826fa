//! Step 3: the library's fibers and generators, and a caller that resumes them
//! by hand.
//!
//! A fiber that is dropped half-way is unwound now. But the caller still has to
//! say who runs next, and it does not know who has anything left to do.

use std::error::Error;

use coroutines::fiber::{Fiber, Step};
use coroutines::generator::Generator;

// ANCHOR: dropped
struct Roommate(&'static str);

impl Drop for Roommate {
    fn drop(&mut self) {
        println!("    {} has left and locked the door", self.0);
    }
}

fn drop_half_way() -> Result<(), Box<dyn Error>> {
    let mut fiber = Fiber::<(), &str, ()>::new(|fiber, ()| {
        let _ada = Roommate("Ada");
        fiber.suspend("Ada has come in");
        println!("    (never reached)");
    })?;
    if let Step::Yield(said) = fiber.resume(()) {
        println!("    {said}");
    }
    println!("main: I throw the fiber away");
    drop(fiber);
    println!("main: its stack is gone");
    Ok(())
}
// ANCHOR_END: dropped

// ANCHOR: by_hand
fn by_hand() -> Result<(), Box<dyn Error>> {
    let cook = |name, steps| {
        Generator::new(move |items| (1..=steps).for_each(|step| items.give((name, step))))
    };
    let mut ada = cook("Ada", 5)?;
    let mut ben = cook("Ben", 1)?;
    let mut cyd = cook("Cyd", 2)?;
    let mut in_vain = 0;
    for _ in 0..5 {
        for cook in [&mut ada, &mut ben, &mut cyd] {
            match cook.next() {
                Some((name, step)) => println!("    {name} cooks, step {step}"),
                None => in_vain += 1,
            }
        }
    }
    println!("by hand: 15 turns, {in_vain} of them for somebody who has nothing left to do");
    Ok(())
}
// ANCHOR_END: by_hand

fn main() -> Result<(), Box<dyn Error>> {
    drop_half_way()?;
    by_hand()
}
