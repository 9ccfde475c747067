//! Where diffs and sessions are kept: the data directory, or a bucket.

use std::path::{Path, PathBuf};

use outwork_store::{Objects, ObjectsError, S3Address, S3Addressing, S3Config, S3Credentials};

use crate::data_dir::DataDir;
use crate::failure::{Failure, FailureExt, HintExt};
use crate::system;

/// How the place of the objects is named; the same for `server` and `up`.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct ObjectsArgs {
    /// Keep diffs and sessions in this bucket (s3://BUCKET or s3://BUCKET/PREFIX) instead of the data
    /// directory. Credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or
    /// the profile AWS_PROFILE in AWS_SHARED_CREDENTIALS_FILE [default: ~/.aws/credentials]
    #[arg(long, value_name = "URL", env = "OUTWORK_OBJECTS")]
    objects: Option<String>,
    /// The object store's address, such as https://minio.example:9000
    /// [default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or Amazon's for the region]
    #[arg(long, value_name = "URL", requires = "objects")]
    objects_endpoint: Option<String>,
    /// The bucket's region [default: AWS_REGION, AWS_DEFAULT_REGION, or us-east-1]
    #[arg(long, value_name = "NAME", requires = "objects")]
    objects_region: Option<String>,
    /// Where requests name the bucket: in their path, or in the host's name
    /// [default: path with an address of one's own, else host]
    #[arg(long, value_name = "WHERE", requires = "objects")]
    objects_addressing: Option<Addressing>,
    /// Reach the object store without TLS, if its address begins with http://
    #[arg(long, env = "OUTWORK_OBJECTS_ALLOW_HTTP", requires = "objects")]
    objects_allow_http: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Addressing {
    Path,
    Host,
}

impl ObjectsArgs {
    /// Opens the place, and sees that it can be used.
    pub(super) async fn open(&self, data: &DataDir) -> Result<Objects, Failure> {
        let Some(address) = &self.objects else {
            let path = data.join("objects");
            return Objects::open_directory(&path).failure(format!(
                "the objects in {} cannot be opened",
                path.display()
            ));
        };
        let config = self.config(address)?;
        let objects = usable(Objects::open_bucket(&config), &config)?;
        if config
            .endpoint
            .as_ref()
            .is_some_and(|url| url.starts_with("http://"))
        {
            tracing::warn!(
                objects = %config.address,
                "the object store is reached without TLS: who can read along there reads all diffs and sessions"
            );
        }
        let name = format!("probe-{}", system::new_uuid().simple());
        usable(objects.probe(&name).await, &config)?;
        tracing::info!(
            objects = %config.address,
            endpoint = config.endpoint.as_deref().unwrap_or("Amazon's"),
            region = config.region,
            "diffs and sessions are kept in a bucket"
        );
        Ok(objects)
    }

