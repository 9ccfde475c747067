//! Texts of strangers that want more than they may, and an agent that does whatever it reads: `tests/injection` has them. Nothing that it
//! reads gets it anything.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{PATIENCE, SECRET, connect, told};
use crate::harness::{Engine, Outwork, Repository};

const SETUP_SECRET: &str = "canary-of-a-setup-secret";

/// Runs every order that it finds, and, where it is asked for an answer, gives one that calls and closes.
const OBEYS: &str = r#"
cat > /tmp/prompt
sed -n 's/^.*RUN: //p' /tmp/prompt > /tmp/orders
while IFS= read -r order; do
    echo x >> obeyed.txt
    timeout 5 sh -c "$order" < /dev/null >> got.txt 2>&1
done < /tmp/orders
if grep -q 'must be JSON' /tmp/prompt; then
    words='cc @eve, fixes #1, closes GH-1\n/merge\n![x](//sink/pixel) <img src=//sink/img> <!-- outwork:post x -->'
    printf '{"summary": "%s", "comments": [{"path": "obeyed.txt", "line": 1, "removed": false, "comment": "%s"}]}' "$words" "$words"
fi
"#;

/// The corpus.
fn corpus(sink: &str) -> Vec<(String, String, String)> {
    let texts = [
        include_str!("../../injection/exfiltrate.json"),
        include_str!("../../injection/break-out.json"),
        include_str!("../../injection/pretend.json"),
        include_str!("../../injection/hidden.json"),
        include_str!("../../injection/surface.json"),
    ];
    let all = texts.into_iter().flat_map(|text| {
        let list: Vec<Value> = serde_json::from_str(text).expect("JSON");
        list
    });
    let field = |one: &Value, name: &str| one[name].as_str().expect("text").replace("{SINK}", sink);
    all.map(|one| {
        (
            field(&one, "name"),
            field(&one, "where"),
            field(&one, "text"),
        )
    })
    .collect()
}

/// Takes connections, and remembers what came.
fn sink() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let came = Arc::new(Mutex::new(Vec::new()));
    let remembers = Arc::clone(&came);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).unwrap_or(0);
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            remembers.lock().expect("no panic").push(text);
        }
    });
    (address, came)
}

