//! Every probe, in every kind of sandbox, under the worker of whoever runs the tests and of an ordinary user.

mod attempts;
mod isolation;
mod judge;
mod layers;
mod model;
mod plants;

use self::attempts::Attempts;
use self::judge::Judge;
use self::layers::Layers;
use self::plants::Plants;
use crate::harness::By;

/// Run by `scripts/check`, apart from all others: a limit that is held by looking is held late on a machine that is busy.
macro_rules! rows {
    ($($name:ident),+ $(,)?) => {
        mod by_tester {
            $(#[test] #[ignore = "runs alone: see scripts/check"] fn $name() { super::$name($crate::harness::By::Tester) })+
        }
        mod by_ordinary_user {
            $(#[test] #[ignore = "runs alone: see scripts/check"] fn $name() { super::$name($crate::harness::By::Ordinary) })+
        }
    };
}

rows!(namespaces, oci_crun, oci_runc, oci_runsc);

fn namespaces(who: By) {
    in_sandbox("namespaces", who, "namespaces");
}

fn oci_crun(who: By) {
    in_sandbox("oci_crun", who, "oci:crun");
}

fn oci_runc(who: By) {
    in_sandbox("oci_runc", who, "oci:runc");
}

fn oci_runsc(who: By) {
    in_sandbox("oci_runsc", who, "oci:runsc");
}

fn in_sandbox(test: &str, who: By, sandbox: &str) {
    let module = match who {
        By::Tester => "by_tester",
        By::Ordinary => "by_ordinary_user",
    };
    let test = format!("escape::contained::{module}::{test}");
    isolation::without_a_network(&test, || everything_is_contained(who, sandbox));
}

fn everything_is_contained(who: By, sandbox: &str) {
    let plants = Plants::new();
    let attempts = Attempts::new(who, sandbox, &plants);
    let mut judge = Judge::new(sandbox);
    attempts.build_layers(&mut judge);
    let layers = Layers::of(&attempts.kept());
    attempts.all_together(&mut judge);
    attempts.those_that_must_be_alone(&mut judge);
    attempts.two_at_once(&mut judge);
    attempts.with_a_network(&mut judge);
    attempts.with_a_model(&mut judge);
    attempts.leave_processes(&mut judge);
    attempts.flood_the_log(&mut judge);
    layers.assert_unchanged(&Layers::of(&attempts.kept()));
    attempts.end();
    judge.verify();
    plants.verify();
}
