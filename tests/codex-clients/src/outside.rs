//! The rest of the world: a proxy that only remembers whom it was asked for.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Listens until the process ends.
pub struct Outside {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let remembered = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut bytes = [0; 512];
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let count = stream.read(&mut bytes).unwrap_or(0);
                let text = String::from_utf8_lossy(&bytes[..count]);
                let line = text.lines().next().unwrap_or_default().to_owned();
                remembered.lock().expect("no panic").push(line);
            }
        });
        Self { address, asked }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first line of each request.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}
