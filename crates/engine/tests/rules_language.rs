//! The rule languages as text: what is read, what is refused and where, and that `Display` round-trips.

#![allow(clippy::unwrap_used, clippy::panic, clippy::too_many_lines, reason = "a test made of tables")]

use engine::grouping::Rules;
use engine::grouping::rules::syntax::{
    Action, Field, FingerprintRule, Flag, Line, Matcher, Part, Range, RuleText, StackRule,
};
use engine::grouping::rules::{self, Problem};
use engine::limits;
use proptest::prelude::*;

#[test]
fn rules_are_written_in_one_way() {
    let rows = [
        ("error.type:DatabaseUnavailable -> system-down", "error.type:DatabaseUnavailable -> system-down"),
        ("  type:A   ->  a,b , c # why", "error.type:A -> a, b, c # why"),
        ("type:A -> a b", "error.type:A -> a, b"),
        (
            "value:\"connection error: *\" -> x, {{transaction}}",
            "error.value:\"connection error: *\" -> x, {{ transaction }}",
        ),
        ("type:A -> \"{{ default }}\", \"a b\"", "error.type:A -> {{ default }}, \"a b\""),
        (
            "!logger:my.* level:error -> x title=\"A {{ type }}\"",
            "!logger:my.* level:error -> x title=\"A {{ type }}\"",
        ),
        ("\"tags.a:b\":1 -> x,", "\"tags.a:b\":1 -> x"),
        ("tags.server_name:web-* -> {{ tags.server_name }}", "tags.server_name:web-* -> {{ tags.server_name }}"),
        ("message:\"a\\tb\\\"c\\\\\" -> \"#1\"", "message:\"a\\tb\\\"c\\\\\" -> \"#1\""),
        ("type:A -> a=b", "error.type:A -> \"a=b\""),
        ("\t# a comment", "# a comment"),
        ("", ""),
        ("type:\"\\x41\\u00df\\x00\" -> a", "error.type:Aß\\x00 -> a"),
    ];
    for (text, expected) in rows {
        let parsed = rules::fingerprint_rules(text).unwrap();
        assert_eq!(parsed.text.to_string(), expected, "{text}");
        assert_eq!(rules::fingerprint_rules(expected).unwrap().text, parsed.text, "{text}");
    }
    let rows = [
        ("family:native function:std::*   -app", "family:native stack.function:std::* -app"),
        ("[ category:gl ] | category:gl category = internals", "[ category:gl ] | category:gl category=internals"),
        (
            "function:<module> | [ function:spawn_main ] -app -group",
            "stack.function:<module> | [ stack.function:spawn_main ] -app -group",
        ),
        (
            "[ !category:system ] | category:system | [ !category:system ] category=x",
            "[ !category:system ] | category:system | [ !category:system ] category=x",
        ),
        (
            "error.type:T stack.module:app.* max-frames=1 min-frames=2",
            "error.type:T stack.module:app.* max-frames=1 min-frames=2",
        ),
        ("stack.function:logAndThrow v-group ^+app -group", "stack.function:logAndThrow v-group ^+app -group"),
        ("function:a +app-group", "stack.function:a +app -group"),
        (
            "function:a ^-prefix invert-stacktrace=1 +sentinel",
            "stack.function:a ^-prefix invert-stacktrace=1 +sentinel",
        ),
        ("path:\"C:/Program Files/**\" -app", "stack.abs_path:\"C:/Program Files/**\" -app"),
        (
            "function:\"-\\[NSISEngine*\" category=ui  # auto-layout",
            "stack.function:-\\[NSISEngine* category=ui # auto-layout",
        ),
    ];
    for (text, expected) in rows {
        let parsed = rules::stack_rules(text).unwrap();
        assert_eq!(parsed.text.to_string(), expected, "{text}");
        assert_eq!(rules::stack_rules(expected).unwrap().text, parsed.text, "{text}");
    }
}

