//! Objects in a directory.

use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use outwork_domain::{AttemptId, Epoch, ObjectKey};
use outwork_store::{Objects, OpenError};
use uuid::Uuid;

fn key(number: u128) -> ObjectKey {
    ObjectKey::diff(AttemptId::from_uuid(Uuid::from_u128(number)), Epoch::new(1))
}

#[tokio::test]
async fn an_object_is_read_replaced_and_removed() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let path = dir.path().join("made/below");
    let objects = Objects::open_directory(&path).expect("it is made");
    let mode = std::fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(objects.get(&key(1)).await.expect("works"), None);
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
    assert_eq!(objects.size(&key(2)).await.expect("works"), None);
    let again = Objects::open_directory(&path).expect("it is there");
    assert!(again.get(&key(1)).await.expect("works").is_some());
    objects.delete(&key(1)).await.expect("it is there");
    objects.delete(&key(1)).await.expect("no error");
    assert_eq!(objects.get(&key(1)).await.expect("works"), None);
}

#[tokio::test]
async fn a_reader_sees_the_old_or_the_new_whole() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let objects = Objects::open_directory(dir.path()).expect("it is there");
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

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let error = Objects::open_directory(&file.path().join("below")).expect_err("it is a file");
    let OpenError::File { path, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(path, &file.path().join("below"));
}
