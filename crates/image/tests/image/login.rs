//! Who may have an image, and who is told who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use outwork_image::{ErrorKind, ImageError, ImageStore, RegistryAuth};

use crate::build::{TestImage, layer};
use crate::fake::{Answer, Fake};
use crate::harness::{Place, auth, parse, pull, read, within};
use crate::registry::Registry;

async fn pull_as(
    store: &ImageStore,
    image: &str,
    auth: Option<&RegistryAuth>,
) -> Result<(), (ErrorKind, String)> {
    let image = parse(image);
    let pulled = within("a pull", store.pull(&image, auth, |_| {})).await;
    let said = |error: Arc<ImageError>| (error.kind(), error.to_string());
    pulled.map(drop).map_err(said)
}

#[tokio::test]
async fn a_private_registry_wants_a_password() {
    let (registry, place) = (Registry::start_private(), Place::new());
    let made = TestImage::of(&[layer("a", "1")]);
    registry.push("img", "v1", &made).await;
    let store = place.store();
    let image = registry.image("img:v1");
    let at = &registry.address;

    let nobody = pull_as(&store, &image, None).await.unwrap_err();
    assert_eq!(
        nobody,
        (
            ErrorKind::Credential,
            format!(
                "the registry {at} has no image `{image}` for everybody: it needs a login, or it does not exist; give the environment a credential for {at}"
            )
        )
    );
    let wrong = auth("user", "canary-password");
    let refused = pull_as(&store, &image, Some(&wrong)).await.unwrap_err();
    assert_eq!(
        refused,
        (
            ErrorKind::Credential,
            format!(
                "the registry {at} does not take the login of `user`; check the credential of the environment"
            )
        )
    );
    assert!(!format!("{wrong:?}").contains("canary"));
    let right = auth("user", "secret");
    assert_eq!(
        store.resolve(&parse(&image), Some(&right)).await.unwrap(),
        made.digest()
    );
    pull_as(&store, &image, Some(&right)).await.unwrap();
}

const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

/// A registry that takes tokens of its own server; each is good for three requests.
async fn with_tokens(image: &TestImage) -> (Fake, Fake) {
    let given = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&given);
    let tokens = Fake::start(move |asked| {
        if asked.authorization.as_deref() != Some(BASIC) {
            return Answer::Status(401, vec![], vec![]);
        }
        let number = counted.fetch_add(1, Ordering::SeqCst);
        Answer::Status(
            200,
            vec![],
            format!(r#"{{"token":"t{number}","expires_in":1}}"#).into_bytes(),
        )
    })
    .await;
    let realm = format!(
        r#"Bearer realm="http://{}/token?a=b",service="the registry",scope="repository:other:push""#,
        tokens.address
    );
    let uses = AtomicUsize::new(0);
    let registry = Fake::with(image, move |asked| {
        let last = format!("Bearer t{}", given.load(Ordering::SeqCst).wrapping_sub(1));
        let used = uses.fetch_add(1, Ordering::SeqCst);
        if asked.authorization.as_ref() == Some(&last) && !used.is_multiple_of(4) {
            Answer::Usual
        } else {
            Answer::Status(401, vec![("www-authenticate", realm.clone())], vec![])
        }
    })
    .await;
    (registry, tokens)
}

#[tokio::test]
async fn tokens_are_fetched_and_renewed() {
    let made = TestImage::of(&[layer("a", "1"), layer("b", "2"), layer("c", "3")]);
    let (registry, tokens) = with_tokens(&made).await;
    let mut place = Place::new();
    place.config.layers_at_once = 1;
    let store = place.store();
    let image = registry.image("team/img");

    pull_as(&store, &image, Some(&auth("user", "secret")))
        .await
        .unwrap();

    let asked = tokens.log();
    assert!(asked.len() >= 2, "{asked:?}");
    assert_eq!(
        asked[0].path,
        "/token?a=b&service=the+registry&scope=repository%3Ateam%2Fimg%3Apull"
    );
    // The password is for the token server only.
    assert!(
        registry
            .log()
            .iter()
            .all(|asked| asked.authorization.as_deref() != Some(BASIC))
    );
    let refused = pull_as(&place_store(), &image, Some(&auth("user", "wrong")))
        .await
        .unwrap_err();
    assert_eq!(refused.0, ErrorKind::Credential);
    let nobody = pull_as(&place_store(), &image, None).await.unwrap_err();
    assert!(nobody.1.contains("needs a login"), "{}", nobody.1);
}

