//! A stand-in for Slack: the calls of the Web API that Outwork makes, Socket Mode, and the requests that Slack makes itself. Arguments, blocks and
//! answers are as Slack's typed client (npm: `@slack/web-api` 8.2, `@slack/types` 3.2) describes them; what it is sent is checked, and what
//! it does not know it refuses. It fails as told.
//!
//! It runs on a thread of its own, so that tests with and without a runtime can use it.

mod blocks;
mod deliver;
mod methods;
mod serve;
mod socket;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use deliver::{Delivered, Delivery};
pub use state::{Fault, Message};

use state::State;

/// The bot's token.
pub const BOT_TOKEN: &str = "xoxb-canary-of-a-bot-token";
/// The app's token, for Socket Mode.
pub const APP_TOKEN: &str = "xapp-canary-of-an-app-token";
/// What requests are signed with.
pub const SIGNING_SECRET: &str = "canary-of-a-signing-secret";
/// The workspace.
pub const TEAM: &str = "T0TEAM";
/// The app's own user.
pub const BOT: &str = "U0BOT";
/// A channel that the app is in.
pub const CHANNEL: &str = "C0GENERAL";

/// A running Slack. Dropping it ends it.
pub struct Slack {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Slack {
    /// Starts one whose clock shows that time, in seconds.
    pub fn start(now_seconds: i64) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("it can be");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State::new(address, now_seconds)));
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime starts");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("it is a listener");
                tokio::select! {
                    () = serve::serve(listener, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            state,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Where its Web API is.
    pub fn api_url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// Somebody; with an address for mail if the app may read it.
    pub fn add_user(&self, id: &str, name: &str, email: Option<&str>) {
        let mut user = json!({"id": id, "team_id": TEAM, "name": name, "deleted": false, "is_bot": false,
            "is_restricted": false, "is_ultra_restricted": false, "is_stranger": false, "real_name": name,
            "profile": {"display_name": name, "real_name": name, "team": TEAM}});
        if let Some(email) = email {
            user["profile"]["email"] = json!(email);
            user["is_email_confirmed"] = json!(true);
        }
        self.state().users.insert(id.to_owned(), user);
    }

    /// Changes what Slack says of somebody.
    pub fn change_user(&self, id: &str, change: impl FnOnce(&mut Value)) {
        change(self.state().users.get_mut(id).expect("a user"));
    }

    /// A channel that the app is in.
    pub fn add_channel(&self, id: &str) {
        self.state().channels.insert(id.to_owned(), Vec::new());
    }

    /// Somebody writes. Answers the event that Slack makes of it, in its envelope, and the message's time stamp.
    pub fn say(
        &self,
        user: &str,
        channel: &str,
        thread: Option<&str>,
        text: &str,
    ) -> (Value, String) {
        self.state().say(user, channel, thread, text)
    }

    /// Somebody presses a button of a message. Answers the interaction that Slack makes of it.
    ///
    /// # Panics
    /// If the message has no such button.
    pub fn press(&self, user: &str, channel: &str, ts: &str, action_id: &str) -> Value {
        self.state().press(user, channel, ts, action_id)
    }

    /// The form that was opened last, filled in and sent.
    ///
    /// # Panics
    /// If none was opened.
    pub fn submit(&self, user: &str, text: &str) -> Value {
        self.state().submit(user, text)
    }

    /// What goes wrong with the next call of a method.
    pub fn fail(&self, method: &'static str, fault: Fault) {
        self.state().faults.push_back((method, fault));
    }

    /// How many faults are still to come.
    pub fn faults_left(&self) -> usize {
        self.state().faults.len()
    }

    /// All messages of a channel, the oldest first.
    pub fn messages(&self, channel: &str) -> Vec<Message> {
        self.state()
            .channels
            .get(channel)
            .cloned()
            .unwrap_or_default()
    }

    /// The messages of a thread that the app wrote.
    pub fn told(&self, channel: &str, thread: &str) -> Vec<Message> {
        let all = self.messages(channel);
        let of_us = |it: &Message| it.user == BOT && it.thread_ts.as_deref() == Some(thread);
        all.into_iter().filter(of_us).collect()
    }

    /// The reactions of a message.
    pub fn reactions(&self, channel: &str, ts: &str) -> Vec<String> {
        let all = self.messages(channel);
        let found = all.into_iter().find(|message| message.ts == ts);
        found.map(|message| message.reactions).unwrap_or_default()
    }

    /// What only one person was shown.
    pub fn ephemeral(&self) -> Vec<Value> {
        self.state().ephemeral.clone()
    }

    /// The forms that were opened.
    pub fn forms(&self) -> Vec<Value> {
        self.state().forms.clone()
    }

    /// How often a method was called.
    pub fn calls(&self, method: &str) -> usize {
        let state = self.state();
        state.calls.iter().filter(|one| *one == method).count()
    }

    /// What was wrong with what it was sent, which Slack would have refused.
    pub fn complaints(&self) -> Vec<String> {
        self.state().complaints.clone()
    }

    /// An event or an interaction as Slack sends it, signed at that time.
    pub fn signed(&self, payload: &Value, now_seconds: i64) -> Delivery {
        deliver::signed(payload, SIGNING_SECRET, now_seconds)
    }

    /// Sends a payload over Socket Mode, as soon as somebody is there, until it is acknowledged. Answers the envelope's id.
    pub fn push(&self, payload: &Value) -> String {
        self.state().push(payload)
    }

    /// The envelopes that nobody has acknowledged.
    pub fn waiting(&self) -> usize {
        self.state().envelopes.len()
    }

    /// How many connections of Socket Mode there have been.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// Asks for a new connection, as Slack does when a server of its goes away.
    pub fn refresh_socket(&self) {
        self.state().socket_orders.push(socket::Order::Refresh);
    }

    /// Ends the connections without a word.
    pub fn drop_socket(&self) {
        self.state().socket_orders.push(socket::Order::Drop);
    }

    /// From now on connections are open and silent: no message, no answer to a ping.
    pub fn silence_socket(&self, silent: bool) {
        self.state().is_socket_silent = silent;
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the Slack of the test panicked");
        }
    }
}
