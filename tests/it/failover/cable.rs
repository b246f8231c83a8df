//! A cable between the program and a server, which can be pulled.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::support::{Db, Raw};

/// The state of the cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Carries all bytes.
    Plugged,
    /// Swallows all bytes, in both directions. Nothing is closed.
    Pulled,
    /// Carries the program's bytes and swallows the server's answers.
    AnswersLost,
    /// Swallows what the program sends from these words on. Other connections are carried.
    SilentFrom(&'static str),
    /// Closes a connection once the server has got what the program sends with these words. Its answer is
    /// lost. Other connections are carried.
    CutBehind(&'static str),
    /// Has the server of a connection undo the transaction before it gets what the program sends with these
    /// words, and keeps that to itself (MariaDB).
    UndoneBefore(&'static str),
    /// In the place of an answer, PostgreSQL's FATAL of a proxy that has lost its server; then it closes.
    Ended,
}

/// A listener whose connections lead to the server. A connection that has lost bytes is silent for
/// ever, because nobody sends them again.
pub(super) struct Cable {
    state: watch::Sender<State>,
    /// The database's address at this end of the cable.
    pub(super) url: String,
}

impl Cable {
    /// Lays a cable to the server of a database.
    pub(super) async fn to(db: &Db) -> Self {
        let url = url::Url::parse(&db.url).unwrap();
        let value = |wanted| url.query_pairs().find(|(name, _)| name == wanted);
        let (scheme, user, socket, tls) = if let Raw::Postgres(_) = db.raw {
            let (_, dir) = value("host").expect("the directory of its socket");
            ("postgres", "postgres", format!("{dir}/.s.PGSQL.5432"), "")
        } else {
            let (_, socket) = value("socket").expect("its socket");
            // The cable looks for words.
            let tls = "?ssl-mode=DISABLED";
            ("mysql", "root", socket.into_owned(), tls)
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (state, follow) = watch::channel(State::Plugged);
        tokio::spawn(async move {
            while let Ok((program, _)) = listener.accept().await {
                tokio::spawn(carry(program, socket.clone(), follow.clone()));
            }
        });
        let url = format!("{scheme}://{user}@127.0.0.1:{port}{}{tls}", url.path());
        Self { state, url }
    }

    pub(super) fn put(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn carry(program: TcpStream, socket: String, state: watch::Receiver<State>) {
    let skips = Arc::new(AtomicBool::new(false));
    if *state.borrow() == State::Pulled {
        // The connection never reaches the server.
        let (from, _to) = program.into_split();
        return pump(from, tokio::io::sink(), state, Way::Back { skips }).await;
    }
    let server = UnixStream::connect(socket).await.unwrap();
    let (from_program, to_program) = program.into_split();
    let (from_server, to_server) = server.into_split();
    let back = Way::Back {
        skips: Arc::clone(&skips),
    };
    let answers = tokio::spawn(pump(from_server, to_program, state.clone(), back));
    let answers = answers.abort_handle();
    pump(
        from_program,
        to_server,
        state,
        Way::There { answers, skips },
    )
    .await;
}

/// Where bytes go.
enum Way {
    /// To the server, whose answers a task carries.
    There {
        answers: AbortHandle,
        skips: Arc<AtomicBool>,
    },
    /// To the program. The next answer may be to something that it has not asked.
    Back { skips: Arc<AtomicBool> },
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    way: Way,
) {
    let mut some = vec![0; 64 * 1024];
    let mut broken = false;
    while let Ok(length @ 1..) = from.read(&mut some).await {
        let mut bytes = &some[..length];
        let now = *state.borrow();
        match (now, &way) {
            (State::Ended, Way::Back { .. }) => {
                to.write_all(&fatal()).await.ok();
                to.shutdown().await.ok();
                return;
            }
            (State::CutBehind(words), Way::There { answers, .. }) if holds(bytes, words) => {
                answers.abort();
                to.write_all(bytes).await.ok();
                return;
            }
            (State::UndoneBefore(words), Way::There { skips, .. }) if holds(bytes, words) => {
                skips.store(true, Ordering::Release);
                to.write_all(UNDO).await.ok();
            }
            (_, Way::Back { skips }) if skips.swap(false, Ordering::AcqRel) => {
                bytes = behind_a_packet(bytes);
            }
            _ => {}
        }
        let is_answer = matches!(way, Way::Back { .. });
        broken |= match now {
            State::Pulled => true,
            State::AnswersLost => is_answer,
            State::SilentFrom(words) => !is_answer && holds(bytes, words),
            _ => false,
        };
        if !broken && to.write_all(bytes).await.is_err() {
            break;
        }
    }
    // The end of a connection arrives only when the cable is back.
    state.wait_for(|state| *state == State::Plugged).await.ok();
    to.shutdown().await.ok();
}

/// The packet of a client of MariaDB's that undoes the transaction.
const UNDO: &[u8] = b"\x09\0\0\0\x03ROLLBACK";

/// What stands behind the first packet of a server that speaks MySQL's protocol.
fn behind_a_packet(bytes: &[u8]) -> &[u8] {
    let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
    &bytes[4 + usize::try_from(length).unwrap()..]
}

fn holds(bytes: &[u8], words: &str) -> bool {
    bytes
        .windows(words.len())
        .any(|window| window == words.as_bytes())
}

/// What pgpool says to its clients when their server is gone.
fn fatal() -> Vec<u8> {
    let fields = "SFATAL\0VFATAL\0CXX000\0Munable to read data from DB node 0\0\0";
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    [b"E", &length[..], fields.as_bytes()].concat()
}
