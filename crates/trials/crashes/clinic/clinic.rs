//! A clinic that panics in many ways: `clinic BUG N`.
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Mutex, RwLock};

trait Ward {
    fn beds(&self) -> usize;
    fn admit(&self, n: usize) -> u32;
}

struct Surgery {
    beds: Vec<Option<u32>>,
}

struct Queue<T> {
    waiting: VecDeque<T>,
}

#[derive(Debug)]
#[allow(dead_code)]
enum ClinicError {
    Locked { ward: usize },
    Elsewhere(usize),
}

#[inline(never)]
fn stop_here(why: &str, n: i32) -> ! {
    panic!("{why} ({n})")
}

// EDIT-CALLEES
impl Ward for Surgery {
    #[inline(never)]
    fn beds(&self) -> usize {
        self.beds.len()
    }

    #[inline(never)]
    fn admit(&self, n: usize) -> u32 {
        self.beds[n].unwrap()
    }
}

impl<T: Clone> Queue<T> {
    #[inline(never)]
    fn next(&mut self) -> T {
        self.waiting.pop_front().expect("somebody is waiting")
    }

    #[inline(never)]
    fn urgent(&mut self, at: usize) -> T {
        self.waiting.remove(at).expect("the urgent one is waiting")
    }
}

#[inline(never)]
fn transfer(n: usize) -> Result<(), ClinicError> {
    if n % 2 == 1 { Err(ClinicError::Elsewhere(n)) } else { Err(ClinicError::Locked { ward: n }) }
}

#[inline(never)]
fn move_patient(n: usize) {
    transfer(n).expect("patient was not moved");
}

#[inline(never)]
fn order_drug(n: i32) {
    stop_here("drug is not in the list", n);
}

#[inline(never)]
fn order_scan(n: i32) {
    stop_here("scanner has no slot", n);
}

#[inline(never)]
fn dose(units: &BTreeMap<&str, u32>, unit: &str) -> u32 {
    units[unit]
}

#[inline(never)]
fn growth(n: i32) -> i32 {
    i32::MAX - 1 + n
}

#[inline(never)]
fn split(text: &str, n: usize) -> (&str, &str) {
    text.split_at(n + 100)
}

#[inline(never)]
fn shares(n: i32) -> i32 {
    let shared = Rc::new(n);
    let _second = Rc::clone(&shared);
    Rc::try_unwrap(shared).unwrap()
}

#[inline(never)]
fn lock_after(n: i32) -> i32 {
    let lock = RwLock::new(n);
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _held = lock.write();
        std::panic::resume_unwind(Box::new(()));
    }));
    let value = *lock.read().unwrap();
    value
}

#[inline(never)]
fn in_thread(n: i32) {
    let shared = Mutex::new(n);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let held = shared.lock();
            assert!(held.is_ok_and(|n| *n < 0), "the shift is over");
        });
    });
}

#[inline(never)]
fn bill(n: i32) {
    assert_eq!(n + 1, n, "bill {n} does not add up");
}

// EDIT-CALLER
#[inline(never)]
fn handle(bug: &str, n: i32) {
    let size = n as usize;
    let ward: Box<dyn Ward> = Box::new(Surgery { beds: vec![None; 20] });
    let mut queue: Queue<String> = Queue { waiting: VecDeque::new() };
    match bug {
        "admit-index" => drop(ward.admit(size + 30)),
        "admit-empty" => drop(ward.admit(size)),
        "queue-next" => drop(queue.next()),
        "queue-urgent" => drop(queue.urgent(size)),
        "move-elsewhere" => move_patient(2 * size + 1),
        "move-locked" => move_patient(2 * size),
        "drug-stop" => order_drug(n),
        "scan-stop" => order_scan(n),
        "dose-unit" => drop(dose(&BTreeMap::new(), "mg")),
        "growth-overflow" => drop(growth(n)),
        "split-far" => drop(split("abc", size).0.len()),
        "shares-two" => drop(shares(n)),
        "lock-poisoned" => drop(lock_after(n)),
        "shift-thread" => in_thread(n),
        "bill-equal" => bill(n),
        _ => drop(ward.beds()),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    handle(&arguments[1], arguments[2].parse().unwrap_or(0));
}
