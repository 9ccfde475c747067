//! How many tests passed, read from the output of the usual runners.
//!
//! It tells people more than an exit code does, and which of two attempts that fail is nearer. It never makes an attempt pass: the output is
//! that of a program that the attempt may have changed.

/// What a runner said of its tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestCounts {
    /// Which runner.
    pub runner: String,
    /// How many passed.
    pub passed: u64,
    /// How many did not, errors included.
    pub failed: u64,
    /// How many did not run.
    pub skipped: u64,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    passed: u64,
    failed: u64,
    skipped: u64,
    found: bool,
}

impl Sum {
    fn add(&mut self, passed: u64, failed: u64, skipped: u64) {
        self.passed = self.passed.saturating_add(passed);
        self.failed = self.failed.saturating_add(failed);
        self.skipped = self.skipped.saturating_add(skipped);
        self.found = true;
    }
}

type Reader = fn(&[&str]) -> Sum;

const READERS: [(&str, Reader); 13] = [
    ("cargo test", cargo),
    ("nextest", nextest),
    ("pytest", pytest),
    ("unittest", unittest),
    ("jest", jest),
    ("vitest", vitest),
    ("mocha", mocha),
    ("go test", go),
    ("maven", maven),
    ("gradle", gradle),
    ("rspec", rspec),
    ("phpunit", phpunit),
    ("tap", tap),
];

/// What the first runner said that is known; `None` if none is.
pub fn read(output: &str) -> Option<TestCounts> {
    let plain = without_colours(output);
    let lines: Vec<&str> = plain.lines().map(str::trim_end).collect();
    READERS.iter().find_map(|(runner, reader)| {
        let sum = reader(&lines);
        sum.found.then(|| TestCounts {
            runner: (*runner).to_owned(),
            passed: sum.passed,
            failed: sum.failed,
            skipped: sum.skipped,
        })
    })
}

fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            plain.push(c);
            continue;
        }
        // `ESC [ … letter`; another escape is one character long.
        if chars.next() == Some('[') {
            let _ = chars.find(char::is_ascii_alphabetic);
        }
    }
    plain
}

/// The number before each of `words`, as in `3 passed, 1 failed`; 0 for one that is not there.
fn before<const N: usize>(text: &str, words: [&str; N]) -> [u64; N] {
    let tokens: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|token| !token.is_empty())
        .collect();
    words.map(|word| {
        let at = tokens.windows(2).find(|pair| pair[1] == word);
        at.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
    })
}

/// The number after each of `words`, as in `Failures: 1, Errors: 0` or `failures=1`.
fn after<const N: usize>(text: &str, words: [&str; N]) -> [u64; N] {
    let tokens: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|token| !token.is_empty())
        .collect();
    words.map(|word| {
        let at = tokens.windows(2).find(|pair| pair[0] == word);
        at.and_then(|pair| pair[1].parse().ok()).unwrap_or(0)
    })
}

fn is_number_first(line: &str) -> bool {
    line.trim_start().starts_with(|c: char| c.is_ascii_digit())
}

fn cargo(lines: &[&str]) -> Sum {
    let mut sum = Sum::default();
    for line in lines {
        if line.trim_start().starts_with("test result: ") {
            let [passed, failed, ignored] = before(line, ["passed", "failed", "ignored"]);
            sum.add(passed, failed, ignored);
        }
    }
    sum
}

fn nextest(lines: &[&str]) -> Sum {
    let mut sum = Sum::default();
    for line in lines {
        if line.trim_start().starts_with("Summary [") && line.contains("tests run:") {
            let [passed, failed, skipped] = before(line, ["passed", "failed", "skipped"]);
            sum.add(passed, failed, skipped);
        }
    }
    sum
}

fn pytest(lines: &[&str]) -> Sum {
    let mut sum = Sum::default();
    for line in lines {
        let line = line.trim_matches(|c: char| c == '=' || c.is_whitespace());
        let is_summary = is_number_first(line)
            && line.contains(" in ")
            && line.ends_with(['s', ')'])
            && [
                "passed",
                "failed",
                "error",
                "skipped",
                "deselected",
                "xfailed",
            ]
            .iter()
            .any(|word| line.contains(word))
            && !line.contains("tests run");
        if is_summary {
            let [passed, failed, one, errors, skipped, expected] = before(
                line,
                ["passed", "failed", "error", "errors", "skipped", "xfailed"],
            );
            sum.add(passed, failed + one + errors, skipped + expected);
        }
    }
    sum
}

fn unittest(lines: &[&str]) -> Sum {
    let mut sum = Sum::default();
    let mut ran = None;
    for line in lines {
        if line.starts_with("Ran ") && line.contains(" test") {
            let [one, several] = before(line, ["test", "tests"]);
            ran = Some(one + several);
        } else if (line.starts_with("OK") || line.starts_with("FAILED ("))
            && let Some(ran) = ran.take()
        {
            let [failures, errors, skipped, expected, unexpected] = after(
                line,
                ["failures", "errors", "skipped", "expected", "unexpected"],
            );
            let failed = failures + errors + unexpected;
            let _ = expected;
            sum.add(ran.saturating_sub(failed + skipped), failed, skipped);
        }
    }
    sum
}

