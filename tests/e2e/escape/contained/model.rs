//! A model's host that has more than a model: whoever reaches that has got past the gateway. And a server for the one name
//! that a proxy lets through.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Paths that belong to a model.
const MODEL_PATHS: &[&str] = &[
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/models",
];

/// The address of a host that hands a model's paths on to `model`, and answers all others with `word`. It ends with the test.
pub fn host(model: &str, word: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let (model, word) = (model.to_owned(), word.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (model, word) = (model.clone(), word.clone());
            // Whoever has gone away gets no answer.
            std::thread::spawn(move || answer(stream, &model, &word));
        }
    });
    address
}

fn answer(mut stream: TcpStream, model: &str, word: &str) -> std::io::Result<()> {
    let request = head(&mut stream);
    let path = request.split(' ').nth(1).unwrap_or_default();
    if !MODEL_PATHS.contains(&path.split('?').next().unwrap_or_default()) {
        let length = word.len();
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{word}"
        );
    }
    let mut upstream = TcpStream::connect(model)?;
    upstream.write_all(request.as_bytes())?;
    let (mut from, mut to) = (stream.try_clone()?, upstream.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::io::copy(&mut upstream, &mut stream)?;
    Ok(())
}

/// A server that answers every first message with `word`, whatever it is.
pub fn anything(address: &str, word: &str) -> u16 {
    let listener = TcpListener::bind((address, 0)).expect("an address of loopback");
    let port = listener.local_addr().expect("bound").port();
    let word = word.to_owned();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut some = [0; 4096];
            if matches!(stream.read(&mut some), Ok(1..)) {
                let _ = stream.write_all(word.as_bytes());
            }
        }
    });
    port
}

fn head(stream: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}
