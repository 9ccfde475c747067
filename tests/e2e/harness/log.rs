//! Reading an attempt's log.

use serde_json::Value;

/// The events of an attempt, in order.
#[derive(Debug)]
pub struct Log(pub Vec<Value>);

impl Log {
    fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |event| event["type"] == kind)
    }

    fn texts(&self, kind: &str, field: &str) -> Vec<String> {
        let texts = self.of(kind).filter_map(|event| event[field].as_str());
        texts.map(str::to_owned).collect()
    }

    /// What became of the snapshot: `cached`, `waiting`, `building`, `built`, `broken`.
    pub fn snapshots(&self) -> Vec<String> {
        self.texts("snapshot", "state")
    }

    /// Why it was built.
    #[track_caller]
    pub fn why_built(&self) -> String {
        let building = self
            .of("snapshot")
            .find(|event| event["state"] == "building");
        let reason = building.and_then(|event| event["reason"].as_str());
        reason.unwrap_or_else(|| panic!("{self:#?}")).to_owned()
    }

    /// What scripts and the agent's command wrote.
    pub fn output(&self) -> String {
        self.texts("output", "text").concat()
    }

    /// When something was first written that has this text.
    pub fn first_output_with(&self, text: &str) -> Option<String> {
        let mut outputs = self.of("output");
        let found = outputs.find(|event| event["text"].as_str().is_some_and(|t| t.contains(text)));
        found?["at"].as_str().map(str::to_owned)
    }

    /// What scripts and agents asked the network for.
    pub fn network_requests(&self) -> impl Iterator<Item = &Value> {
        self.of("network_request")
    }

    /// The limits that were run into, and which one each is.
    pub fn limits(&self) -> Vec<(String, String)> {
        let kinds = self.texts("limit_hit", "limit").into_iter();
        kinds.zip(self.texts("limit_hit", "message")).collect()
    }

    pub fn warnings(&self) -> Vec<String> {
        self.texts("warning", "message")
    }

    /// The steps that ended, with how long each took in milliseconds.
    pub fn steps(&self) -> Vec<(String, u64)> {
        let steps = self.of("step_finished").map(|event| {
            let name = event["step"].as_str().expect("a name");
            let duration_ms = event["duration_ms"].as_u64().expect("a duration");
            (name.to_owned(), duration_ms)
        });
        steps.collect()
    }

    pub fn step_names(&self) -> Vec<String> {
        self.steps().into_iter().map(|(name, _)| name).collect()
    }
}
