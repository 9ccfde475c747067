//! The image that an environment names, at hand.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use outwork_api::credential::CredentialSecret;
use outwork_api::event::EventBody;
use outwork_domain::{Failure, FailureCode};
use outwork_image::{ErrorKind, Image, ImageError, ImageRef, ImageStore, Progress, RegistryAuth};

use super::step::StepName;
use super::{Run, Stopped};
use crate::base::{Base, ImageBase};
use crate::failure;
use crate::images::Named;
use crate::outbox::Source;

/// How often a pull says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// What registries want in place of a name that nobody gave; most look at the token only.
const NO_NAME: &str = "token";

/// What the attempt runs on.
pub(super) async fn run(run: &Run) -> Result<Base, Stopped> {
    match run.assignment.base_image.as_deref() {
        None => Ok(Base::Host(Arc::clone(&run.host.host_base))),
        Some(reference) => run.step(StepName::Image, pull(run, reference)).await,
    }
}

async fn pull(run: &Run, reference: &str) -> Result<(Base, String), Failure> {
    let image = ImageRef::parse(reference).map_err(|error| {
        Failure::new(
            FailureCode::BaseImageUnavailable,
            format!("The environment's image cannot be had: {error}."),
        )
        .with_hint(change_hint(run))
    })?;
    let auth = auth(run)?;
    let images = &run.host.images;
    let store = images
        .store()
        .await
        .map_err(|error| failure::internal("images cannot be kept", &*error))?;
    let known = images.named(reference, auth.as_ref());
    let fresh = known.filter(|known| known.is_fresh);
    let wanted = fresh.map_or_else(|| image.clone(), |known| image.with_digest(known.digest));
    let teller = Teller::new(run);
    let pulled = store
        .pull(&wanted, auth.as_ref(), |progress| teller.tell(progress))
        .await;
    let found = match pulled {
        Ok(found) => {
            if fresh.is_none() {
                images.names(reference, auth.as_ref(), found.digest);
            }
            found
        }
        Err(error) => {
            let kept = known.and_then(|known| kept(run, store, reference, known, &error));
            kept.ok_or_else(|| failed(run, &error))?
        }
    };
    let detail = format!("{reference}, {}", found.digest);
    Ok((base(found), detail))
}

/// While a registry is away, the image of the last time does.
fn kept(
    run: &Run,
    store: &ImageStore,
    reference: &str,
    known: Named,
    error: &ImageError,
) -> Option<Image> {
    if error.kind() != ErrorKind::Transient {
        return None;
    }
    let found = store.stored(known.digest)?;
    run.warn(format!(
        "The registry cannot be asked for {reference} ({error}); what it gave last is used."
    ));
    Some(found)
}

fn base(image: Image) -> Base {
    let is_name = |name: &str| {
        let mut chars = name.chars();
        chars
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let variables = image.config.env.iter();
    Base::Image(Arc::new(ImageBase {
        digest: image.digest.to_string(),
        layers: image.layers.clone(),
        variables: variables
            .filter(|(name, value)| is_name(name) && !value.contains('\0'))
            .cloned()
            .collect(),
        image,
    }))
}

fn auth(run: &Run) -> Result<Option<RegistryAuth>, Failure> {
    match &run.assignment.image_credential {
        None => Ok(None),
        Some(CredentialSecret::Token { username, token }) => Ok(Some(RegistryAuth {
            username: username.clone().unwrap_or_else(|| NO_NAME.to_owned()),
            password: token.reveal().to_owned(),
        })),
        Some(CredentialSecret::SshKey { .. }) => Err(Failure::new(
            FailureCode::BaseImageUnavailable,
            "The credential for the image's registry is a key for ssh, and registries take tokens.",
        )
        .with_hint("Set one with `outwork credential set HOST --token-file FILE`.")),
    }
}

fn failed(run: &Run, error: &ImageError) -> Failure {
    let hint = match error.kind() {
        ErrorKind::Worker => return failure::internal("the image cannot be kept", error),
        ErrorKind::Reference | ErrorKind::Image => change_hint(run),
        ErrorKind::Credential => {
            "Set a token for the registry with `outwork credential set HOST --token-file FILE`."
                .to_owned()
        }
        ErrorKind::Transient => {
            "Try again; if it goes on, look at the registry and at the worker's way to it."
                .to_owned()
        }
    };
    if error.source().is_some() {
        tracing::info!(claim = %run.claim, error = failure::chain(error), "an image cannot be had");
    }
    Failure::new(
        FailureCode::BaseImageUnavailable,
        format!("The environment's image cannot be had: {error}."),
    )
    .with_hint(hint)
}

fn change_hint(run: &Run) -> String {
    format!(
        "Change it with `outwork env edit {} --image IMAGE`.",
        failure::quoted(&run.assignment.environment)
    )
}

/// Says how far a pull is, now and then.
struct Teller<'a> {
    run: &'a Run,
    told_at: Mutex<Instant>,
}

impl<'a> Teller<'a> {
    fn new(run: &'a Run) -> Self {
        Self {
            run,
            told_at: Mutex::new(Instant::now()),
        }
    }

    fn tell(&self, progress: Progress) {
        let Progress {
            layers,
            layers_done,
            download_bytes,
            downloaded_bytes,
        } = progress;
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.elapsed() < TELL_EVERY {
            return;
        }
        *told_at = Instant::now();
        let text = format!(
            "{layers_done} of {layers} layers, {} of {} MiB\n",
            downloaded_bytes >> 20,
            download_bytes >> 20
        );
        let body = EventBody::Output {
            stream: "stdout".to_owned(),
            text,
        };
        self.run.outbox.event(Source::Worker, body);
    }
}
