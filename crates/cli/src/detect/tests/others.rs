//! Rust, Go, Java, Ruby, PHP, make.

use super::all_shown;

#[test]
fn each_has_its_commands() {
    let shown = all_shown(&[
        (
            "rust with a workspace",
            &[
                ("Cargo.toml", "[workspace]\nmembers = ['crates/*']\n"),
                ("Cargo.lock", "version = 4\n"),
                ("crates/a/Cargo.toml", "[package]\nname = 'a'\n"),
                (
                    "rust-toolchain.toml",
                    "[toolchain]\nchannel = \"1.75.0\"\ncomponents = ['clippy']\n",
                ),
            ],
        ),
        (
            "a rust library on nightly, with a fuzzer of its own",
            &[
                ("Cargo.toml", "[package]\nname = 'a'\n"),
                ("rust-toolchain", "nightly-2026-01-01\n"),
                ("fuzz/Cargo.toml", "[package]\nname = 'fuzz'\n"),
                ("fuzz/Cargo.lock", ""),
            ],
        ),
        (
            "go, a workspace with two modules, one of them vendored",
            &[
                ("go.work", "go 1.24\nuse ./api\nuse ./cli\n"),
                ("api/go.mod", "module h/api\n\ngo 1.22\n"),
                ("cli/go.mod", "module h/cli\n"),
                ("cli/vendor/modules.txt", ""),
                ("vendor/x/go.mod", "module x\n"),
            ],
        ),
        (
            "maven with a wrapper and a module",
            &[
                (
                    "pom.xml",
                    "<project><properties><java.version>17</java.version></properties></project>",
                ),
                ("mvnw", "#!/bin/sh"),
                ("core/pom.xml", "<project/>"),
                (".sdkmanrc", "java=17.0.9-tem\n"),
            ],
        ),
        (
            "maven without one",
            &[("pom.xml", "<project/>"), (".java-version", "21")],
        ),
        (
            "gradle",
            &[
                ("settings.gradle.kts", "include(\"app\")"),
                ("gradlew", ""),
                (
                    "app/build.gradle.kts",
                    "java { toolchain { languageVersion = JavaLanguageVersion.of(17) } }",
                ),
            ],
        ),
        (
            "gradle without a wrapper",
            &[(
                "build.gradle",
                "java { toolchain { languageVersion.set(JavaLanguageVersion.of(21)) } }",
            )],
        ),
        (
            "ruby, specs",
            &[("Gemfile.lock", ""), ("spec/a/b_spec.rb", "")],
        ),
        (
            "rails",
            &[
                ("Gemfile.lock", ""),
                ("bin/rails", ""),
                ("Rakefile", ""),
                ("test/a_test.rb", ""),
            ],
        ),
        (
            "a gem",
            &[
                ("Gemfile.lock", ""),
                ("Rakefile", ""),
                ("test/a_test.rb", ""),
            ],
        ),
        (
            "php",
            &[
                ("composer.lock", "{}"),
                ("composer.json", "{}"),
                ("phpunit.xml.dist", ""),
            ],
        ),
        (
            "php with a script",
            &[
                ("composer.lock", "{}"),
                ("composer.json", r#"{"scripts": {"test": ["phpunit"]}}"#),
            ],
        ),
        (
            "make alone",
            &[(
                "Makefile",
                ".PHONY: setup\nCC := gcc\nsetup:\n\tapt-get install x\nlint test: build\n\t./t\ncheck:\n",
            )],
        ),
        (
            "make with nothing to say",
            &[(
                "Makefile",
                "test := x\ntest ::= y\n# test:\n\ttest:\nall:\n",
            )],
        ),
        (
            "make beside another",
            &[("Makefile", "setup:\ncheck:\n"), ("go.mod", "module h/x\n")],
        ),
        ("nothing", &[("README.md", "# x")]),
    ]);
    insta::assert_snapshot!(shown);
}
