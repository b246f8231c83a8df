//! A server, or something before it, that cuts off long bodies without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contact_courier::simulator::Faults;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::world::{World, goods, lanes};
use crate::support::Db;

const ROWS: usize = 20;

const ANSWER: &str = r#"{"code":200,"status":"success","message":"号码导入任务成功","data":[]}"#;

/// Takes no body that is longer than two thirds of the first one.
#[derive(Default)]
struct Door {
    first: AtomicUsize,
    cut: AtomicUsize,
    answered: AtomicUsize,
}

impl Door {
    /// Takes one request. A connection that closes with bytes unread is reset.
    async fn take(&self, mut from: TcpStream) -> std::io::Result<()> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            from.read_exact(&mut byte).await?;
            head.push(byte[0].to_ascii_lowercase());
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length
            .and_then(|length| length.parse().ok())
            .expect("a length");
        let first = self
            .first
            .compare_exchange(0, length, Ordering::Relaxed, Ordering::Relaxed);
        if length > first.map_or_else(|first| first, |_| length) * 2 / 3 {
            self.cut.fetch_add(1, Ordering::Relaxed);
            return from.read_exact(&mut byte).await.map(drop);
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).await?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        let answer = format!("{head}Content-Length: {}\r\n\r\n{ANSWER}", ANSWER.len());
        from.write_all(answer.as_bytes()).await
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_without_an_answer_is_halved() {
    let db = Db::sqlite().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    let door = Arc::new(Door::default());
    let serving = Arc::clone(&door);
    let _serving = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Ok((from, _)) = listener.accept().await {
            serving.take(from).await.ok();
        }
    }));
    let mut world = World::new(&db, Faults::default()).await;
    world.set("platform.base_url", &base_url);
    world.set("retry.max_interval", "100ms");
    world.insert(&lanes(1)[0], &goods(0, ROWS)).await;
    world.deliver().await;
    let succeeded = "FROM contact_outbox WHERE status = 'succeeded'";
    assert_eq!(db.count(succeeded).await, i64::try_from(ROWS).unwrap());
    let [cut, answered] = [&door.cut, &door.answered].map(|count| count.load(Ordering::Relaxed));
    // Each half is short enough; a batch may be cut into smaller parts at once. How often the whole is tried
    // before depends on how quick the machine is.
    assert!((2..=8).contains(&answered), "{answered} were answered");
    assert!(cut <= ROWS, "{cut} were cut off");
}
