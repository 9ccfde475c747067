//! Objects in a bucket of Amazon S3, or of a store that speaks its protocol.

use std::fmt;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};

use super::ObjectsError;

/// To connect, name resolution and TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// One request with its body: an object has 64 MiB at most.
const REQUEST: Duration = Duration::from_secs(60);
/// How often a request is repeated after 5xx, 429 or a broken connection.
const RETRIES: usize = 3;
/// After that time no request is repeated any more.
const RETRY_WITHIN: Duration = Duration::from_secs(15);

/// Which bucket, and which part of it: `s3://BUCKET/PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Address {
    bucket: String,
    prefix: Path,
}

impl S3Address {
    /// Reads `s3://BUCKET` or `s3://BUCKET/PREFIX`. Errors: [`ObjectsError::Address`].
    pub fn parse(text: &str) -> Result<Self, ObjectsError> {
        let wrong = || ObjectsError::Address(text.to_owned());
        let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        if !(3..=63).contains(&bucket.len())
            || !bucket.bytes().all(plain)
            || !bucket.starts_with(|first: char| first.is_ascii_alphanumeric())
        {
            return Err(wrong());
        }
        if prefix.starts_with('/') || prefix.contains(['?', '#']) {
            return Err(wrong());
        }
        let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|_| wrong())?;
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix,
        })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(super) fn prefix(&self) -> &Path {
        &self.prefix
    }
}

impl fmt::Display for S3Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.as_ref().is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

/// Where the bucket's name stands in the address of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Addressing {
    /// `https://ENDPOINT/BUCKET/KEY`: what most stores but Amazon's take.
    Path,
    /// `https://BUCKET.ENDPOINT/KEY`: what Amazon's wants.
    VirtualHosted,
}

/// Whom requests are signed for. The secrets are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// The public part.
    pub access_key_id: String,
    /// The secret part.
    pub secret_access_key: String,
    /// Of credentials that expire.
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Credentials({}, ****)", self.access_key_id)
    }
}

/// How a bucket is reached.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// Which bucket.
    pub address: S3Address,
    /// The store's address, such as `https://minio.example:9000`; `None`: Amazon's for the region.
    pub endpoint: Option<String>,
    /// The region, which is part of every signature.
    pub region: String,
    /// How the bucket is named.
    pub addressing: S3Addressing,
    /// Whom requests are signed for.
    pub credentials: S3Credentials,
    /// Whether an endpoint without TLS is taken: who can read along reads all diffs and sessions.
    pub allow_http: bool,
    /// Certificates to trust beside the system's, as PEM.
    pub ca_bundle: Option<Vec<u8>>,
}

impl S3Config {
    /// The client; nothing is sent yet.
    pub(super) fn client(&self) -> Result<AmazonS3, ObjectsError> {
        let Self {
            address,
            endpoint,
            region,
            addressing,
            credentials,
            allow_http,
            ca_bundle,
        } = self;
        let mut options = ClientOptions::new()
            .with_allow_http(*allow_http)
            .with_connect_timeout(CONNECT)
            .with_timeout(REQUEST);
        if let Some(pem) = ca_bundle {
            let certificates =
                Certificate::from_pem_bundle(pem).map_err(ObjectsError::certificates)?;
            for certificate in certificates {
                options = options.with_root_certificate(certificate);
            }
        }
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&address.bucket)
            .with_region(region)
            .with_access_key_id(&credentials.access_key_id)
            .with_secret_access_key(&credentials.secret_access_key)
            .with_virtual_hosted_style_request(*addressing == S3Addressing::VirtualHosted)
            // One request for one object: not every store knows the other way.
            .with_disable_bulk_delete(true)
            .with_client_options(options)
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: RETRIES,
                retry_timeout: RETRY_WITHIN,
            });
        if let Some(token) = &credentials.session_token {
            builder = builder.with_token(token);
        }
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(self.endpoint_of(endpoint)?);
        }
        builder.build().map_err(ObjectsError::client)
    }

    /// The endpoint as the client wants it: with the bucket in its host where that is asked for.
    fn endpoint_of(&self, endpoint: &str) -> Result<String, ObjectsError> {
        let (scheme, rest) = endpoint
            .split_once("://")
            .filter(|(scheme, rest)| matches!(*scheme, "http" | "https") && !rest.is_empty())
            .ok_or_else(|| ObjectsError::Endpoint(endpoint.to_owned()))?;
        if scheme == "http" && !self.allow_http {
            return Err(ObjectsError::Http(endpoint.to_owned()));
        }
        let rest = rest.trim_end_matches('/');
        Ok(match self.addressing {
            S3Addressing::Path => format!("{scheme}://{rest}"),
            S3Addressing::VirtualHosted => format!("{scheme}://{}.{rest}", self.address.bucket),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_bucket_and_maybe_a_part_of_it() {
        for (text, bucket, prefix) in [
            ("s3://outwork", "outwork", ""),
            ("s3://outwork/", "outwork", ""),
            ("s3://my.bucket-1/team/a", "my.bucket-1", "team/a"),
            ("s3://outwork/team/", "outwork", "team"),
        ] {
            let address = S3Address::parse(text).expect(text);
            assert_eq!(
                (address.bucket(), address.prefix.as_ref()),
                (bucket, prefix)
            );
            assert_eq!(
                S3Address::parse(&address.to_string()).expect("same"),
                address
            );
        }
        for wrong in [
            "",
            "outwork",
            "https://outwork",
            "s3://",
            "s3://ab",
            "s3://Outwork",
            "s3://-outwork",
            "s3://key:secret@outwork",
            "s3://outwork//a",
            "s3://outwork/a/../b",
            "s3://outwork/a?region=b",
        ] {
            let error = S3Address::parse(wrong).expect_err(wrong);
            assert!(matches!(&error, ObjectsError::Address(named) if named == wrong));
        }
    }

    fn config(endpoint: &str, addressing: S3Addressing, allow_http: bool) -> S3Config {
        S3Config {
            address: S3Address::parse("s3://outwork/team").expect("valid"),
            endpoint: Some(endpoint.to_owned()),
            region: "eu-central-1".to_owned(),
            addressing,
            credentials: S3Credentials {
                access_key_id: "AKID".to_owned(),
                secret_access_key: "canary".to_owned(),
                session_token: Some("canary".to_owned()),
            },
            allow_http,
            ca_bundle: None,
        }
    }

    #[test]
    fn an_endpoint_has_tls_unless_told_otherwise() {
        let of = |endpoint: &str, addressing, allow_http| {
            config(endpoint, addressing, allow_http).endpoint_of(endpoint)
        };
        let path = of("https://a.example:9000/", S3Addressing::Path, false);
        assert_eq!(path.expect("taken"), "https://a.example:9000");
        let hosted = of("http://a.example", S3Addressing::VirtualHosted, true);
        assert_eq!(hosted.expect("taken"), "http://outwork.a.example");
        let error = of("http://a.example", S3Addressing::Path, false).expect_err("no TLS");
        assert!(matches!(error, ObjectsError::Http(_)), "{error:?}");
        for wrong in ["a.example", "ftp://a.example", "https://"] {
            let error = of(wrong, S3Addressing::Path, true).expect_err(wrong);
            assert!(matches!(error, ObjectsError::Endpoint(_)), "{error:?}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let printed = format!(
            "{:?}",
            config("https://a.example", S3Addressing::Path, false)
        );
        assert!(!printed.contains("canary"), "{printed}");
    }
}
