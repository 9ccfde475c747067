//! A server that answers one request after the other from a script, byte by byte as told: what no
//! real server does on purpose (break off, say nothing, answer rubbish) is needed here.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do with one request.
pub enum Reply {
    /// Answer with a status, a content type and a body.
    Whole(u16, &'static str, String),
    /// Send the head of an event stream and these pieces, then close the connection.
    Stream(Vec<String>),
    /// Close the connection without an answer.
    HangUp,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub line: String,
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub async fn start(script: Vec<Reply>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&seen);
        tokio::spawn(async move {
            for reply in script {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let request = read_request(&mut stream).await;
                requests.lock().expect("no panic").push(request);
                answer(&mut stream, reply).await;
            }
            // The listener is dropped here: later connections are refused.
        });
        Self { url, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> Seen {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let read = stream.read_buf(&mut bytes).await.expect("a request");
        assert!(read > 0, "the connection ended within the head");
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("plain text");
    let (line, head) = head.split_once("\r\n").expect("a request line");
    let mut seen = Seen {
        line: line.to_owned(),
        head: head.to_owned(),
        body: bytes[head_end..].to_vec(),
    };
    let length = seen
        .header("content-length")
        .map_or(0, |n| n.parse().expect("a number"));
    while seen.body.len() < length {
        let read = stream.read_buf(&mut seen.body).await.expect("a body");
        assert!(read > 0, "the connection ended within the body");
    }
    seen
}

async fn answer(stream: &mut TcpStream, reply: Reply) {
    let text = match reply {
        Reply::HangUp => return,
        Reply::Whole(status, content_type, body) => format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\
             location: /elsewhere\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ),
        Reply::Stream(pieces) => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                        connection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await.expect("sent");
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.expect("sent");
                stream.flush().await.expect("sent");
            }
            return;
        }
    };
    stream.write_all(text.as_bytes()).await.expect("sent");
}
