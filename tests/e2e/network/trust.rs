//! Programs trust the proxy's certificates without being told.

use super::{World, assert_allowed};
use crate::harness::{By, Repository, by_both};

by_both!(programs_need_no_change);

const JAVA: &str = r#"
import java.net.*;
public class Get {
    public static void main(String[] arguments) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) new URL(arguments[0]).openConnection();
        System.out.print(new String(connection.getInputStream().readAllBytes()));
    }
}
"#;

const GO: &str = r#"
package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	answer, err := http.Get(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		log.Fatal(err)
	}
}
"#;

const GET: &str = r#"
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode(), end="")
"#;

/// Each prints what it got.
const AGENT: &str = r#"
set -e
curl --silent --show-error https://api.example:PORT/curl
python3 get.py https://api.example:PORT/python
java Get.java https://api.example:PORT/java 2> ~/said || cat ~/said
go run get.go https://api.example:PORT/go
git ls-remote https://api.example:PORT/git/demo.git main | cut -f 2
"#;

fn programs_need_no_change(who: By) {
    let world = World::new(who);
    let repository = Repository::with(&[("Get.java", JAVA), ("get.go", GO), ("get.py", GET)]);
    world.environment_of(&repository, "demo", &["api.example"], AGENT, &[]);
    let log = world.run("demo");
    assert_eq!(
        log.output(),
        "GET /curl\nGET /python\nGET /java\nGET /go\nrefs/heads/main\n"
    );
    for request in log.network_requests() {
        assert_allowed(request, "allow: api.example");
    }
    world.outwork.end();
}