fn jest(lines: &[&str]) -> Sum {
    let mut sum = Sum::default();
    for line in lines {
        let line = line.trim_start();
        if line.starts_with("Tests:") && line.contains(" total") {
            let [passed, failed, skipped, todo] =
                before(line, ["passed", "failed", "skipped", "todo"]);
            sum.add(passed, failed, skipped + todo);
        }
    }
    sum
}

fn vitest(lines: &[&str]) -> Sum {
    let mut sum = Sum::default();
    for line in lines {
        let line = line.trim_start();
        if line.starts_with("Tests  ") && line.ends_with(')') {
            let [passed, failed, skipped, todo] =
                before(line, ["passed", "failed", "skipped", "todo"]);
            sum.add(passed, failed, skipped + todo);
        }
    }
    sum
}

fn mocha(lines: &[&str]) -> Sum {
    let mut sum = Sum::default();
    for line in lines {
        let line = line.trim_start();
        let is = |word: &str| is_number_first(line) && line.split(' ').nth(1) == Some(word);
        if is("passing") && line.ends_with(')') {
            let [passed] = before(line, ["passing"]);
            sum.add(passed, 0, 0);
        } else if sum.found && is("failing") {
            let [failed] = before(line, ["failing"]);
            sum.add(0, failed, 0);
        } else if sum.found && is("pending") {
            let [pending] = before(line, ["pending"]);
            sum.add(0, 0, pending);
        }
    }
    sum
}

/// With `-v` each test says how it came out; without, packages do.
fn go(lines: &[&str]) -> Sum {
    let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count() as u64;
    let packages = count("ok  \t") + count("FAIL\t");
    let (passed, failed, skipped) = (
        count("--- PASS: "),
        count("--- FAIL: "),
        count("--- SKIP: "),
    );
    let mut sum = Sum::default();
    if packages == 0 && !lines.contains(&"PASS") && !lines.contains(&"FAIL") {
        return sum;
    }
    if passed + skipped > 0 {
        sum.add(passed, failed, skipped);
    } else if packages > 0 || failed > 0 {
        sum.add(count("ok  \t"), failed.max(count("FAIL\t")), 0);
    }
    sum
}

fn maven(lines: &[&str]) -> Sum {
    let is_count = |line: &&&str| line.contains("Tests run:") && line.contains("Failures:");
    let of_class = |line: &&str| line.contains("Time elapsed");
    let all: Vec<&str> = lines.iter().filter(is_count).copied().collect();
    // Those of classes, which the totals of modules only repeat.
    let has_classes = all.iter().any(of_class);
    let mut sum = Sum::default();
    for line in all.iter().filter(|line| !has_classes || of_class(line)) {
        let [run, failures, errors, skipped] =
            after(line, ["run", "Failures", "Errors", "Skipped"]);
        let failed = failures + errors;
        sum.add(run.saturating_sub(failed + skipped), failed, skipped);
    }
    sum
}

fn gradle(lines: &[&str]) -> Sum {
    let mut sum = Sum::default();
    for line in lines {
        if is_number_first(line)
            && (line.contains("tests completed") || line.contains("test completed"))
        {
            let [one, several] = before(line, ["test", "tests"]);
            let [failed, skipped] = before(line, ["failed", "skipped"]);
            sum.add(
                (one + several).saturating_sub(failed + skipped),
                failed,
                skipped,
            );
        }
    }
    sum
}

fn rspec(lines: &[&str]) -> Sum {
    let mut sum = Sum::default();
    for line in lines {
        if is_number_first(line) && line.contains(" example") && line.contains(" failure") {
            let [one, several, failure, failures, pending] = before(
                line,
                ["example", "examples", "failure", "failures", "pending"],
            );
            let failed = failure + failures;
            let passed = (one + several).saturating_sub(failed + pending);
            sum.add(passed, failed, pending);
        }
    }
    sum
}

fn phpunit(lines: &[&str]) -> Sum {
    let mut sum = Sum::default();
    for line in lines {
        if line.starts_with("OK (") && line.contains("assertion") {
            let [one, several] = before(line, ["test", "tests"]);
            sum.add(one + several, 0, 0);
        } else if line.starts_with("Tests: ") && line.contains("Assertions: ") {
            let [tests, failures, errors, skipped, incomplete] = after(
                line,
                ["Tests", "Failures", "Errors", "Skipped", "Incomplete"],
            );
            let (failed, left_out) = (failures + errors, skipped + incomplete);
            sum.add(tests.saturating_sub(failed + left_out), failed, left_out);
        }
    }
    sum
}

