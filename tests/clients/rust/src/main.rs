//! An application with the `sentry` crate that panics. The DSN is in SENTRY_DSN.

struct Basket {
    id: u32,
    total: Option<u32>,
}

fn charge_basket(basket: &Basket) -> u32 {
    match basket.total {
        Some(total) => total,
        None => panic!("basket {} has no total", basket.id),
    }
}

fn main() {
    let _guard = sentry::init(sentry::ClientOptions::new());
    let baskets = [Basket { id: 17, total: None }];
    // Through a library function, so that frames of the standard library are in the stack.
    let sum: u32 = baskets.iter().map(charge_basket).sum();
    println!("{sum}");
}
