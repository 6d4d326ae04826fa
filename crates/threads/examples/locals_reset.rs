//! Thread-local values in a pool, step 2: a guard takes the value away at the end of each job, also
//! when the job panics.

use std::sync::Arc;

use threads::{JobError, PerThread, Pool, PoolError};

// ANCHOR: reset
type Session = PerThread<String>;

/// Takes this thread's session away when it is dropped.
struct Reset<'a>(&'a Session);

impl Drop for Reset<'_> {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// A job: returns what it finds, and leaves something.
fn log_in(session: &Session, leaves: &str) -> String {
    let _reset = Reset(session);
    let found = session.with(|session| session.clone());
    session.with(|session| leaves.clone_into(session));
    assert!(!leaves.starts_with("Mallory"), "wrong password");
    found
}
// ANCHOR_END: reset

fn main() -> Result<(), PoolError> {
    let pool = Pool::new(1, 3)?;
    let session: Arc<Session> = Arc::new(PerThread::new(String::new));
    let passwords = ["Alice's password", "Mallory's password", "Bob's password"];
    for (number, leaves) in (1..).zip(passwords) {
        let session = Arc::clone(&session);
        let job = pool.submit(move || log_in(&session, leaves));
        match job.map(threads::JobHandle::wait) {
            Ok(Ok(found)) => println!("job {number} finds {found:?}"),
            Ok(Err(JobError::Panicked(_))) => println!("job {number} panics"),
            Ok(Err(JobError::Dropped)) | Err(_) => println!("job {number} was not done"),
        }
    }
    Ok(())
}