/// Lines of tests after a version or a plan. What is indented belongs to a test that is counted itself.
fn tap(lines: &[&str]) -> Sum {
    let is_plan = |line: &&str| {
        line.starts_with("TAP version")
            || line
                .strip_prefix("1..")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut sum = Sum::default();
    if !lines.iter().any(is_plan) {
        return sum;
    }
    for line in lines {
        let is_left_out = || {
            let upper = line.to_ascii_uppercase();
            upper.contains("# SKIP") || upper.contains("# TODO")
        };
        let (is_ok, is_not) = (line.starts_with("ok "), line.starts_with("not ok "));
        if (is_ok || is_not) && is_left_out() {
            sum.add(0, 0, 1);
        } else if is_ok || is_not {
            sum.add(u64::from(is_ok), u64::from(is_not), 0);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends of real outputs.
    const OUTPUTS: [(&str, &str); 22] = [
        (
            "cargo test 5 1 1",
            "test a ... ok\ntest result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\ntest result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured",
        ),
        (
            "nextest 4 1 2",
            "     Summary [   0.512s] 5 tests run: 4 passed, 1 failed, 2 skipped",
        ),
        (
            "pytest 2 1 1",
            "FAILED test_a.py::test_b - assert 1 == 2\n\u{1b}[31m=========== \u{1b}[31m\u{1b}[1m1 failed\u{1b}[0m, \u{1b}[32m2 passed\u{1b}[0m, \u{1b}[33m1 skipped\u{1b}[0m\u{1b}[31m in 0.12s\u{1b}[0m ====",
        ),
        (
            "pytest 2 0 0",
            "..                                        [100%]\n2 passed in 0.01s",
        ),
        ("pytest 0 1 0", "=========== 1 error in 0.05s ==========="),
        (
            "pytest 10 0 0",
            "=== 10 passed, 3 warnings in 65.02s (0:01:05) ===",
        ),
        ("unittest 4 0 1", "Ran 5 tests in 0.001s\n\nOK (skipped=1)"),
        (
            "unittest 2 3 0",
            "Ran 5 tests in 0.001s\n\nFAILED (failures=1, errors=2)",
        ),
        ("unittest 1 0 0", "Ran 1 test in 0.000s\n\nOK"),
        (
            "jest 2 1 0",
            "Test Suites: 1 failed, 1 total\nTests:       1 failed, 2 passed, 3 total\nSnapshots:   0 total",
        ),
        (
            "vitest 2 1 0",
            " Test Files  1 failed (1)\n      Tests  1 failed | 2 passed (3)\n   Start at  10:00:00",
        ),
        (
            "mocha 5 1 2",
            "  5 passing (12ms)\n  2 pending\n  1 failing",
        ),
        (
            "go test 2 1 0",
            "=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- PASS: TestA/sub (0.00s)\n--- PASS: TestB (0.00s)\n--- FAIL: TestC (0.00s)\nFAIL\nFAIL\texample.com/a\t0.002s",
        ),
        (
            "go test 1 2 0",
            "ok  \texample.com/a\t0.002s\n--- FAIL: TestC (0.00s)\n--- FAIL: TestD (0.00s)\nFAIL\nFAIL\texample.com/b\t0.002s",
        ),
        (
            "go test 1 1 0",
            "ok  \texample.com/a\t0.002s\nFAIL\texample.com/b [build failed]",
        ),
        (
            "maven 6 2 1",
            "[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 1, Time elapsed: 0.1 s -- in A\n[ERROR] Tests run: 4, Failures: 1, Errors: 1, Skipped: 0, Time elapsed: 0.1 s <<< FAILURE!\n[ERROR] Tests run: 9, Failures: 1, Errors: 1, Skipped: 1",
        ),
        ("gradle 3 1 1", "5 tests completed, 1 failed, 1 skipped"),
        (
            "rspec 3 1 1",
            "Finished in 0.01 seconds\n5 examples, 1 failure, 1 pending",
        ),
        ("phpunit 5 0 0", "OK (5 tests, 7 assertions)"),
        (
            "phpunit 2 2 1",
            "FAILURES!\nTests: 5, Assertions: 7, Failures: 1, Errors: 1, Skipped: 1.",
        ),
        (
            "tap 1 1 1",
            "TAP version 13\nok 1 - a\n    not ok 1 - within\nnot ok 2 - b\nok 3 - c # SKIP later\n1..3",
        ),
        ("tap 2 0 0", "1..2\nok 1\nok 2"),
    ];

    #[test]
    fn the_usual_runners_are_understood() {
        for (expected, output) in OUTPUTS {
            let counts = read(output).unwrap_or_else(|| panic!("nothing read: {output}"));
            let TestCounts {
                runner,
                passed,
                failed,
                skipped,
            } = counts;
            assert_eq!(
                format!("{runner} {passed} {failed} {skipped}"),
                expected,
                "{output}"
            );
        }
    }

    #[test]
    fn other_output_counts_nothing() {
        for output in [
            "",
            "all good",
            "3 passed the gate in style",
            "OK",
            "Ran 5 miles",
            "ok 1 - but no plan",
            "Tests: none",
            "\u{1b}",
            "\u{1b}[",
            "999999999999999999999999 passed in 1s and 3 tests run",
        ] {
            assert_eq!(read(output), None, "{output}");
        }
    }
}