#[test]
fn every_mistake_has_its_place_and_an_advice() {
    let fingerprint = [
        ("type:A", 1, 7, "the rule has no fingerprint: write `->` and its parts behind the matchers"),
        ("-> a", 1, 3, "a rule needs at least one matcher before `->`, such as error.type:TimeoutError"),
        ("type:A ->", 1, 10, "the fingerprint is empty: write its parts behind `->`, such as `-> database-down`"),
        (
            "type:A -> # none",
            1,
            11,
            "the fingerprint is empty: write its parts behind `->`, such as `-> database-down`",
        ),
        ("type: A -> a", 1, 6, "type: needs a value right behind the colon; with spaces in it, put it in quotes"),
        ("type A -> a", 1, 1, "\"type\" is no matcher: write field:pattern, and put patterns with spaces in quotes"),
        ("type:A b -> a", 1, 8, "\"b\" is no matcher: write field:pattern, and put patterns with spaces in quotes"),
        ("tpye:A -> a", 1, 1, "there is no matcher tpye: write type"),
        ("\n\n  stack.path:A -> a", 3, 3, "there is no matcher stack.path: write path"),
        ("Level:error -> a", 1, 1, "there is no matcher Level: write level"),
        (
            "user.email:a -> a",
            1,
            1,
            "there is no matcher user.email: use one of error.type, error.value, error.mechanism, message, logger, level, sdk, release, family, stack.abs_path, stack.module, stack.function, stack.package, app, category, or tags.NAME",
        ),
        ("tags.:a -> a", 1, 1, "there is no matcher tags.: use one of"),
        ("value:\"abc -> a", 1, 7, "the quote does not end: write another \" on the same line"),
        (
            "value:\"abc\"x -> a",
            1,
            12,
            "something follows the quote: write a space behind it, or \\\" for a quote inside",
        ),
        ("ä:1 -> a", 1, 1, "'ä' begins neither a matcher nor anything else: write field:pattern"),
        ("type:\"ä ö\" ?x -> a", 1, 12, "'?' begins neither a matcher nor anything else: write field:pattern"),
        ("app:maybe -> a", 1, 5, "app is yes or no"),
        (
            "family:python -> a",
            1,
            8,
            "there is no family \"python\": use native, javascript, other or all, with commas between them",
        ),
        ("type:A -> a,, b", 1, 13, "a part is missing before this comma: remove the comma, or write the part"),
        ("type:A -> {{ default", 1, 11, "the variable does not end: write `}}` behind its name"),
        ("type:A -> {{ a b }}", 1, 11, "a variable is one name in braces, such as {{ transaction }}"),
        ("type:A -> {a}", 1, 11, "a brace in a part needs quotes around the part; a variable has two braces"),
        ("type:A -> a title=b", 1, 13, "a title stands in quotes: write title=\"…\""),
        ("type:A -> a name=\"b\"", 1, 13, "a fingerprint has no attribute name: the only one is title=\"…\""),
        ("type:A -> a title=\"b\" title=\"c\"", 1, 32, "the rule has two titles: keep one"),
        (
            "[ type:A ] | type:B -> a",
            1,
            1,
            "only stack-trace rules can ask for callers and callees: leave the brackets out",
        ),
        ("type:\0A -> a", 1, 6, "here is a NUL character, which cannot be stored: remove it"),
        ("type=A -> a", 1, 1, "type= is no matcher: write type:pattern, or put actions last"),
    ];
    for (text, line, column, message) in fingerprint {
        check(text, &rules::fingerprint_rules(text).unwrap_err(), line, column, message);
    }
    let stack = [
        ("function:a", 1, 11, "the rule does nothing: end it with an action such as -app, -group or category=name"),
        ("-app", 1, 5, "a rule needs at least one matcher, such as stack.function:std::*"),
        (
            "function:a -> b",
            1,
            12,
            "`->` belongs to fingerprint rules: a stack-trace rule ends in actions such as -app",
        ),
        ("function:a -ap", 1, 13, "there is no action \"ap\": + and - go with app and group"),
        ("function:a +grp", 1, 13, "there is no action \"grp\": + and - go with app and group"),
        ("function:a ^group", 1, 12, "`^` stands before + or -: write ^-group for all frames towards the crash"),
        (
            "function:a -app function:b -app",
            1,
            17,
            "matchers come before callees and actions: begin another rule on a line of its own",
        ),
        ("logger:a -app", 1, 1, "stack-trace rules see frames and their exception, not logger: use a fingerprint rule"),
        ("tags.a:b -app", 1, 1, "stack-trace rules see frames and their exception, not tags.a: use a fingerprint rule"),
        ("function:a max-frames=x", 1, 23, "max-frames needs a number of frames, such as max-frames=3"),
        ("function:a category=", 1, 21, "category needs a name of letters, digits, _, . and -"),
        (
            "function:a frames=3",
            1,
            12,
            "there is no action frames=: use category=, max-frames= or min-frames=, or a colon for a matcher",
        ),
        ("[ function:a | function:b -app", 1, 14, "the bracket does not end: write one matcher, a space and `]`"),
        ("[function:a]| function:b -app", 1, 15, "the bracket does not end: write one matcher, a space and `]`"),
        ("[ function:a ] function:b -app", 1, 16, "a caller is followed by a bar: write `[ … ] | matcher`"),
        ("function:a | function:b -app", 1, 14, "a callee stands in brackets: write `| [ stack.function:name ]`"),
        (
            "| [ function:b ] -app",
            1,
            3,
            "a bar stands once between a frame and its callee: write `matcher | [ … ] action`",
        ),
        (
            "[ type:a ] | function:b -app",
            1,
            11,
            "all frames of a stack have the same exception: ask for it outside of the brackets",
        ),
    ];
    for (text, line, column, message) in stack {
        check(text, &rules::stack_rules(text).unwrap_err(), line, column, message);
    }
}

