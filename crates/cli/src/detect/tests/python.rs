//! Python projects.

use super::{TESTED, all_shown};

#[test]
fn each_has_its_commands() {
    let shown = all_shown(&[
        (
            "requirements and pytest",
            &[
                ("requirements.txt", "flask==3.0\n"),
                ("requirements-dev.txt", "pytest==8\n"),
                ("tests/test_app.py", "def test_it(): pass\n"),
                (".python-version", "3.11.4\n"),
            ],
        ),
        (
            "a package with extras and groups",
            &[
                (
                    "pyproject.toml",
                    "[build-system]\nrequires = ['hatchling']\n[project]\nname = 'x'\n\
                requires-python = '>=3.9'\n[project.optional-dependencies]\ntest = ['pytest']\ndocs = ['sphinx']\n\
                [dependency-groups]\ndev = ['ruff']\n[tool.pytest.ini_options]\naddopts = '-q'\n",
                ),
                ("src/x/__init__.py", ""),
            ],
        ),
        (
            "uv",
            &[
                (
                    "pyproject.toml",
                    "[project]\nname = 'x'\nrequires-python = '==3.12.*'\n[dependency-groups]\ndev = ['pytest']\n",
                ),
                ("uv.lock", "version = 1\n"),
            ],
        ),
        (
            "poetry",
            &[
                (
                    "pyproject.toml",
                    "[tool.poetry]\nname = 'x'\n[tool.poetry.group.dev.dependencies]\npytest = '*'\n\
                [build-system]\nrequires = ['poetry-core']\n",
                ),
                ("poetry.lock", ""),
            ],
        ),
        (
            "a manager without a lock file: its groups are not installed",
            &[(
                "pyproject.toml",
                "[project]\nname = 'x'\n[tool.pdm.dev-dependencies]\ntest = ['pytest']\n",
            )],
        ),
        (
            "pdm",
            &[
                (
                    "pyproject.toml",
                    "[project]\nname = 'x'\n[tool.pdm.dev-dependencies]\ntest = ['pytest']\n",
                ),
                ("pdm.lock", ""),
            ],
        ),
        (
            "pipenv",
            &[
                (
                    "Pipfile",
                    "[packages]\nflask = '*'\n[dev-packages]\npytest = '*'\n[requires]\npython_version = '3.10'\n",
                ),
                ("Pipfile.lock", "{}"),
            ],
        ),
        (
            "setup.py and unittest",
            &[
                (
                    "setup.py",
                    "from setuptools import setup\nsetup(name='x')\n",
                ),
                ("tests/__init__.py", ""),
                (
                    "tests/test_x.py",
                    "import unittest\nclass T(unittest.TestCase): ...\n",
                ),
            ],
        ),
        (
            "setup.py and tests that need pytest without saying so",
            &[
                ("setup.py", "setup()"),
                ("test/x_test.py", "import pytest, unittest\n"),
            ],
        ),
        (
            "tox",
            &[
                ("setup.cfg", "[metadata]\nname = x\n"),
                ("setup.py", "setup()"),
                (
                    "tox.ini",
                    "[tox]\nenvlist = py39,py310\n[testenv]\ncommands = nose2\n",
                ),
            ],
        ),
        (
            "django",
            &[
                ("requirements.txt", "django\n"),
                ("manage.py", "#!/usr/bin/env python\n"),
            ],
        ),
        (
            "nothing but the standard library",
            &[("app.py", ""), ("tests/test_app.py", "import unittest\n")],
        ),
        (
            "a module and its test",
            &[("app.py", ""), ("test_app.py", "import unittest\n")],
        ),
        (
            "tests below another project",
            &[
                ("package.json", TESTED),
                ("package-lock.json", "{}"),
                ("web/tests/test_app.py", "import unittest\n"),
            ],
        ),
        (
            "only the settings of a tool",
            &[("pyproject.toml", "[tool.black]\nline-length = 100\n")],
        ),
    ]);
    insta::assert_snapshot!(shown);
}
