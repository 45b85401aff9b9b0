//! A shop that panics in many ways: `shop BUG N`.

use std::cell::RefCell;
use std::collections::HashMap;

struct Store {
    names: Vec<&'static str>,
    rows: HashMap<i32, i32>,
    open: RefCell<i32>,
}

#[inline(never)]
fn check(ok: bool, why: &str) {
    if !ok {
        panic!("{why}");
    }
}

#[inline(never)]
fn fail(why: String) -> ! {
    panic!("{why}")
}

// EDIT-CALLEES
impl Store {
    #[inline(never)]
    fn name_at(&self, n: usize) -> &str {
        self.names[n]
    }

    #[inline(never)]
    fn row(&self, n: i32) -> i32 {
        *self.rows.get(&n).unwrap()
    }

    #[inline(never)]
    fn touch(&self) -> i32 {
        let first = self.open.borrow_mut();
        let second = self.open.borrow_mut();
        *first + *second
    }
}

#[inline(never)]
fn mean(sum: i32, count: i32) -> i32 {
    sum / count
}

#[inline(never)]
fn reserve(n: i32) {
    check(n < 0, &format!("cannot reserve {n} items"));
}

#[inline(never)]
fn refund(n: i32) {
    check(n < -1, &format!("refund of {n} was paid already"));
}

#[inline(never)]
fn ship(n: i32) {
    fail(format!("no courier for parcel {n}"))
}

#[inline(never)]
fn bill(n: i32) {
    fail(format!("customer {n} has no account"))
}

#[inline(never)]
fn import_row(text: &str) -> i32 {
    text.parse().unwrap()
}

#[inline(never)]
fn read_rules(n: i32) -> String {
    std::fs::read_to_string(format!("/nonexistent/rules-{n}.json")).unwrap()
}

#[inline(never)]
fn close_account(n: i32) {
    if n % 2 == 1 {
        panic!("account {n} is still open");
    }
    panic!("statement of {n} was not sent");
}

#[inline(never)]
fn shorten(text: &str, n: usize) -> &str {
    &text[..n]
}

#[inline(never)]
fn each(n: i32, visit: impl Fn(i32)) {
    visit(n);
}

#[inline(never)]
fn setting() -> String {
    std::env::var("SHOP_SETTING_THAT_NOBODY_HAS").expect("SHOP_SETTING must be set")
}

// EDIT-CALLER
#[inline(never)]
fn handle(bug: &str, n: i32) {
    let store = Store { names: vec!["tea"], rows: HashMap::new(), open: RefCell::new(n) };
    let size = n as usize;
    match bug {
        "name-bounds" => drop(store.name_at(size + 3).len()),
        "row-none" => drop(store.row(n)),
        "open-twice" => drop(store.touch()),
        "mean-zero" => drop(mean(n, n - n)),
        "reserve-helper" => reserve(n),
        "refund-helper" => refund(n),
        "ship-helper" => ship(n),
        "bill-helper" => bill(n),
        "import-parse" => drop(import_row(&format!("{n}x"))),
        "rules-missing" => drop(read_rules(n)),
        "close-open" => close_account(2 * n + 1),
        "close-unsent" => close_account(2 * n),
        "shorten-char" => drop(shorten("éé", 1).len()),
        "each-closure" => each(n, |n| drop([1u8, 2][n as usize + 9])),
        "setting-missing" => drop(setting()),
        _ => {}
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    handle(&arguments[1], arguments[2].parse().unwrap_or(0));
}