    fn config(&self, address: &str) -> Result<S3Config, Failure> {
        let address = S3Address::parse(address)
            .failure("--objects cannot be used")
            .hint("A bucket's name has 3 to 63 lower-case letters, digits, `-` and `.`.")?;
        let first = |names: &[&str]| names.iter().find_map(|name| system::variable(name));
        let endpoint = self
            .objects_endpoint
            .clone()
            .or_else(|| first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
        let region = self
            .objects_region
            .clone()
            .or_else(|| first(&["AWS_REGION", "AWS_DEFAULT_REGION"]))
            .unwrap_or_else(|| "us-east-1".to_owned());
        let addressing = match (self.objects_addressing, &endpoint) {
            (Some(Addressing::Path), _) | (None, Some(_)) => S3Addressing::Path,
            (Some(Addressing::Host), _) | (None, None) => S3Addressing::VirtualHosted,
        };
        Ok(S3Config {
            address,
            endpoint,
            region,
            addressing,
            credentials: credentials()?,
            allow_http: self.objects_allow_http,
            ca_bundle: system::variable("AWS_CA_BUNDLE")
                .map(|path| {
                    std::fs::read(&path).failure(format!("{path} (AWS_CA_BUNDLE) cannot be read"))
                })
                .transpose()?,
        })
    }
}

fn usable<T>(result: Result<T, ObjectsError>, config: &S3Config) -> Result<T, Failure> {
    let hint = result.as_ref().err().map(|error| hint(error, config));
    let result = result.failure(format!("the objects in {} cannot be used", config.address));
    match hint {
        Some(hint) => result.hint(&hint),
        None => result,
    }
}

/// What to do about it.
fn hint(error: &ObjectsError, config: &S3Config) -> String {
    let bucket = config.address.bucket();
    match error {
        ObjectsError::Address(_) => "Name a bucket with --objects.".to_owned(),
        ObjectsError::Endpoint(_) => {
            "Give it with --objects-endpoint or AWS_ENDPOINT_URL.".to_owned()
        }
        ObjectsError::Http(_) => {
            "Use its https:// address, or allow it with --objects-allow-http if the network between is yours."
                .to_owned()
        }
        ObjectsError::Certificates(_) => {
            "See that AWS_CA_BUNDLE names a file of certificates in PEM.".to_owned()
        }
        ObjectsError::NoBucket(_) => format!(
            "Make it, such as with `aws s3 mb s3://{bucket}`, or name another with --objects."
        ),
        ObjectsError::Refused { .. } => format!(
            "Check the credentials and the region ({}), and that they may s3:PutObject, s3:GetObject and \
             s3:DeleteObject on {bucket}/* and s3:ListBucket on {bucket}.",
            config.region
        ),
        ObjectsError::Client(_) | ObjectsError::Failed { .. } => format!(
            "Check that the object store at {} can be reached from here, and the region ({}).",
            config.endpoint.as_deref().unwrap_or("Amazon's address"),
            config.region
        ),
        ObjectsError::Differs => {
            "The object store must be strongly consistent and keep what it was given, as Amazon's does.".to_owned()
        }
    }
}

/// Those in the environment; else those of the profile in the file that `aws configure` writes.
fn credentials() -> Result<S3Credentials, Failure> {
    const HINT: &str = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or let AWS_PROFILE name a profile of \
                        ~/.aws/credentials or of the file in AWS_SHARED_CREDENTIALS_FILE.";
    let id = system::variable("AWS_ACCESS_KEY_ID");
    let secret = system::variable("AWS_SECRET_ACCESS_KEY");
    match (id, secret) {
        (Some(access_key_id), Some(secret_access_key)) => Ok(S3Credentials {
            access_key_id,
            secret_access_key,
            session_token: system::variable("AWS_SESSION_TOKEN"),
        }),
        (Some(_), None) | (None, Some(_)) => Err(Failure::new(
            "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set",
        )
        .with_hint(HINT)),
        (None, None) => {
            let profile = system::variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
            let file = credentials_file().ok_or_else(|| {
                Failure::new("there are no credentials for the object store").with_hint(HINT)
            })?;
            let text = std::fs::read_to_string(&file)
                .failure(format!(
                    "there are no credentials for the object store: {} cannot be read",
                    file.display()
                ))
                .hint(HINT)?;
            of_profile(&text, &profile).ok_or_else(|| {
                Failure::new(format!(
                    "the profile `{profile}` in {} has no access key with its secret",
                    file.display()
                ))
                .with_hint(HINT)
            })
        }
    }
}

fn credentials_file() -> Option<PathBuf> {
    let named = system::variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    named.or_else(|| system::variable("HOME").map(|home| Path::new(&home).join(".aws/credentials")))
}

/// The credentials of a profile: sections in brackets, `name = value`, comments after `#` or `;`
/// at the beginning of a line. Secrets may have any of these characters in them.
fn of_profile(text: &str, profile: &str) -> Option<S3Credentials> {
    let mut within = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            within = section.strip_suffix(']').map(str::trim) == Some(profile);
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| within) else {
            continue;
        };
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match name.trim() {
            "aws_access_key_id" => id = value,
            "aws_secret_access_key" => secret = value,
            "aws_session_token" => token = value,
            _ => {}
        }
    }
    Some(S3Credentials {
        access_key_id: id?,
        secret_access_key: secret?,
        session_token: token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_as_aws_writes_it() {
        let text = "# ours\n[default]\naws_access_key_id = A\naws_secret_access_key=b=/+#c\n\n\
                    [other]\n; old\naws_access_key_id=C\naws_secret_access_key = d\naws_session_token = e==\nregion = x\n\
                    [half]\naws_access_key_id = F\n";
        let of = |profile| {
            of_profile(text, profile).map(|found| {
                (
                    found.access_key_id,
                    found.secret_access_key,
                    found.session_token,
                )
            })
        };
        let owned = |text: &str| text.to_owned();
        assert_eq!(of("default"), Some((owned("A"), owned("b=/+#c"), None)));
        assert_eq!(
            of("other"),
            Some((owned("C"), owned("d"), Some(owned("e=="))))
        );
        assert_eq!(of("half"), None);
        assert_eq!(of("none"), None);
    }
}
