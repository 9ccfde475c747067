//! Several repositories beside each other.

use outwork_api::worker::AssignedRepository;

use crate::scene::{Scene, attempt, git};

#[tokio::test(flavor = "multi_thread")]
async fn each_has_its_checkout_and_its_diff() {
    let scene = Scene::new();
    let docs = scene.directory.path().join("docs");
    std::fs::create_dir(&docs).unwrap();
    std::fs::write(docs.join("page.md"), "page\n").unwrap();
    git(&docs, &["init", "-q", "-b", "trunk"]);
    git(&docs, &["add", "-A"]);
    git(&docs, &["commit", "-q", "-m", "docs"]);
    let commit = git(&docs, &["rev-parse", "HEAD"]).trim().to_owned();

    let worker = scene.start().await;
    let command = "pwd; ls /workspace; cat ../docs/page.md; git -C ../docs log -1 --format=%s; \
                   echo more >> ../docs/page.md; echo more >> README.md";
    let mut assignment = scene.assignment(1, command);
    assignment.repositories.push(AssignedRepository {
        name: "docs".to_owned(),
        url: docs.display().to_string(),
        branch: Some("trunk".to_owned()),
        commit,
        setup_branch: None,
        has_starting_diff: false,
        has_carried_diff: false,
        credential: None,
        lease_token: None,
    });
    let mut follow_up = assignment.clone();
    scene.api.offer(assignment);
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(record.outcome(), "ok", "{record:#?}");
    assert_eq!(
        record.output(),
        "/workspace/project\ndocs\nproject\npage\ndocs\n"
    );
    let finish = record.finish.clone().unwrap();
    let names: Vec<_> = finish
        .diffs
        .iter()
        .map(|diff| (diff.repository.as_str(), diff.summary.lines_added))
        .collect();
    assert_eq!(names, [("project", 1), ("docs", 1)]);
    let other = String::from_utf8(record.uploads["diff/docs"].clone()).unwrap();
    assert!(
        other.contains("page.md") && !other.contains("README"),
        "{other}"
    );
    assert!(!record.diff().contains("page.md"), "{}", record.diff());

    follow_up.attempt = attempt(2);
    follow_up.repositories[1].has_carried_diff = true;
    scene
        .api
        .change(|state| state.input(&attempt(2), "carried_diff/docs", other.clone()));
    scene.api.offer(follow_up);
    let record = scene.finished(&attempt(2)).await;
    assert!(record.output().contains("page\nmore\n"), "{record:#?}");
    let finish = record.finish.clone().unwrap();
    assert_eq!(finish.diffs[1].summary.lines_added, 2);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_elsewhere_are_refused() {
    let scene = Scene::new();
    for (number, name) in [(1, ".."), (2, "a/b"), (3, "")] {
        let mut assignment = scene.assignment(number, "true");
        assignment.repositories[0].name = name.to_owned();
        let record = scene.run(assignment).await;
        assert_eq!(record.outcome(), "internal", "{record:#?}");
    }
}
