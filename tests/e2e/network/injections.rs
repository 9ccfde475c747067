//! A header that the proxy adds: the server has it, and nobody else.

use super::World;
use crate::harness::{By, Hold, Repository, by_both};
use crate::secrets::canary::Canaries;
use crate::secrets::places::{self, Places};
use crate::secrets::{self, CONTROL, LOOK};

by_both!(an_injected_header_is_seen_by_its_server_alone);

fn an_injected_header_is_seen_by_its_server_alone(who: By) {
    let world = World::new(who);
    let outwork = &world.outwork;
    let seed = outwork.dir.path().display().to_string();
    let value = Canaries::new(&seed).value("PLAIN").to_owned();
    let canaries = Canaries::of(vec![("PLAIN", value.clone())]);
    let hold = Hold::new();
    let agent = format!(
        "set -e
        curl --silent --show-error --header 'X-Key: of-the-client' https://api.example:PORT/with
        curl --silent --show-error --header 'X-Key: of-the-client' https://other.example:PORT/without
        {}
        python3 look.py > report.json",
        hold.command()
    );
    let path = outwork.dir.path().join("value");
    std::fs::write(&path, &value).expect("a file");
    let inject = format!("api.example:x-key=@{}", path.display());
    let control = format!("CONTROL={CONTROL}");
    let repository = Repository::with(&[("look.py", LOOK)]);
    let names = ["api.example", "other.example"];
    let more = ["--inject", &inject, "--var", &control];
    world.environment_of(&repository, "all", &names, &agent, &more);
    std::fs::remove_file(path).expect("removed");

    let id = outwork.submit("all", &secrets::prompt(&canaries), &[]);
    hold.reached(1);
    assert_eq!(places::in_processes(&canaries), (vec![], vec![]));
    assert_eq!(secrets::left(outwork, &canaries), Places::new());
    hold.release();
    let task = outwork.ended(&id);
    assert_eq!(
        task["outcome"],
        "succeeded",
        "{}",
        secrets::told(outwork, &id)
    );
    secrets::check_report(outwork, &id);
    assert_eq!(
        canaries.places_in(secrets::told(outwork, &id).as_bytes()),
        []
    );
    assert_eq!(
        canaries.places_in(secrets::answered(outwork).as_bytes()),
        []
    );
    assert_eq!(secrets::left(outwork, &canaries), Places::new());

    let heads = world.origin.heads();
    let keys = |path: &str| -> Vec<&str> {
        let head = heads.iter().find(|head| head.contains(path));
        let lines = head.unwrap_or_else(|| panic!("{path}")).lines();
        lines.filter(|line| line.starts_with("x-key:")).collect()
    };
    assert_eq!(keys("GET /with "), [format!("x-key: {value}")]);
    assert_eq!(keys("GET /without "), ["x-key: of-the-client"]);
    world.outwork.end();
}
