//! Which files decide whether tests pass, by their paths.

/// Whether a file at this path, relative to its repository, is part of the tests by what projects usually call them.
pub fn is_test_file(path: &str) -> bool {
    let mut parts = path.split('/').rev();
    let name = parts.next().unwrap_or_default();
    parts.any(is_test_folder) || is_test_name(name)
}

fn is_test_folder(name: &str) -> bool {
    matches!(
        name,
        "test" | "tests" | "__tests__" | "__snapshots__" | "spec" | "testdata"
    )
}

fn is_test_name(name: &str) -> bool {
    if decides_for_all(name) {
        return true;
    }
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    let is_python_test = extension == "py" && (stem.starts_with("test_") || stem == "tests");
    let is_java_test = matches!(extension, "java" | "kt" | "scala" | "groovy" | "cs" | "php")
        && (stem.ends_with("Test") || stem.ends_with("Tests") || stem.ends_with("IT"));
    is_python_test
        || is_java_test
        || extension == "bats"
        || extension == "snap"
        || [
            "_test", "_tests", "_spec", "-test", "-spec", ".test", ".spec",
        ]
        .iter()
        .any(|end| stem.ends_with(end))
}

/// Whether it decides which tests run and how, wherever it lies: also one that was added can make all of them pass.
pub fn decides_for_all(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    matches!(name, "conftest.py" | "pytest.ini" | "sitecustomize.py")
        || ["jest.config.", "vitest.config.", ".mocharc."]
            .iter()
            .any(|start| name.starts_with(start))
}

/// Whether the verify command names the file, as it stands or below the repository: `bash check.sh`, `./scripts/ci.sh --fast`.
pub fn is_named_in(command: &str, path: &str) -> bool {
    let is_separator = |c: char| c.is_whitespace() || "\"'`;|&()<>=".contains(c);
    command
        .split(is_separator)
        .map(|word| word.trim_start_matches("./"))
        .any(|word| word == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_by_their_paths() {
        for path in [
            "tests/it.rs",
            "crates/a/tests/data/x.json",
            "src/__tests__/a.js",
            "pkg/sum_test.go",
            "test_app.py",
            "app/test_views.py",
            "src/sum.spec.ts",
            "src/sum.test.jsx",
            "spec/models/user_spec.rb",
            "src/test/java/org/AppTest.java",
            "conftest.py",
            "jest.config.js",
        ] {
            assert!(is_test_file(path), "{path}");
        }
        for path in [
            "src/lib.rs",
            "src/contest.py",
            "latest.py",
            "testing.md",
            "src/attest/mod.rs",
            "protest",
            "",
        ] {
            assert!(!is_test_file(path), "{path}");
        }
    }

    #[test]
    fn a_command_names_its_own_files() {
        assert!(is_named_in("bash check.sh && true", "check.sh"));
        assert!(is_named_in("./scripts/ci.sh", "scripts/ci.sh"));
        assert!(is_named_in("sh -c 'python run.py'", "run.py"));
        assert!(!is_named_in("bash check.sh", "heck.sh"));
        assert!(!is_named_in("make", "Makefile"));
    }
}
