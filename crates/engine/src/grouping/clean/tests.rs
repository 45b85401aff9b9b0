//! One table per platform: a frame as JSON, and `role place#function` as grouping sees it.

use super::*;
use crate::event::Event;

mod names;

fn check(platform: &str, table: &[(&str, &str)]) {
    for (frame, expected) in table {
        let json = format!(r#"{{"stacktrace":{{"frames":[{frame}]}}}}"#);
        let event = Event::from_json(&json).unwrap();
        let frame = &event.stacktrace.as_ref().unwrap().frames[0];
        let cleaner = cleaner(platform, frame);
        let (role, _) = ruling(cleaner, frame);
        let got = format!("{role:?} {}#{}", (cleaner.place)(frame), (cleaner.function)(frame));
        assert_eq!(got, *expected, "{platform}: {json}");
    }
}

#[test]
fn python() {
    check(
        "python",
        &[
            (r#"{"module":"shop.cart","function":"total","in_app":true}"#, "App shop.cart#total"),
            (r#"{"module":"__main__","filename":"run.py","function":"<module>"}"#, "App run#<module>"),
            (r#"{"module":"shop.cart","function":"<listcomp>"}"#, "Noise shop.cart#"),
            (r#"{"module":"a","function":"fire.<locals>.poll"}"#, "App a#poll"),
            (
                r#"{"module":"http.client","abs_path":"/usr/lib/python3.11/http/client.py","function":"send"}"#,
                "Library http.client#send",
            ),
            (
                r#"{"module":"flask.app","abs_path":"/v/lib/python3.11/site-packages/flask/app.py","function":"f","in_app":true}"#,
                "Library flask.app#f",
            ),
            (
                r#"{"module":"/srv/app/releases/20260101/shop/templates/receipt.html","function":"top-level template code"}"#,
                "App templates/receipt#top-level template code",
            ),
        ],
    );
}

#[test]
fn javascript() {
    check(
        "javascript",
        &[
            (
                r#"{"filename":"http://h/assets/main-KK3FLJJB.js","function":"HTMLButtonElement.<anonymous>","in_app":true}"#,
                "App main#",
            ),
            (r#"{"filename":"http://h/assets/main-KK3FLJJB.js","function":"async P","in_app":true}"#, "App main#P"),
            (r#"{"filename":"http://h/a.js","function":"foo/<"}"#, "App a#foo"),
            (r#"{"filename":"<anonymous>","function":"Array.map","in_app":true}"#, "Library <anonymous>#map"),
            (r#"{"filename":"<anonymous>","function":"new NumberFormat"}"#, "Library <anonymous>#NumberFormat"),
            (
                r#"{"filename":"./src/store/cart.ts","module":"src/store/cart","function":"Object.addToCart [as add]"}"#,
                "App store/cart#addToCart",
            ),
        ],
    );
    check(
        "node",
        &[
            (
                r#"{"module":"task_queues","filename":"node:internal/process/task_queues","function":"process.processTicksAndRejections"}"#,
                "Noise task_queues#processTicksAndRejections",
            ),
            (
                r#"{"module":"lib:rooms","filename":"/srv/app/releases/20260101/lib/rooms.cjs","function":"Object.occupancy","in_app":true}"#,
                "App lib:rooms#occupancy",
            ),
            (
                r#"{"module":"express.lib.router:layer","filename":"/app/node_modules/express/lib/router/layer.js","function":"handle"}"#,
                "Library express.lib.router:layer#handle",
            ),
        ],
    );
}

#[test]
fn java() {
    check(
        "java",
        &[
            (
                r#"{"module":"com.acme.OrderService","function":"lambda$ship$3","in_app":true}"#,
                "App com.acme.OrderService#ship",
            ),
            (r#"{"module":"com.acme.OrderService$1","function":"run"}"#, "App com.acme.OrderService#run"),
            (
                r#"{"module":"com.acme.OrderService$$EnhancerBySpringCGLIB$$a3f41b2c","function":"ship","in_app":true}"#,
                "Noise com.acme.OrderService#ship",
            ),
            (r#"{"module":"com.sun.proxy.$Proxy42","function":"find"}"#, "Noise com.sun.proxy.$Proxy42#find"),
            (r#"{"module":"java.util.ArrayList$Itr","function":"next"}"#, "Library java.util.ArrayList$Itr#next"),
            (
                r#"{"module":"org.springframework.web.Servlet","function":"service"}"#,
                "Library org.springframework.web.Servlet#service",
            ),
        ],
    );
}

#[test]
fn php_and_ruby() {
    check(
        "php",
        &[
            (
                r#"{"filename":"/src/Mail/Mailer.php","function":"App\\Mailer::App\\{closure}","in_app":true}"#,
                "App Mail/Mailer#App\\Mailer::{closure}",
            ),
            (
                r#"{"filename":"/src/Mail/Mailer.php","function":"App\\Mailer::{closure:App\\Mailer::sum():42}"}"#,
                "App Mail/Mailer#App\\Mailer::{closure}",
            ),
            (
                r#"{"filename":"/app/Pricing/Table.php","function":"class@anonymous\u0000/var/www/releases/41/app/Pricing/Table.php:18$4f::lookup"}"#,
                "App Pricing/Table#class@anonymous::lookup",
            ),
            (r#"{"filename":"[internal]","function":"array_map","in_app":true}"#, "Library [internal]#array_map"),
        ],
    );
    check(
        "ruby",
        &[
            (r#"{"filename":"lib/loans.rb","function":"rescue in open","in_app":true}"#, "App loans#open"),
            (
                r#"{"filename":"app/controllers/users_controller.rb","function":"block (2 levels) in show"}"#,
                "App controllers/users_controller#show",
            ),
            (
                r#"{"filename":"app/views/users/show.html.erb","function":"_app_views_users_show_html_erb__3351298771021_70123"}"#,
                "App users/show.html#_app_views_users_show_html_erb",
            ),
            (r#"{"filename":"lib/loans.rb","function":"Loans#fine"}"#, "App loans#fine"),
            (
                r#"{"filename":"sinatra/base.rb","abs_path":"/var/lib/gems/3.1.0/gems/sinatra-3.0.5/lib/sinatra/base.rb","function":"call","in_app":true}"#,
                "Library sinatra/base#call",
            ),
        ],
    );
}

#[test]
fn go_and_dotnet() {
    check(
        "go",
        &[
            (
                r#"{"module":"acme/store","abs_path":"/build/src/acme/store/store.go","function":"(*Store).Load.func2.1"}"#,
                "App acme/store/store#Store.Load",
            ),
            (
                r#"{"module":"acme/store","abs_path":"/build/src/acme/store/store.go","function":"Map[...].Get-fm"}"#,
                "App acme/store/store#Map.Get",
            ),
            (
                r#"{"module":"net/http","abs_path":"/usr/local/go/src/net/http/server.go","function":"ServeHTTP"}"#,
                "Library net/http/server#ServeHTTP",
            ),
            (
                r#"{"module":"main","abs_path":"/srv/app/releases/20260101/courier/main.go","function":"fire"}"#,
                "App courier/main#fire",
            ),
        ],
    );
    check(
        "csharp",
        &[
            (r#"{"module":"A.Invoker+<InvokeAsync>d__13","function":"void MoveNext()"}"#, "App A.Invoker#InvokeAsync"),
            (
                r#"{"module":"Shop.Cart","function":"async Task<IActionResult> CartController.Add(string sku)"}"#,
                "App Shop.Cart#Add",
            ),
            (
                r#"{"module":"Shop.Price+<>c__DisplayClass3_0","function":"decimal PriceService.Lookup(string sku)+(Row r) => { }"}"#,
                "App Shop.Price#Lookup",
            ),
            (r#"{"module":"System.Linq.Enumerable","function":"First"}"#, "Library System.Linq.Enumerable#First"),
        ],
    );
}

#[test]
fn native() {
    check(
        "native",
        &[
            (
                r#"{"function":"app::server::handle::h0123456789abcdef","filename":"server.rs","in_app":true}"#,
                "App server#app::server::handle",
            ),
            (
                r#"{"function":"<app::router::Router<S> as app::Service>::call::{{closure}}::h00ff11ee22dd33cc","in_app":true}"#,
                "App #app::router::Router::call",
            ),
            (
                r#"{"function":"app::pricing::row::<alloc::vec::Vec<u32>>::h9a8b7c6d5e4f3021","in_app":true}"#,
                "App #app::pricing::row",
            ),
            (
                r#"{"function":"core::panicking::panic_bounds_check::h1111222233334444","in_app":false}"#,
                "Raise #core::panicking::panic_bounds_check",
            ),
            (
                r#"{"function":"engine::Scheduler::run(std::__1::function<void ()> const&)","filename":"scheduler.cpp"}"#,
                "App scheduler#engine::Scheduler::run",
            ),
            (
                r#"{"function":"engine::Renderer::draw(engine::Mesh const*, float)::$_3::operator()() const"}"#,
                "App #engine::Renderer::draw",
            ),
            (r#"{"function":"engine::Mesh::bounds<float>(engine::AABB&) const"}"#, "App #engine::Mesh::bounds"),
            (r#"{"function":"bool (anonymous namespace)::check(int)"}"#, "App #(anonymous namespace)::check"),
            (r#"{"function":"closure #1 in CartViewController.viewDidLoad()"}"#, "App #CartViewController.viewDidLoad"),
            (r#"{"function":"_ZN3foo3barEv"}"#, "App #foo::bar"),
            (r#"{"function":"memcpy@@GLIBC_2.14","package":"/usr/lib/libc.so.6"}"#, "Library #memcpy"),
            (r#"{"function":"-[Cart load:]"}"#, "App #-[Cart load:]"),
        ],
    );
}

#[test]
fn a_platform_that_says_nothing_is_read_by_its_files() {
    check(
        "other",
        &[
            (r#"{"abs_path":"dart:core","filename":"core","function":"List.[]"}"#, "Library core#List.[]"),
            (r#"{"abs_path":"package:shop/cart/cart.dart","function":"Cart.total.<fn>"}"#, "App cart/cart#Cart.total"),
            (r#"{"abs_path":"/srv/app/shop/cart.py","module":"shop.cart","function":"total"}"#, "App shop.cart#total"),
            (r#"{"filename":"cart.pl","function":"total"}"#, "App cart#total"),
        ],
    );
}
