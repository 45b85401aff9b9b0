//! What each platform's names become: `module ; file ; function` as an SDK sends them without a word
//! about whose they are, and `Role place#function` as grouping sees them.

use super::super::{cleaner, ruling};
use crate::event::Event;

fn check(platform: &str, table: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (frame, expected) in table {
        let mut parts = frame.splitn(3, ';').map(|part| (!part.trim().is_empty()).then(|| part.trim()));
        let (module, file, function) = (parts.next().flatten(), parts.next().flatten(), parts.next().flatten());
        let json = serde_json::json!({ "stacktrace": { "frames": [
            { "module": module, "filename": file, "abs_path": file, "function": function }] } });
        let json = json.to_string();
        let event = Event::from_json(&json).unwrap();
        let frame = &event.stacktrace.as_ref().unwrap().frames[0];
        let cleaner = cleaner(platform, frame);
        let (role, _) = ruling(cleaner, frame);
        let got = format!("{role:?} {}#{}", (cleaner.place)(frame), (cleaner.function)(frame));
        if got != *expected {
            wrong.push(format!("{json}\n  got      {got}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{platform}:\n{}", wrong.join("\n"));
}

#[test]
fn python() {
    check(
        "python",
        &[
            ("shop.cart ; /srv/app/shop/cart.py ; total", "App shop.cart#total"),
            ("shop.cart ; /srv/app/shop/cart.py ; <lambda>", "App shop.cart#"),
            ("shop.cart ; /srv/app/shop/cart.py ; Cart.total.<locals>.<lambda>", "App shop.cart#"),
            ("shop.cart ; /srv/app/shop/cart.py ; total.<locals>.row", "App shop.cart#row"),
            ("shop.cart ; /srv/app/shop/cart.py ; <genexpr>", "Noise shop.cart#"),
            (
                "shop.cart ; <attrs generated init shop.cart.Cart> ; <attrs generated init shop.cart.Cart>",
                "App shop.cart#<attrs init",
            ),
            (" ; <string> ; <module>", "App #<module>"),
            (" ; <ipython-input-7-3f2a9c11> ; <module>", "App #<module>"),
            (" ; /srv/app.pyz/shop/cart.py ; total", "App shop/cart#total"),
            ("requests.api ; /venv/lib/python3.12/site-packages/requests/api.py ; get", "Library requests.api#get"),
            ("requests.api ; C:\\venv\\Lib\\site-packages\\requests\\api.py ; get", "Library requests.api#get"),
            ("json.decoder ; /usr/lib/python3.11/json/decoder.py ; decode", "Library json.decoder#decode"),
            ("json.decoder ; C:\\Python311\\Lib\\json\\decoder.py ; decode", "Library json.decoder#decode"),
            ("json.decoder ;  ; decode", "Library json.decoder#decode"),
            ("asyncio.tasks ; /usr/lib/python3.12/asyncio/tasks.py ; __step", "Noise asyncio.tasks#__step"),
            ("threading ; /usr/lib/python3.12/threading.py ; run", "Noise threading#run"),
            ("importlib._bootstrap ; <frozen importlib._bootstrap> ; _load", "Noise importlib._bootstrap#_load"),
            (
                "sentry_sdk.integrations.wsgi ; /x/sentry_sdk/integrations/wsgi.py ; __call__",
                "Noise sentry_sdk.integrations.wsgi#__call__",
            ),
        ],
    );
}

#[test]
fn javascript() {
    check(
        "javascript",
        &[
            (" ; https://cdn.example.com/assets/index-BqZ3x9Lk.js ; Object.total", "App index#total"),
            (" ; https://cdn.example.com/assets/index-DfwTkbas.js ; total/<", "App index#total"),
            (" ; https://h/static/js/main.8f3a2c1b7d6e5f4a3b2c.js ; async total", "App main#total"),
            (" ; https://h/static/js/612.4c91aa02.chunk.js ; new Cart", "App chunk#Cart"),
            (" ; https://h/_next/static/chunks/app/cart/page-4f5d6a7b8c9d0e1f.js ; o", "App cart/page#o"),
            (" ; https://h/_next/static/Xq2fT9vLk3mNp7RsWz4Yb/_ssgManifest.js ; f", "App _ssgManifest#f"),
            (" ; https://h/v2.14.0/app.min.js?v=8821 ; f", "App app#f"),
            (" ; https://h/assets/main-KK3FLJJB.js ; Anonymous function", "App main#"),
            (" ; https://h/a.js ; async*total", "App a#total"),
            (" ; https://h/a.js ; promise callback*total", "App a#total"),
            (" ; https://h/a.js ; get Cart.items [as items]", "App a#items"),
            (" ; https://h/a.js ; Cart.#total", "App a#total"),
            (" ; https://h/a.js ; total$1", "App a#total"),
            (" ; https://h/a.js ; $", "App a#$"),
            (" ; https://h/a.js ; _callee2$", "App a#"),
            (" ; https://h/a.js ; global code", "App a#"),
            (" ; webpack:///./src/store/cart.ts ; bound total", "App store/cart#total"),
            (" ; app:///main.jsbundle ; ?anon_0_total", "App bundle#total"),
            (" ; app:///index.android.bundle ; total", "App bundle#total"),
            (
                " ; /var/containers/Bundle/Application/2E1A0B0C-1111-2222-3333-444455556666/Shop.app/main.jsbundle ; total",
                "App bundle#total",
            ),
            (" ; [native code] ; forEach", "Library [native code]#forEach"),
            (" ; chrome-extension://abcdefgh/content.js ; f", "Noise content#f"),
            (" ; https://h/polyfills-AB12CD34.js ; invokeTask", "Library polyfills#invokeTask"),
            (" ; https://cdn.jsdelivr.net/npm/vue@3.4.1/dist/vue.js ; mount", "Library vue#mount"),
            (" ; webpack:///./node_modules/react-dom/index.js ; render", "Library react-dom/index#render"),
            (
                " ; webpack://shop/node_modules/.pnpm/x@1.2.3_ab12cd34/node_modules/x/index.js ; run",
                "Library x/index#run",
            ),
        ],
    );
    check(
        "node",
        &[
            (
                "task_queues ; node:internal/process/task_queues ; process.processTicksAndRejections",
                "Noise task_queues#processTicksAndRejections",
            ),
            ("async_hooks ; node:async_hooks ; AsyncLocalStorage.run", "Noise async_hooks#run"),
            ("events ; events.js ; EventEmitter.emit", "Library events#emit"),
            ("net ; node:net ; Socket.connect", "Library net#connect"),
            (
                " ; /app/node_modules/express/lib/router/layer.js ; Layer.handle [as handle_request]",
                "Library router/layer#handle",
            ),
            (" ; C:\\srv\\shop\\dist\\cart.js ; Cart.total", "App cart#total"),
        ],
    );
}

#[test]
fn java_kotlin_scala_clojure_groovy() {
    check(
        "java",
        &[
            ("com.acme.Cart ; Cart.java ; lambda$total$3", "App com.acme.Cart#total"),
            ("com.acme.Cart ; Cart.java ; lambda$new$0", "App com.acme.Cart#new"),
            ("com.acme.Cart$1 ; Cart.java ; run", "App com.acme.Cart#run"),
            ("com.acme.Cart$Row ; Cart.java ; price", "App com.acme.Cart$Row#price"),
            ("com.acme.Cart ; Cart.java ; access$000", "Noise com.acme.Cart#access"),
            ("com.acme.Cart$$Lambda$14/0x0000000800c8 ; ; apply", "Noise com.acme.Cart#apply"),
            ("com.acme.Cart$$SpringCGLIB$$0 ; <generated> ; total", "Noise com.acme.Cart#total"),
            ("com.acme.Cart$ByteBuddy$kX2p ; ; total", "Noise com.acme.Cart$ByteBuddy#kX2p"),
            ("com.acme.Order$HibernateProxy$q7Rk ; ; getId", "Noise com.acme.Order$HibernateProxy#q7Rk"),
            ("jdk.proxy2.$Proxy123 ; ; find", "Noise jdk.proxy2.$Proxy123#find"),
            (
                "jdk.internal.reflect.GeneratedMethodAccessor71 ; ; invoke",
                "Noise jdk.internal.reflect.GeneratedMethodAccessor71#invoke",
            ),
            (
                "java.lang.invoke.LambdaForm$MH/0x0000000800d1 ; LambdaForm$MH ; invoke",
                "Noise java.lang.invoke.LambdaForm$MH/0x0000000800d1#invoke",
            ),
            ("java.lang.reflect.Method ; Method.java ; invoke", "Noise java.lang.reflect.Method#invoke"),
            ("java.util.HashMap ; HashMap.java ; get", "Library java.util.HashMap#get"),
            ("org.springframework.web.Servlet ; ; service", "Library org.springframework.web.Servlet#service"),
        ],
    );
    check(
        "kotlin",
        &[
            ("com.acme.Cart$load$1 ; Cart.kt ; invokeSuspend", "App com.acme.Cart#load"),
            ("com.acme.Cart$load$2$items$1 ; Cart.kt ; invoke", "App com.acme.Cart#load"),
            ("com.acme.Cart ; Cart.kt ; load$lambda$0", "App com.acme.Cart#load"),
            ("com.acme.Cart ; Cart.kt ; load$suspendImpl", "App com.acme.Cart#load"),
            ("com.acme.Cart ; Cart.kt ; price-IoAF18s", "App com.acme.Cart#price"),
            ("com.acme.Cart$Companion ; Cart.kt ; of", "App com.acme.Cart$Companion#of"),
            ("kotlinx.coroutines.DispatchedTask ; ; run", "Noise kotlinx.coroutines.DispatchedTask#run"),
        ],
    );
    check(
        "scala",
        &[
            ("shop.Cart$ ; Cart.scala ; $anonfun$total$2", "App shop.Cart#total"),
            ("shop.Cart$$anonfun$total$1 ; Cart.scala ; apply", "App shop.Cart#total"),
            ("scala.collection.immutable.List ; ; map", "Library scala.collection.immutable.List#map"),
        ],
    );
    check(
        "clojure",
        &[
            ("shop.cart$total ; cart.clj ; invokeStatic", "App shop.cart#total"),
            ("shop.cart$total$fn__1234 ; cart.clj ; invoke", "App shop.cart#total"),
            ("clojure.core$map$fn__5935 ; core.clj ; invoke", "Library clojure.core#map"),
        ],
    );
    check("groovy", &[("shop.Cart$_total_closure1 ; Cart.groovy ; doCall", "App shop.Cart#total")]);
}

#[test]
fn dotnet() {
    check(
        "csharp",
        &[
            ("Shop.Cart+<AddAsync>d__13 ; Cart.cs ; MoveNext", "App Shop.Cart#AddAsync"),
            ("Shop.Cart+<AddAsync>d__13`1 ; Cart.cs ; void MoveNext()", "App Shop.Cart#AddAsync"),
            ("Shop.Cart ; Cart.cs ; async Task<IActionResult> Cart.AddAsync(string sku)", "App Shop.Cart#AddAsync"),
            ("Shop.Cart+<>c__DisplayClass3_0 ; Cart.cs ; <Lookup>b__1", "App Shop.Cart#Lookup"),
            ("Shop.Cart+<>c ; Cart.cs ; <Lookup>b__3_0", "App Shop.Cart#Lookup"),
            ("Shop.Cart ; Cart.cs ; <Lookup>g__Row|3_0", "App Shop.Cart#Lookup"),
            ("Program ; Program.cs ; <Main>$", "App Program#Main"),
            ("Program ; Program.cs ; <<Main>$>g__Run|0_2", "App Program#Main"),
            ("Shop.Repo`1 ; Repo.cs ; Get[TKey]", "App Shop.Repo#Get"),
            (
                "Shop.Repo`1 ; Repo.cs ; Dictionary<string, int> Repo<T>.Get<TKey, TValue>(TKey key)",
                "App Shop.Repo#Get",
            ),
            ("Shop.Cart ; Cart.cs ; .ctor", "App Shop.Cart#ctor"),
            (" ; Assets/Cart.cs ; Cart_Total_m1A2B3C4D5E6F7A8B9C0D1E2F3A4B5C6D7E8F9A0B", "App Cart#Cart_Total"),
            (
                "System.Runtime.CompilerServices.TaskAwaiter ; ; ThrowForNonSuccess",
                "Noise System.Runtime.CompilerServices.TaskAwaiter#ThrowForNonSuccess",
            ),
            ("System.Linq.Enumerable ; ; First", "Library System.Linq.Enumerable#First"),
            ("UnityEngine.Object ; ; Instantiate", "Library UnityEngine.Object#Instantiate"),
        ],
    );
    check(
        "fsharp",
        &[
            ("Shop.Prices+total@42-1 ; Prices.fs ; Invoke", "App Shop.Prices#total"),
            ("Microsoft.FSharp.Collections.ListModule ; ; Map", "Library Microsoft.FSharp.Collections.ListModule#Map"),
        ],
    );
}

#[test]
fn php() {
    check(
        "php",
        &[
            (" ; /app/Mail/Mailer.php ; App\\Mailer::App\\{closure}", "App Mail/Mailer#App\\Mailer::{closure}"),
            (
                " ; /app/Mail/Mailer.php ; App\\Mailer::{closure:App\\Mailer::sum():42}",
                "App Mail/Mailer#App\\Mailer::{closure}",
            ),
            (" ; /app/Mail/Mailer.php ; {closure:App\\Mailer::sum():42}", "App Mail/Mailer#App\\Mailer::{closure}"),
            (" ; /app/sum.php ; App\\{closure}", "App sum#{closure}"),
            (" ; /app/sum.php ; {closure:App\\sum():12}", "App sum#{closure}"),
            (
                " ; /srv/41/storage/framework/views/3f2a9c11d4e5b6a7c8d9e0f1a2b3c4d5e6f7a8b9.php ; include",
                "App views#include",
            ),
            (
                " ; /srv/41/var/cache/prod/twig/ab/abcdef0123456789abcdef0123456789.php ; __TwigTemplate_abcdef0123456789::doDisplay",
                "App ab#__TwigTemplate::doDisplay",
            ),
            (" ; /app/Rules.php(12) : eval()'d code ; check", "App Rules#check"),
            (
                " ; /srv/app/vendor/laravel/framework/src/Router.php ; Illuminate\\Router::run",
                "Library Router#Illuminate\\Router::run",
            ),
            (
                " ; vendor/laravel/framework/src/Router.php ; Illuminate\\Router::run",
                "Library Router#Illuminate\\Router::run",
            ),
            (" ; phar:///srv/shop.phar/Cart/Total.php ; Cart\\Total::sum", "App Cart/Total#Cart\\Total::sum"),
        ],
    );
}

#[test]
fn ruby() {
    check(
        "ruby",
        &[
            (" ; app/models/loan.rb ; rescue in block (2 levels) in fine", "App models/loan#fine"),
            (" ; app/models/loan.rb ; block in Loan#fine", "App models/loan#fine"),
            (" ; app/models/loan.rb ; Loan.fine", "App models/loan#fine"),
            (" ; app/models/loan.rb ; ensure in fine", "App models/loan#fine"),
            (
                " ; app/views/loans/show.html.erb ; _app_views_loans_show_html_erb__3351298771021_70123",
                "App loans/show.html#_app_views_loans_show_html_erb",
            ),
            (" ; /var/lib/gems/3.1.0/gems/sinatra-3.0.5/lib/sinatra/base.rb ; call", "Library sinatra/base#call"),
            (" ; /app/vendor/bundle/ruby/3.2.0/gems/rack-2.2.8/lib/rack/etag.rb ; call", "Library rack/etag#call"),
            (" ; <internal:kernel> ; tap", "Noise #tap"),
            (" ; /x/gems/bootsnap-1.17.0/lib/bootsnap/require.rb ; require", "Noise bootsnap/require#require"),
        ],
    );
}

#[test]
fn go() {
    check(
        "go",
        &[
            ("acme/store ; /build/store/store.go ; (*Store).Load.func2.1", "App acme/store/store#Store.Load"),
            ("acme/store ; /build/store/store.go ; (*Store).Load.deferwrap1", "App acme/store/store#Store.Load"),
            ("acme/store ; /build/store/store.go ; (*Store).Load-range1", "App acme/store/store#Store.Load"),
            (
                "acme/store ; /build/store/store.go ; (*Map[go.shape.int,go.shape.string]).Get-fm",
                "App acme/store/store#Map.Get",
            ),
            ("acme/store ; /build/store/store.go ; glob..func1", "App acme/store/store#glob"),
            ("acme/store ; /build/store/store.go ; init.0", "App acme/store/store#init"),
            (
                "github.com/lib/pq@v1.10.9 ; /home/ci/go/pkg/mod/github.com/lib/pq@v1.10.9/conn.go ; (*conn).Query",
                "Library github.com/lib/pq#conn.Query",
            ),
            (
                "github.com/lib/pq ; /srv/app/vendor/github.com/lib/pq/conn.go ; (*conn).Query",
                "Library github.com/lib/pq/conn#conn.Query",
            ),
            ("runtime ; /usr/local/go/src/runtime/panic.go ; gopanic", "Raise runtime/panic#gopanic"),
            ("runtime ; /usr/local/go/src/runtime/asm_amd64.s ; goexit", "Noise runtime/asm_amd64#goexit"),
        ],
    );
}

#[test]
fn rust() {
    check(
        "rust",
        &[
            (
                " ; src/router.rs ; app::router::Router<S>::route::{{closure}}::h0123456789abcdef",
                "App router#app::router::Router::route",
            ),
            (" ; src/router.rs ; app::router::Router<_>::route::{closure#0}", "App router#app::router::Router::route"),
            (
                " ; src/router.rs ; app::router::Router<_>::route::{closure#0}::{closure#3}",
                "App router#app::router::Router::route",
            ),
            (
                " ; src/router.rs ; <app::router::Router<S> as app::Service>::call",
                "App router#app::router::Router::call",
            ),
            (" ; src/router.rs ; _<app::router::Router as app::Service>::call", "App router#app::router::Router::call"),
            (" ; src/router.rs ; app[1a2b3c4d5e6f7a8b]::router::route", "App router#app::router::route"),
            (" ; src/router.rs ; app::router::route::{{closure}}::inner", "App router#app::router::route::inner"),
            (" ; src/router.rs ; app::router::route::{closure#1}::inner", "App router#app::router::route::inner"),
            (" ; src/router.rs ; app::f::<alloc::vec::Vec<u32>>", "App router#app::f"),
            (" ; ; _ZN3app6router5route17h0123456789abcdefE", "App #app::router::route"),
            (" ; ; _RNvNtCs1234_3app6router5route", "App #app::router::route"),
            (
                " ; /home/ci/.cargo/registry/src/registry-6f17d22bba15001f/serde-1.0.1/src/de.rs ; serde::de::f",
                "Library de#serde::de::f",
            ),
            (
                " ; /rustc/59807616e1fa/library/core/src/option.rs ; core::option::unwrap_failed",
                "Raise option#core::option::unwrap_failed",
            ),
            (" ; ; std::panicking::try::do_call", "Noise #std::panicking::try::do_call"),
        ],
    );
}

#[test]
fn c_and_cpp() {
    check(
        "native",
        &[
            (" ; mesh.cpp ; engine::Mesh::bounds<float>(engine::AABB&) const", "App mesh#engine::Mesh::bounds"),
            (" ; mesh.cpp ; engine::draw(int)::$_3::operator()() const", "App mesh#engine::draw"),
            (" ; mesh.cpp ; engine::draw(int)::{lambda(int)#2}::operator()(int) const", "App mesh#engine::draw"),
            (" ; mesh.cpp ; engine::draw(int)::'lambda'(int)::operator()(int) const", "App mesh#engine::draw"),
            (" ; mesh.cpp ; engine::draw::<lambda_0a1b2c3d>::operator()", "App mesh#engine::draw"),
            (" ; mesh.cpp ; _ZN6engine4Mesh6boundsEv", "App mesh#engine::Mesh::bounds"),
            (" ; mesh.cpp ; engine::Mesh::bounds(int) [clone .cold]", "App mesh#engine::Mesh::bounds"),
            (" ; /b/physics/util.c ; init.part.0", "App physics/util#init"),
            (" ; /b/physics/util.c ; init.isra.0.constprop.3", "App physics/util#init"),
            (" ; /b/sound/util.c ; init", "App sound/util#init"),
            (" ; ; bool `anonymous namespace'::check(int)", "App #(anonymous namespace)::check"),
            (" ; ; {anonymous}::check(int)", "App #(anonymous namespace)::check"),
            (" ; ; engine::Vec::operator<<(int)", "App #engine::Vec::operator<<"),
            (" ; ; engine::Vec::operator bool() const", "App #engine::Vec::operator bool"),
            (" ; ; engine::Functor::operator()(int) const", "App #engine::Functor"),
            (" ; ; engine::Mesh::~Mesh()", "App #engine::Mesh::~Mesh"),
            (" ; ; non-virtual thunk to engine::Mesh::draw()", "App #engine::Mesh::draw"),
            (" ; ; engine::name[abi:cxx11]()", "App #engine::name"),
            (" ; ; draw_mesh+0x1a", "App #draw_mesh"),
            (" ; ; _DrawMesh@12", "App #_DrawMesh"),
            (" ; ; memcpy@@GLIBC_2.14", "App #memcpy"),
            (" ; ; std::__1::vector<int>::at(unsigned long)", "Library #std::vector::at"),
            (" ; ; std::__1::function<void ()>::operator()() const", "Noise #std::function"),
            (" ; ; abort", "Raise #abort"),
            (" ; ; abort_order", "App #abort_order"),
            (" ; ; raise_invoice", "App #raise_invoice"),
            (" ; ; __cxa_throw", "Raise #__cxa_throw"),
            (" ; ; __libc_start_main_impl", "Noise #__libc_start_main_impl"),
        ],
    );
}

#[test]
fn swift_and_objective_c() {
    check(
        "cocoa",
        &[
            (" ; Cart.swift ; closure #2 in closure #1 in Cart.load()", "App Cart#Cart.load"),
            (" ; Cart.swift ; implicit closure #1 in Cart.load(from:)", "App Cart#Cart.load"),
            (" ; Cart.swift ; (1) suspend resume partial function for Cart.load()", "App Cart#Cart.load"),
            (" ; Cart.swift ; (2) await resume partial function for closure #1 in Cart.load()", "App Cart#Cart.load"),
            (" ; Cart.swift ; partial apply for specialized closure #1 in Cart.load()", "App Cart#Cart.load"),
            (" ; Cart.swift ; specialized static Cart.load(from:) -> Int", "App Cart#Cart.load"),
            (" ; Cart.swift ; merged @objc Cart.load()", "App Cart#Cart.load"),
            (" ; Cart.swift ; Cart.items.getter : [Shop.Item]", "App Cart#Cart.items.getter"),
            (" ; Cart.swift ; protocol witness for Loading.load() in conformance Cart", "App Cart#Loading.load"),
            (" ; Cart.swift ; (extension in Shop):Shop.Cart.load() -> ()", "App Cart#Shop.Cart.load"),
            (" ; Cart.swift ; Cart.load<A where A: Item>(_: A)", "App Cart#Cart.load"),
            (" ; Cart.m ; -[Cart load:]", "App Cart#-[Cart load:]"),
            (" ; Cart.m ; __12-[Cart load:]_block_invoke_2", "App Cart#-[Cart load:]"),
            (" ; main.m ; __main_block_invoke.113", "App main#main"),
            (" ; ; objc_exception_throw", "Raise #objc_exception_throw"),
            (" ; ; _dispatch_call_block_and_release", "Noise #_dispatch_call_block_and_release"),
        ],
    );
}

#[test]
fn dart_and_elixir() {
    check(
        "dart",
        &[
            (" ; package:shop/cart/total.dart ; Cart.total.<anonymous closure>", "App cart/total#Cart.total"),
            (" ; package:shop/cart/total.dart ; Cart.total.<fn>", "App cart/total#Cart.total"),
            (" ; package:shop/cart/total.dart ; _CartState._sum@18230", "App cart/total#_CartState._sum"),
            (" ; package:shop/cart/total.dart ; new Cart", "App cart/total#Cart"),
            (" ; ; <asynchronous suspension>", "Noise #"),
            (" ; dart:async/zone.dart ; _rootRun", "Noise dart:async/zone#_rootRun"),
            (" ; dart:core-patch/array.dart ; List.[]", "Library dart:core-patch/array#List.[]"),
            (
                " ; package:flutter/src/widgets/framework.dart ; StatefulElement.build",
                "Library widgets/framework#StatefulElement.build",
            ),
        ],
    );
    check(
        "elixir",
        &[
            ("Elixir.Shop.Cart ; lib/shop/cart.ex ; Shop.Cart.total/1", "App Shop.Cart#total/1"),
            ("Elixir.Shop.Cart ; lib/shop/cart.ex ; anonymous fn/2 in Shop.Cart.total/1", "App Shop.Cart#total/1"),
            ("Elixir.Shop.Cart ; lib/shop/cart.ex ; -total/1-fun-0-/2", "App Shop.Cart#total/1"),
            ("Elixir.Shop.Cart ; lib/shop/cart.ex ; Shop.Cart.-total/1-fun-0-", "App Shop.Cart#total/1"),
            ("Elixir.Enum ; lib/enum.ex ; Enum.map/2", "Library Enum#map/2"),
            ("Elixir.Ecto.Repo ; lib/ecto/repo.ex ; Ecto.Repo.get!/2", "Library Ecto.Repo#get!/2"),
            (":gen_server ; gen_server.erl ; :gen_server.loop/7", "Noise :gen_server#loop/7"),
        ],
    );
    check("perl", &[("Shop::Cart ; /srv/app/lib/Shop/Cart.pm ; total", "App Shop/Cart#total")]);
}
