use serde_json::json;

use super::*;

fn entry(platform: serde_json::Value, content: &str) -> Descriptor {
    let entry = json!({"mediaType": "x", "digest": Digest::of(content.as_bytes()), "size": 1, "platform": platform});
    serde_json::from_value(entry).unwrap()
}

fn here() -> Platform {
    Platform {
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        variant: None,
    }
}

#[test]
fn of_an_index_the_best_entry_is_taken() {
    let of = |architecture: &str, variant: &str| json!({"os": "linux", "architecture": architecture, "variant": variant});
    let attached = json!({"os": "unknown", "architecture": "unknown"});
    let entries = [
        entry(attached.clone(), "signature"),
        entry(of("arm64", "v8"), "arm"),
        entry(of("amd64", "v3"), "new"),
        entry(of("amd64", ""), "plain"),
        entry(json!(null), "anything"),
    ];
    let chosen = |entries: &[Descriptor]| choose(entries, &here()).map(|entry| entry.digest);
    assert_eq!(chosen(&entries).unwrap(), Digest::of(b"plain"));
    assert_eq!(chosen(&entries[..3]).unwrap(), Digest::of(b"new"));
    assert_eq!(chosen(&entries[4..]).unwrap(), Digest::of(b"anything"));
    assert_eq!(
        chosen(&entries[..2]).unwrap_err().to_string(),
        "this image is for linux/arm64/v8 only, and this machine is linux/amd64"
    );
    assert!(matches!(chosen(&entries[..1]), Err(DocumentError::Empty)));
}

#[test]
fn a_configuration_can_say_little() {
    let parse = |text: &str| Configuration::parse(text.as_bytes(), &here());
    let least = parse(r#"{"rootfs": {}}"#).unwrap();
    assert_eq!(least.run, ImageConfig::default());
    let nulls = parse(
        r#"{"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": null}, "config": {"Env": null, "Cmd": null, "User": ""}}"#,
    );
    assert_eq!(nulls.unwrap().run, ImageConfig::default());
    assert!(matches!(parse("{}"), Err(DocumentError::Json { .. })));
    assert!(matches!(parse("[]"), Err(DocumentError::Json { .. })));
}