fn check(text: &str, problems: &[Problem], line: u32, column: u32, message: &str) {
    let [Problem { line: l, column: c, message: m }] = problems else { panic!("{text}: {problems:?}") };
    assert_eq!((*l, *c), (line, column), "{text}: {m}");
    assert!(m.starts_with(message), "{text}:\n{m}\n{message}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let problems = rules::fingerprint_rules("typ:A -> a\ntype:B -> b\r\n\nx\n# y\napp:1 ->").unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [1, 4, 6]);
    let problems = Rules::compile("x", "y").unwrap_err();
    assert_eq!((problems.fingerprint.len(), problems.stack.len()), (1, 1));
    assert!(problems.to_string().starts_with("fingerprint rules, line 1, column 1: \"x\" is no matcher"));
}

#[test]
fn what_does_less_than_it_says_is_a_warning() {
    let parsed = rules::stack_rules("function:a ^-prefix -group\nfunction:b invert-stacktrace=1").unwrap();
    assert_eq!(parsed.warnings.len(), 2);
    assert_eq!((parsed.warnings[0].line, parsed.warnings[0].column), (1, 12));
    assert!(parsed.warnings[0].message.contains("`prefix` was an action of older servers and does nothing"));
    let parsed = rules::fingerprint_rules("type:a -> {{ transacton }}, {{ tags.x }}, {{ raw_message }}").unwrap();
    assert_eq!(parsed.warnings.len(), 1);
    assert!(parsed.warnings[0].message.starts_with("there is no variable {{ transacton }}"));
}

#[test]
fn every_size_has_a_bound() {
    let one = |text: String, message: &str| {
        let problems = rules::stack_rules(&text).unwrap_err();
        assert!(problems.last().unwrap().message.contains(message), "{problems:?}");
    };
    one("#".repeat(limits::RULES_BYTES_MAX + 1), "shorten it");
    one("function:a -app\n".repeat(limits::RULES_MAX + 1), "more than 1000 rules");
    one(format!("function:{} -app", "a".repeat(limits::RULE_LINE_CHARS_MAX)), "longer than 4096 characters");
    one(format!("{}-app", "function:a ".repeat(limits::RULE_MATCHERS_MAX + 1)), "at most 32 matchers");
    one(format!("function:a{}", " -app".repeat(limits::RULE_ACTIONS_MAX + 1)), "at most 16 actions");
    assert!(rules::stack_rules(&"x\n".repeat(5000)).unwrap_err().len() <= 100);
    let huge = format!("function:{} -app", "[a-z]*?".repeat(500));
    let problems = Rules::compile("", &huge).unwrap_err();
    assert!(problems.to_string().contains("too large"), "{problems}");
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9_.:*?/-]{1,12}", "\\PC{1,12}", "[ \"\\\\\n\t\r#,{}=|\\[\\]!^v+-]{1,8}"]
}

