//! Servers that record everything that they receive: one that offers no TLS, and one that speaks
//! nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The first words of a server, and its answers to what it receives then.
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
        Self::hearing(move |mut caller, ears| hear(&mut caller, speech, ears))
    }

    /// Makes a server that speaks TLS with the certificate and the key of a folder.
    pub(super) fn with_tls(folder: &Path, speech: Speech) -> Self {
        let chain = CertificateDer::pem_file_iter(folder.join("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let config = Arc::new(config);
        Self::hearing(move |caller, ears| {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            hear(&mut StreamOwned::new(tls, caller), speech, ears);
        })
    }

    fn hearing(hear: impl Fn(TcpStream, &Mutex<Vec<u8>>) + Send + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        thread::spawn(move || {
            for caller in socket.incoming().flatten() {
                hear(caller, &ears);
            }
        });
        Self { port, heard }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Whether it has received this.
    pub(super) fn was_told(&self, words: &str) -> bool {
        let heard = self.heard.lock().unwrap();
        heard
            .windows(words.len())
            .any(|part| part == words.as_bytes())
    }
}

/// Answers each message with the next answer, and hangs up when it has none.
fn hear(caller: &mut (impl Read + Write), speech: Speech, ears: &Mutex<Vec<u8>>) {
    if !speech.greeting.is_empty() {
        caller.write_all(speech.greeting).ok();
    }
    let mut answers = speech.answers.iter();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = caller.read(&mut buffer) {
        ears.lock().unwrap().extend_from_slice(&buffer[..length]);
        match answers.next() {
            Some(answer) => caller.write_all(answer).and_then(|()| caller.flush()).ok(),
            None => return,
        };
    }
}
