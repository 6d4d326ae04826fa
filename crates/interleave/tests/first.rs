//! smoke
use interleave::{in_worlds, orderings, schedules, FailureKind};
mod none {}
in_worlds! {
    shuttled = crate::none, loomed = crate::none;
    pub fn lost_update() {
        use std::sync::atomic::{AtomicU32, Ordering::*};
        let n = Arc::new(AtomicU32::new(0));
        let m = Arc::clone(&n);
        let t = thread::spawn(move || m.store(m.load(SeqCst) + 1, SeqCst));
        n.store(n.load(SeqCst) + 1, SeqCst);
        t.join().unwrap();
        assert_eq!(n.load(SeqCst), 2);
    }
    pub fn spin_lock() {
        use std::sync::atomic::{AtomicBool, Ordering::*};
        struct L { l: AtomicBool, n: Tracked<u32> }
        let s = Arc::new(L { l: AtomicBool::new(false), n: Tracked::new(0) });
        fn add(s: &L) { for _ in 0..2 {
            while s.l.swap(true, Acquire) {}
            s.n.update(|n| n + 1);
            s.l.store(false, Release);
        } }
        let m = Arc::clone(&s);
        let t = thread::spawn(move || add(&m));
        add(&s);
        t.join().unwrap();
        assert_eq!(s.n.get(), 4);
    }
    pub fn relaxed_unlock() {
        use std::sync::atomic::{AtomicBool, Ordering::*};
        struct L { l: AtomicBool, n: Tracked<u32> }
        let s = Arc::new(L { l: AtomicBool::new(false), n: Tracked::new(0) });
        fn add(s: &L) {
            while s.l.swap(true, Acquire) {}
            s.n.update(|n| n + 1);
            s.l.store(false, Relaxed);
        }
        let m = Arc::clone(&s);
        let t = thread::spawn(move || add(&m));
        add(&s);
        t.join().unwrap();
        assert_eq!(s.n.get(), 2);
    }
    pub fn abba() {
        use std::sync::Mutex;
        static A: Mutex<u32> = Mutex::new(0);
        static B: Mutex<u32> = Mutex::new(0);
        thread::scope(|s| {
            s.spawn(|| { let mut a = A.lock().unwrap(); *B.lock().unwrap() += 1; *a += 1; });
            s.spawn(|| { let mut b = B.lock().unwrap(); *A.lock().unwrap() += 1; *b += 1; });
        });
        assert_eq!(*A.lock().unwrap(), 2);
    }
}
#[test]
fn all() {
    for (name, s, o) in [("lost", shuttled::lost_update as fn(), loomed::lost_update as fn()), ("spin", shuttled::spin_lock, loomed::spin_lock),
      ("relaxed", shuttled::relaxed_unlock, loomed::relaxed_unlock), ("abba", shuttled::abba, loomed::abba)] {
        for e in [schedules(s), orderings(o)] {
            println!("=== {name}: {} points {} in {} ms; not judged {:?}", e.coverage(), e.scheduling_points, e.millis, e.not_judged);
            if let Some(f) = e.failure { println!("{:?} {}\n{}\n{}", f.kind, f.message, f.timeline, f.schedule); }
        }
    }
    let _ = FailureKind::Leak;
}
