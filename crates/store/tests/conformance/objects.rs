//! Objects in a directory and in a bucket. Each test has one body; `in_both!` makes two of it.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bytes::Bytes;
use outwork_domain::{AttemptId, Epoch, ObjectKey, TaskId};
use outwork_store::{
    Objects, ObjectsError, OpenError, S3Address, S3Addressing, S3Config, S3Credentials, StoreError,
};
use outwork_test_s3::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server};
use uuid::Uuid;

/// Makes a test in each place of each function, which takes a [`Place`].
macro_rules! in_both {
    ($($name:ident),+ $(,)?) => {
        mod directory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Place::directory()).await;
            })+
        }
        mod bucket {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Place::bucket()).await;
            })+
        }
    };
}

in_both!(
    an_object_is_read_replaced_and_removed,
    a_reader_sees_the_old_or_the_new_whole,
    a_place_that_works_is_found_to_and_nothing_is_left_there,
    what_an_attempt_has_is_listed,
);

/// Where objects are, to be opened more than once.
enum Place {
    Directory(tempfile::TempDir),
    Bucket(Server),
}

impl Place {
    fn directory() -> Self {
        Self::Directory(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    fn bucket() -> Self {
        Self::Bucket(Server::start(&["outwork"]))
    }

    fn open(&self) -> Objects {
        match self {
            Self::Directory(dir) => {
                Objects::open_directory(&dir.path().join("made/below")).expect("it is made")
            }
            Self::Bucket(server) => open(&config(server)).expect("it is in order"),
        }
    }

    /// How many objects there are.
    fn count(&self) -> usize {
        match self {
            Self::Directory(dir) => files(&dir.path().join("made/below")),
            Self::Bucket(server) => server.objects("outwork").len(),
        }
    }
}

fn files(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).expect("readable").flatten();
    entries
        .map(|entry| match entry.path() {
            path if path.is_dir() => files(&path),
            _ => 1,
        })
        .sum()
}

fn open(config: &S3Config) -> Result<Objects, ObjectsError> {
    // The program's main function does so.
    let _is_installed = rustls::crypto::ring::default_provider().install_default();
    Objects::open_bucket(config)
}

fn config(server: &Server) -> S3Config {
    S3Config {
        address: S3Address::parse("s3://outwork/team/a").expect("valid"),
        endpoint: Some(server.endpoint()),
        region: "eu-central-1".to_owned(),
        addressing: S3Addressing::Path,
        credentials: S3Credentials {
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: SECRET_ACCESS_KEY.to_owned(),
            session_token: None,
        },
        allow_http: true,
        ca_bundle: None,
    }
}

fn key(number: u128) -> ObjectKey {
    ObjectKey::diff(AttemptId::from_uuid(Uuid::from_u128(number)), Epoch::new(1))
}

async fn what_an_attempt_has_is_listed(place: Place) {
    let objects = place.open();
    let attempt = AttemptId::from_uuid(Uuid::from_u128(1));
    assert_eq!(objects.of_attempt(attempt).await.expect("works"), []);
    let mut own = [
        key(1),
        ObjectKey::repository_diff(attempt, Epoch::new(2), "docs & more+ü"),
        ObjectKey::checkpoint_session(attempt, Epoch::new(2), true),
    ];
    own.sort();
    // The last one's name begins as the attempt's does.
    for other in own.iter().chain([&key(2), &key(16)]) {
        let put = objects.put(other, Bytes::from_static(b"c")).await;
        put.expect("there is room");
    }
    let mut found = objects.of_attempt(attempt).await.expect("works");
    found.sort();
    assert_eq!(found, own);
    for key in &found {
        objects.delete(key).await.expect("works");
    }
    assert_eq!(objects.of_attempt(attempt).await.expect("works"), []);
    assert_eq!(place.count(), 2);
}

async fn an_object_is_read_replaced_and_removed(place: Place) {
    let objects = place.open();
    assert_eq!(objects.get(&key(1)).await.expect("works"), None);
    assert_eq!(objects.size(&key(1)).await.expect("works"), None);
    for content in [
        Bytes::new(),
        Bytes::from_static(b"\0\xff"),
        Bytes::from(vec![7; 3 << 20]),
    ] {
        objects
            .put(&key(1), content.clone())
            .await
            .expect("there is room");
        let size = objects.size(&key(1)).await.expect("works");
        assert_eq!(size, Some(content.len() as u64));
        assert_eq!(objects.get(&key(1)).await.expect("works"), Some(content));
    }
    assert_eq!(objects.get(&key(2)).await.expect("works"), None);
    let again = place.open();
    assert!(again.get(&key(1)).await.expect("works").is_some());
    let attempt = AttemptId::from_uuid(Uuid::from_u128(1));
    let others = [
        ObjectKey::session(attempt, Epoch::new(1)),
        ObjectKey::repository_diff(attempt, Epoch::new(2), "docs & more+ü"),
        ObjectKey::starting_diff(TaskId::from_uuid(Uuid::from_u128(1))),
    ];
    for (number, other) in others.iter().enumerate() {
        let content = Bytes::from(vec![b'0'; number + 1]);
        objects.put(other, content.clone()).await.expect("room");
        assert_eq!(again.get(other).await.expect("works"), Some(content));
    }
    assert_eq!(place.count(), 4);
    objects.delete(&key(1)).await.expect("it is there");
    objects.delete(&key(1)).await.expect("no error");
    assert_eq!(objects.get(&key(1)).await.expect("works"), None);
    assert_eq!(place.count(), 3);
}

async fn a_reader_sees_the_old_or_the_new_whole(place: Place) {
    let objects = place.open();
    let content = |byte: u8| Bytes::from(vec![byte; 200_000]);
    objects
        .put(&key(1), content(0))
        .await
        .expect("there is room");
    let writer = {
        let objects = objects.clone();
        tokio::spawn(async move {
            for byte in 1..20 {
                objects
                    .put(&key(1), content(byte))
                    .await
                    .expect("there is room");
            }
        })
    };
    while !writer.is_finished() {
        let read = objects
            .get(&key(1))
            .await
            .expect("works")
            .expect("never away");
        assert_eq!(read, content(read[0]));
    }
    writer.await.expect("no panic");
}

async fn a_place_that_works_is_found_to_and_nothing_is_left_there(place: Place) {
    let objects = place.open();
    objects.ping().await.expect("it answers");
    objects.probe("one").await.expect("it can be used");
    assert_eq!(place.count(), 0);
}

#[test]
fn a_directory_is_its_owners_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let path = dir.path().join("made/below");
    Objects::open_directory(&path).expect("it is made");
    let mode = std::fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let error = Objects::open_directory(&file.path().join("below")).expect_err("it is a file");
    let OpenError::File { path, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(path, &file.path().join("below"));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_bucket_lie_below_the_prefix() {
    let server = Server::start(&["outwork"]);
    let objects = open(&config(&server)).expect("it is in order");
    objects
        .put(&key(1), Bytes::from_static(b"diff"))
        .await
        .expect("there is room");
    assert_eq!(
        server.objects("outwork"),
        [format!("team/a/{}", key(1).as_str())]
    );
    let mut elsewhere = config(&server);
    elsewhere.address = S3Address::parse("s3://outwork/team").expect("valid");
    let elsewhere = open(&elsewhere).expect("it is in order");
    assert_eq!(elsewhere.get(&key(1)).await.expect("works"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_no_missing_object() {
    let server = Server::start(&["outwork"]);
    let objects = open(&config(&server)).expect("it is in order");
    objects.ping().await.expect("it is there");
    server.remove_bucket("outwork");
    let error = objects.probe("one").await.expect_err("it is gone");
    assert!(matches!(error, ObjectsError::NoBucket(_)), "{error:?}");
    let error = objects.ping().await.expect_err("it is gone");
    assert!(matches!(error, StoreError::Object(_)), "{error:?}");
    let error = objects.get(&key(1)).await.expect_err("it is gone");
    assert!(matches!(error, StoreError::Object(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_told_from_a_store_that_does_not_answer() {
    let server = Server::start(&["outwork"]);
    for (id, secret) in [
        (ACCESS_KEY_ID, "another secret"),
        ("ANOTHERKEY", SECRET_ACCESS_KEY),
    ] {
        let mut wrong = config(&server);
        wrong.credentials.access_key_id = id.to_owned();
        wrong.credentials.secret_access_key = secret.to_owned();
        let objects = open(&wrong).expect("it is not known yet");
        let error = objects.probe("one").await.expect_err("it is refused");
        let refused = matches!(
            error,
            ObjectsError::Refused {
                during: "written",
                ..
            }
        );
        assert!(refused, "{error:?}");
    }
    assert_eq!(server.objects("outwork"), Vec::<String>::new());

    let mut away = config(&server);
    // Nobody listens on this port.
    away.endpoint = Some("http://127.0.0.1:1".to_owned());
    let objects = open(&away).expect("it is not known yet");
    let error = objects.probe("one").await.expect_err("it is away");
    assert!(matches!(error, ObjectsError::Failed { .. }), "{error:?}");
    let error = objects.get(&key(1)).await.expect_err("it is away");
    assert!(
        matches!(error, StoreError::ObjectsUnavailable(_)),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_trouble_is_asked_again_and_not_for_ever() {
    let server = Server::start(&["outwork"]);
    let objects = open(&config(&server)).expect("it is in order");
    let content = Bytes::from_static(b"diff");
    server.fail(true);
    let before = server.requests();
    let error = objects.put(&key(1), content.clone()).await;
    let error = error.expect_err("it is in trouble");
    assert!(
        matches!(error, StoreError::ObjectsUnavailable(_)),
        "{error:?}"
    );
    assert_eq!(server.requests() - before, 4, "the first and three more");

    let writer = {
        let (objects, content) = (objects.clone(), content.clone());
        tokio::spawn(async move { objects.put(&key(1), content).await })
    };
    // It works again once the first try has failed.
    let asked = server.requests();
    while server.requests() == asked {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.fail(false);
    writer.await.expect("no panic").expect("it works again");
    assert_eq!(objects.get(&key(1)).await.expect("works"), Some(content));
}
