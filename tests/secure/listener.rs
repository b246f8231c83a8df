//! A server that offers no TLS and writes down whatever it is sent.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a server said first, and what it answers to what it is sent then.
#[derive(Clone, Copy)]
pub(super) struct Speech {
    pub(super) greeting: &'static [u8],
    pub(super) answers: &'static [&'static [u8]],
}

/// It listens on loopback until the test ends.
pub(super) struct Listener {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Listener {
    pub(super) fn new(speech: Speech) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        thread::spawn(move || {
            for caller in socket.incoming().flatten() {
                hear(caller, speech, &ears);
            }
        });
        Self { port, heard }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Whether it was told this.
    pub(super) fn was_told(&self, words: &str) -> bool {
        let heard = self.heard.lock().unwrap();
        heard
            .windows(words.len())
            .any(|part| part == words.as_bytes())
    }
}

/// Answers each message with the next answer, and hangs up when it has none.
fn hear(mut caller: TcpStream, speech: Speech, ears: &Mutex<Vec<u8>>) {
    caller.write_all(speech.greeting).ok();
    let mut answers = speech.answers.iter();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = caller.read(&mut buffer) {
        ears.lock().unwrap().extend_from_slice(&buffer[..length]);
        match answers.next() {
            Some(answer) => caller.write_all(answer).ok(),
            None => caller.shutdown(Shutdown::Both).ok(),
        };
    }
}