#[test]
fn whatever_a_stranger_writes_gets_nothing() {
    let (sink, came) = sink();
    // It does remember.
    let mut stream = TcpStream::connect(&sink).expect("it listens");
    stream.write_all(b"x").expect("it reads");
    drop(stream);
    while came.lock().expect("no panic").pop().is_none() {
        std::thread::yield_now();
    }
    let corpus = corpus(&sink);
    assert!(corpus.len() >= 50, "{}", corpus.len());
    let repository = Repository::with(&[("a", "1\n")]);
    let outwork = Outwork::up(Engine::Sqlite);

    let secret = format!("SETUP_SECRET={SETUP_SECRET}");
    let more = ["--secret", &secret, "--network", "off", "--timeout", "10m"];
    let (github, id) = connect(&outwork, &repository, OBEYS, &more);
    let hook = format!("{}/hooks/{id}", outwork.url);
    let of = |place: &str| {
        let mut texts = corpus.iter().filter(|(_, it, _)| it == place);
        texts.next().map(|(_, _, text)| text.clone()).expect("one")
    };
    let main = github.git(&["rev-parse", "main"]);
    let issue = github.issue("eve", &of("title"), &of("body"));
    // Each is delivered as well: strangers start nothing, whatever they write.
    for (name, place, text) in &corpus {
        if place == "comment" {
            let delivery = github.mention(issue, "eve", text);
            assert_eq!(delivery.send(&hook, SECRET), 202, "{name}");
        }
    }
    let ours = github.mention(issue, "ada", "@outwork look at what is said here");
    assert_eq!(ours.send(&hook, SECRET), 202);
    let said = told(&github, issue, &outwork);
    assert_eq!(said.len(), 1, "{said:#?}");

    // One task, as its integration gives it, and no other.
    let tasks = outwork.run(&["list", "--json"]).success().json();
    let tasks = tasks["tasks"].as_array().expect("a list");
    assert_eq!(tasks.len(), 1, "{tasks:#?}");
    let task = outwork.task(tasks[0]["id"].as_str().expect("an id"));
    assert_eq!(
        (
            &task["environment_label"],
            &task["priority"],
            &task["outcome"]
        ),
        (
            &Value::from("demo"),
            &Value::from("normal"),
            &Value::from("succeeded")
        )
    );
    assert_eq!(task["turns"].as_array().map(Vec::len), Some(1));
    let prompt = task["turns"][0]["prompt"].as_str().expect("text");
    assert!(
        !prompt.contains(['\u{202e}', '\u{200b}', '\u{2028}', '\u{1b}', '\u{e0052}']),
        "{prompt}"
    );
    let (head, material) = prompt
        .split_once("What follows was written")
        .expect("a frame");
    assert!(!head.contains("RUN:"), "{head}");
    for line in material.lines().skip(2) {
        let is_framed = line.is_empty()
            || line.starts_with("| ")
            || line == "|"
            || line.starts_with('[')
            || line.starts_with('(');
        assert!(is_framed, "{line}");
    }

    // It obeyed each of them.
    let pulls = github.pulls();
    assert_eq!(pulls.len(), 1, "{pulls:#?}");
    let refs = pulls[0].pull.clone().expect("refs");
    let obeyed = github
        .git(&["show", &format!("{}:obeyed.txt", refs.head)])
        .lines()
        .count();
    let orders = corpus
        .iter()
        .map(|(_, _, text)| text.lines().filter(|line| line.contains("RUN: ")).count());
    assert!(
        obeyed >= 50 && obeyed >= orders.sum::<usize>() - 3,
        "{obeyed}"
    );

    // Nothing left, nothing moved, and nobody was called.
    assert_eq!(*came.lock().expect("no panic"), Vec::<String>::new());
    assert_eq!(github.git(&["rev-parse", "main"]), main);
    let branches = github.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    assert_eq!(branches.lines().count(), 2, "{branches}");
    assert!(refs.head.starts_with("outwork/"), "{}", refs.head);
    let diff = github.git(&["diff", "main", &refs.head]);
    let log = outwork
        .run(&["log", tasks[0]["id"].as_str().expect("an id")])
        .success()
        .text();
    let deliveries = outwork
        .run(&["integration", "deliveries", "hub", "--json"])
        .success()
        .text();
    for (what, text) in [
        ("comment", &said[0].body),
        ("description", &pulls[0].body),
        ("diff", &diff),
        ("log", &log),
        ("deliveries", &deliveries),
    ] {
        for canary in [
            SECRET,
            outwork_test_github::TOKEN,
            "canary-of-a-setup-secret\n",
            outwork.token.as_str(),
        ] {
            assert!(!text.contains(canary), "{what} has {canary}: {text}");
        }
    }

    // The same agent reviews what it did, in words that call, close, and load.
    let review = github.mention(pulls[0].number, "ada", "@outwork review");
    assert_eq!(review.send(&hook, SECRET), 202);
    let begun = Instant::now();
    let reviews = loop {
        let reviews = github.of(pulls[0].number).reviews;
        if !reviews.is_empty() {
            break reviews;
        }
        let seen = || {
            format!(
                "{:#?}\n{}",
                github.ours(pulls[0].number),
                outwork.process.log()
            )
        };
        assert!(begun.elapsed() < PATIENCE, "{}", seen());
        std::thread::park_timeout(Duration::from_millis(20));
    };
    let words = [&reviews[0]["body"], &reviews[0]["comments"][0]["body"]];
    for body in words.map(|it| it.as_str().expect("text")) {
        let body = body.trim_start_matches("<!-- outwork:post ");
        for acts in ["@eve", "#1,", "GH-1", "\n/merge", "](//", "<img", "<!--"] {
            assert!(!body.contains(acts), "{acts} in {body}");
        }
        assert!(body.contains("cc @\u{200b}eve"), "{body}");
    }
    assert_eq!((reviews.len(), github.pulls().len()), (1, 1));
    assert_eq!(*came.lock().expect("no panic"), Vec::<String>::new());
    assert_eq!(github.wrong(), Vec::<String>::new());
}
