//! Whether the server's key is the one that everything in the store was sealed with. Asked once at the start: a server with another key
//! would take secrets that no other can open, and fail every task that needs an old one.

use outwork_store::SealCheck;

use crate::config::OtherKey;
use crate::plane::Plane;
use crate::seal::Place;
use crate::server::StartError;

const KNOWN: &str = "outwork";

/// Refuses another key while something is sealed. Where nothing is, any key will do from now on.
pub(crate) async fn check(plane: &Plane, other_key: OtherKey) -> Result<(), StartError> {
    let SealCheck {
        kept,
        model_key,
        in_use,
    } = plane.store.seal_check().await?;
    let opens = |sealed: &[u8], place: Place<'_>| plane.seal.open(sealed, place).is_ok();
    let is_ours = match (&kept, &model_key) {
        (Some(kept), _) => opens(kept, Place::Check),
        // From before the known text was kept.
        (None, Some((workspace, key))) => opens(key, Place::ModelKey(*workspace)),
        (None, None) => true,
    };
    if is_ours && kept.is_some() {
        return Ok(());
    }
    if !is_ours && in_use {
        match other_key {
            OtherKey::Refuse => return Err(StartError::OtherKey),
            OtherKey::Forget => {
                let forgotten = plane.store.forget_sealed(plane.now()).await?;
                tracing::warn!(
                    forgotten,
                    "secrets, injections, credentials and model keys that nobody can open any more were deleted"
                );
            }
        }
    }
    let sealed = plane.close(KNOWN, Place::Check);
    Ok(plane.store.keep_seal_check(sealed).await?)
}
