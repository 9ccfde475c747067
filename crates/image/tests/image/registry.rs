//! A real registry, and pushing to it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use outwork_image::{Digest, RegistryAuth};
use reqwest::header::{CONTENT_TYPE, LOCATION};

use crate::build::TestImage;

/// As `htpasswd` writes it, for the password `secret`.
const USERS: &str = "user:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// The `docker-registry` of Debian, on a port of its own.
pub struct Registry {
    process: Child,
    /// `127.0.0.1:port`.
    pub address: String,
    auth: Option<RegistryAuth>,
    _data: tempfile::TempDir,
}

impl Registry {
    /// For everybody.
    pub fn start() -> Self {
        Self::start_with("", None)
    }

    /// For `user` with the password `secret` only.
    pub fn start_private() -> Self {
        let auth = crate::harness::auth("user", "secret");
        Self::start_with("auth: {htpasswd: {realm: test, path: users}}\n", Some(auth))
    }

    fn start_with(more: &str, auth: Option<RegistryAuth>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: data}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '127.0.0.1:0', secret: x}}\n{more}"
        );
        fs::write(data.path().join("config.yml"), config).unwrap();
        fs::write(data.path().join("users"), USERS).unwrap();
        let mut process = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(data.path())
            .env_remove("OTEL_TRACES_EXPORTER")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed: see scripts/bootstrap");
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines.by_ref().find_map(|line| {
            let line = line.ok()?;
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split('"').next()?.to_owned())
        });
        // Otherwise it would stop when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            address: address.expect("the registry says where it listens"),
            auth,
            _data: data,
        }
    }

    /// A reference to something in it.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// As `docker push` does it.
    pub async fn push(&self, name: &str, tag: &str, image: &TestImage) {
        for (digest, blob) in &image.blobs {
            self.push_blob(name, *digest, blob).await;
        }
        for document in &image.documents {
            self.put_manifest(
                name,
                &document.digest().to_string(),
                document.media_type,
                &document.bytes,
            )
            .await;
        }
        let top = image.top();
        self.put_manifest(name, tag, top.media_type, &top.bytes)
            .await;
    }

    async fn push_blob(&self, name: &str, digest: Digest, blob: &[u8]) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let begin = client.post(format!("http://{}/v2/{name}/blobs/uploads/", self.address));
        let begun = self.login(begin).send().await.unwrap();
        assert_eq!(begun.status(), 202);
        let place = begun.headers()[LOCATION].to_str().unwrap();
        let end = client
            .put(format!("{place}&digest={digest}"))
            .body(blob.to_vec());
        assert_eq!(self.login(end).send().await.unwrap().status(), 201);
    }

    async fn put_manifest(&self, name: &str, wanted: &str, media_type: &str, bytes: &[u8]) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let put = client.put(format!(
            "http://{}/v2/{name}/manifests/{wanted}",
            self.address
        ));
        let put = put.header(CONTENT_TYPE, media_type).body(bytes.to_vec());
        let answer = self.login(put).send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, 201, "{}", answer.text().await.unwrap());
    }

    fn login(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.auth {
            Some(auth) => request.basic_auth(&auth.username, Some(&auth.password)),
            None => request,
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