fn place_store() -> ImageStore {
    // Its directory is not needed for what fails before.
    Place::new().store()
}

#[tokio::test]
async fn who_asks_is_not_told_to_another_host() {
    let made = TestImage::of(&[layer("a", "1")]);
    let elsewhere = Fake::with(&made, |_| Answer::Usual).await;
    let to = elsewhere.address.clone();
    let registry = Fake::with(&made, move |asked| {
        if asked.authorization.as_deref() != Some(BASIC) {
            let basic = ("www-authenticate", r#"Basic realm="x""#.to_owned());
            Answer::Status(401, vec![basic], vec![])
        } else if asked.path.contains("/blobs/") {
            let place = format!("http://{to}{}?signature=canary", asked.path);
            Answer::Status(307, vec![("location", place)], vec![])
        } else {
            Answer::Usual
        }
    })
    .await;
    let place = Place::new();
    let store = place.store();
    let image = registry.image("img");
    pull_as(&store, &image, Some(&auth("user", "secret")))
        .await
        .unwrap();
    let log = elsewhere.log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log.iter().all(|asked| asked.authorization.is_none() && asked.path.ends_with("?signature=canary")));
}

#[tokio::test]
async fn redirects_lead_to_safe_places_only() {
    let made = TestImage::of(&[layer("a", "1")]);
    let mut said = String::new();
    for to in [
        "http://registry.example/blob",
        "ftp://127.0.0.1/blob",
        "https://user:canary@127.0.0.1/blob",
        "file:///etc/passwd",
        "http://[::1",
    ] {
        let to = to.to_owned();
        let registry = Fake::with(&made, move |asked| match asked.path.contains("/blobs/") {
            true => Answer::Status(302, vec![("location", to.clone())], vec![]),
            false => Answer::Usual,
        })
        .await;
        let place = Place::new();
        let error = pull(&place.store(), &registry.image("img"))
            .await
            .unwrap_err();
        said.push_str(&error.to_string().replace(&registry.address, "REGISTRY"));
        said.push('\n');
    }
    let circle = Fake::with(&made, |asked| match asked.path.contains("/blobs/") {
        true => Answer::Status(302, vec![("location", asked.path.clone())], vec![]),
        false => Answer::Usual,
    })
    .await;
    let place = Place::new();
    let error = pull(&place.store(), &circle.image("img"))
        .await
        .unwrap_err();
    said.push_str(&error.to_string().replace(&circle.address, "REGISTRY"));
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn a_realm_without_tls_gets_no_password() {
    let made = TestImage::of(&[layer("a", "1")]);
    let realm = r#"Bearer realm="http://tokens.example/token",service="x""#;
    let registry = Fake::with(&made, move |_| {
        Answer::Status(401, vec![("www-authenticate", realm.to_owned())], vec![])
    })
    .await;
    let place = Place::new();
    let image = registry.image("img");
    let refused = pull_as(&place.store(), &image, Some(&auth("user", "secret")))
        .await
        .unwrap_err();
    assert_eq!(
        refused.1,
        format!(
            "the registry {} sends the worker to `http://tokens.example`, where it does not go: there is no TLS",
            registry.address
        )
    );
}

#[tokio::test]
async fn a_registry_with_tls_is_trusted_by_its_certificate() {
    let made = TestImage::of(&[layer("a", "1")]);
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut place = Place::new();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = config
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let registry = Fake::start_with(Some(acceptor), |_| Answer::Usual).await;
    registry.add("latest", &made);
    let image = registry.image("img");

    // Without TLS it does not answer either, so this is what is said.
    let unknown = pull_as(&place.store(), &image, None).await.unwrap_err();
    assert_eq!(
        unknown.1,
        format!(
            "there is no secure connection to {}; check its certificate. Without TLS, registries are used only on the worker's own machine and where its operator allows it (`--allow-http-registry`)",
            registry.address
        )
    );
    place.config.http.extra_root_certificates_pem = cert.pem().into_bytes();
    let store = place.store();
    let pulled = pull(&store, &image).await.unwrap();
    assert_eq!(read(&pulled, "a"), "1");
}
