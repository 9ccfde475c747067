//! A server on this machine that answers in any way at all.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is answered: it gets the request and the connection, which is closed afterwards.
pub type Play = Arc<dyn Fn(&Request, &mut dyn Connection) -> io::Result<()> + Send + Sync>;

/// A request as it came.
pub struct Request {
    pub method: String,
    /// With its query.
    pub target: String,
    /// In lower case, with a blank line at its end.
    pub head: String,
}

/// What is written to: TCP, or TLS above it.
pub trait Connection: Write {
    /// Ends it so that the other side is told that it broke.
    fn reset(&mut self);
}

impl Connection for TcpStream {
    fn reset(&mut self) {
        let _ = rustix::net::sockopt::set_socket_linger(&*self, Some(Duration::ZERO));
    }
}

impl Connection for rustls::StreamOwned<rustls::ServerConnection, TcpStream> {
    fn reset(&mut self) {
        self.sock.reset();
    }
}

/// Answers until the tests end.
pub struct Server {
    pub url: String,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(play: Play) -> Self {
        Self::listen("http", move |stream, targets| {
            let reader = stream.try_clone()?;
            serve(reader, stream, &play, targets)
        })
    }

    pub fn tls(config: rustls::ServerConfig, play: Play) -> Self {
        let config = Arc::new(config);
        Self::listen("https", move |stream, targets| {
            let session = rustls::ServerConnection::new(Arc::clone(&config));
            let mut tls = rustls::StreamOwned::new(session.map_err(io::Error::other)?, stream);
            let request = read(&mut tls)?;
            targets
                .lock()
                .expect("no panic")
                .push(request.target.clone());
            play(&request, &mut tls)?;
            tls.conn.send_close_notify();
            tls.flush()
        })
    }

    fn listen(
        scheme: &str,
        serve: impl Fn(TcpStream, &Mutex<Vec<String>>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("{scheme}://{}", listener.local_addr().expect("bound"));
        let targets: Arc<Mutex<Vec<String>>> = Arc::default();
        let (serve, noted) = (Arc::new(serve), Arc::clone(&targets));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (serve, noted) = (Arc::clone(&serve), Arc::clone(&noted));
                // A client that goes away is what many plays are about.
                std::thread::spawn(move || drop(serve(stream, &noted)));
            }
        });
        Self { url, targets }
    }

    /// What was asked for so far.
    pub fn targets(&self) -> Vec<String> {
        self.targets.lock().expect("no panic").clone()
    }
}

fn serve(
    mut reader: TcpStream,
    mut stream: TcpStream,
    play: &Play,
    targets: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let request = read(&mut reader)?;
    targets
        .lock()
        .expect("no panic")
        .push(request.target.clone());
    play(&request, &mut stream)
}

/// A request with its body, which is thrown away.
fn read(stream: &mut impl Read) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut words = head.split(' ').map(str::to_owned);
    let (method, target) = (words.next(), words.next());
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.trim().parse().expect("a number"));
    io::copy(&mut reader.take(length), &mut io::sink())?;
    Ok(Request {
        method: method.unwrap_or_default(),
        target: target.unwrap_or_default(),
        head,
    })
}

/// An answer of that status, type and body.
pub fn answer(status: u16, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut answer = format!(
        "HTTP/1.1 {status} Told\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         retry-after: 7\r\nconnection: close\r\n\r\n"
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// The same bytes to whatever is asked.
pub fn always(bytes: Vec<u8>) -> Play {
    Arc::new(move |_, connection| connection.write_all(&bytes))
}