fn key() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_.-]{1,8}"
}

fn matcher(stack: bool) -> impl Strategy<Value = Matcher> {
    let frame = vec![Field::Path, Field::Module, Field::Function, Field::Package, Field::Category];
    let mut fields = frame;
    if !stack {
        fields.extend([Field::Message, Field::Logger, Field::Level, Field::Sdk, Field::Release]);
    }
    let plain = (prop::sample::select(fields), word());
    let app = prop::sample::select(vec!["yes", "no", "1", "False"]).prop_map(|on| (Field::App, on.to_owned()));
    let families = prop::sample::select(vec!["native", "javascript,other", "all"]);
    let family = families.prop_map(|family| (Field::Family, family.to_owned()));
    let either = if stack {
        prop_oneof![plain, app, family].boxed()
    } else {
        let tag = (word(), word()).prop_map(|(name, value)| (Field::Tag(name), value));
        prop_oneof![plain, app, family, tag].boxed()
    };
    (any::<bool>(), either).prop_map(|(negated, (field, pattern))| Matcher { negated, field, pattern })
}

fn action() -> impl Strategy<Value = Action> {
    let range = prop::sample::select(vec![None, Some(Range::Up), Some(Range::Down)]);
    let flag = (range, any::<bool>(), prop::sample::select(vec![Flag::App, Flag::Group]));
    prop_oneof![
        flag.prop_map(|(range, on, flag)| Action::Flag { range, on, flag }),
        key().prop_map(Action::Category),
        any::<u32>().prop_map(Action::MaxFrames),
        any::<u32>().prop_map(Action::MinFrames),
        prop::sample::select(vec!["+prefix", "v-sentinel", "invert-stacktrace=1"])
            .prop_map(|text| Action::Historic(text.to_owned())),
    ]
}

fn comment() -> impl Strategy<Value = Option<String>> {
    prop::option::of("\\PC{0,20}")
}

fn stack_text() -> impl Strategy<Value = RuleText<StackRule>> {
    let neighbour = || prop::option::of(matcher(true));
    let rule =
        (neighbour(), prop::collection::vec(matcher(true), 1..4), neighbour(), prop::collection::vec(action(), 1..4))
            .prop_map(|(caller, matchers, callee, actions)| StackRule { caller, matchers, callee, actions });
    lines(rule)
}

fn fingerprint_text() -> impl Strategy<Value = RuleText<FingerprintRule>> {
    let variable = "[a-zA-Z0-9_.:-]{1,10}".prop_map(Part::Variable);
    // A text that is a whole variable is written as one.
    let text = word().prop_filter("a variable", |text| !text.contains("{{")).prop_map(Part::Text);
    let parts = prop::collection::vec(prop_oneof![variable, text], 1..4);
    let rule = (prop::collection::vec(matcher(false), 1..4), parts, prop::option::of(word()))
        .prop_map(|(matchers, parts, title)| FingerprintRule { matchers, parts, title });
    lines(rule)
}

fn lines<R: std::fmt::Debug + Clone>(rule: impl Strategy<Value = R>) -> impl Strategy<Value = RuleText<R>> {
    let line = (prop::option::of(rule), comment()).prop_map(|(rule, comment)| Line { rule, comment });
    prop::collection::vec(line, 1..6).prop_map(|lines| RuleText { lines })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(stack in stack_text(), fingerprint in fingerprint_text()) {
        let text = stack.to_string();
        prop_assert_eq!(&rules::stack_rules(&text).unwrap().text, &stack, "{}", text);
        let text = fingerprint.to_string();
        prop_assert_eq!(&rules::fingerprint_rules(&text).unwrap().text, &fingerprint, "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-z:!*\"\\\\\\[\\]|{}>,=# \n\t^v+-]{0,80}") {
        for problem in rules::stack_rules(&text).err().into_iter().flatten() {
            prop_assert!(problem.line >= 1 && problem.column >= 1 && !problem.message.is_empty());
        }
        if let Ok(parsed) = rules::fingerprint_rules(&text) {
            let again = rules::fingerprint_rules(&parsed.text.to_string()).unwrap();
            prop_assert_eq!(again.text, parsed.text);
        }
    }
}
