//! The platform: a server of the test, down to the bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use super::answers::{self, Answer, Fate, Handled, Tells};
use super::books::Books;
use super::mood::{Mood, Task};
use super::numbers::{is_good, kept, parts};
use super::seed::Dice;
use crate::world::Lane;

/// The platform, until it is dropped.
pub(super) struct Platform {
    pub(super) base_url: String,
    site: Arc<Mutex<Site>>,
    listening: JoinHandle<()>,
}

/// The state that all connections share.
pub(super) struct Site {
    pub(super) books: Books,
    tasks: HashMap<Lane, Task>,
    /// The number of requests of each lane.
    count: HashMap<Lane, u64>,
    dice: Dice,
}

/// The platform's final deed with a request.
enum Deed {
    Answers(Answer),
    /// A part of an answer, then the end of the connection.
    CutsOff(Answer),
    /// The end of the connection.
    Closes,
    /// No answer, for as long as the client waits.
    Hangs,
}

struct Request {
    lane: Lane,
    numbers: Vec<String>,
    suffixed: bool,
    skip_error: bool,
    body: Vec<u8>,
}

impl Request {
    /// Its numbers without the suffixes that the courier has appended.
    fn bare(&self) -> impl Iterator<Item = &str> {
        self.numbers.iter().map(|number| parts(number).0)
    }
}

impl Platform {
    pub(super) async fn start(tasks: HashMap<Lane, Task>, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let site = Arc::new(Mutex::new(Site {
            books: Books::default(),
            tasks,
            count: HashMap::new(),
            dice: Dice::new(seed),
        }));
        let shared = Arc::clone(&site);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            base_url: format!("http://{address}"),
            site,
            listening,
        }
    }

    pub(super) fn site(&self) -> MutexGuard<'_, Site> {
        self.site.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A client that closes the connection this soon after an answer may not have waited for the answer: a
/// busy machine takes longer than the client's patience, and a courier may be killed.
const UNREAD: Duration = Duration::from_secs(2);

/// Serves the requests of a connection, one after the other.
async fn serve(mut stream: TcpStream, site: Arc<Mutex<Site>>) {
    let mut buffer = Vec::new();
    let mut last: Option<(Request, Instant)> = None;
    loop {
        let Some(request) = read(&mut stream, &mut buffer).await else {
            if let Some((request, answered)) = last
                && answered.elapsed() < UNREAD
            {
                let mut site = site.lock().unwrap_or_else(PoisonError::into_inner);
                let task = site.task(&request.lane);
                site.is_unclear(&request, task);
            }
            return;
        };
        let deed = {
            let mut site = site.lock().unwrap_or_else(PoisonError::into_inner);
            site.handle(&request)
        };
        let whole = match &deed {
            Deed::Answers(answer) | Deed::CutsOff(answer) => bytes(answer),
            Deed::Closes => return,
            Deed::Hangs => {
                // The client gives up by closing.
                while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                return;
            }
        };
        let is_whole = matches!(deed, Deed::Answers(_));
        let sent = whole.len() * 2 / 3;
        if !is_whole {
            drop(stream.write_all(&whole[..sent]).await);
            return;
        }
        // Where nobody reads it any more, the next read tells.
        drop(stream.write_all(&whole).await);
        last = Some((request, Instant::now()));
    }
}

fn bytes(answer: &Answer) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {} Any Words\r\ncontent-type: application/json\r\nContent-Length: {}\r\n\r\n",
        answer.status,
        answer.body.len()
    );
    [head.as_bytes(), &answer.body].concat()
}

/// Reads a request. Bytes behind it stay in the buffer.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(buffer[..head].to_vec()).ok()?;
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers: HashMap<String, &str> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    for name in ["accept", "content-type"] {
        assert_eq!(headers.get(name), Some(&"application/json"), "{name}");
    }
    assert_eq!(headers.get("accept-encoding"), Some(&"identity"));
    let length = headers.get("content-length");
    let end = head + length.map_or(0, |length| length.parse().expect("a length"));
    while buffer.len() < end {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer[head..end].to_vec();
    buffer.drain(..end);
    // /agent-api/user/{user}/task/{task}/number
    let parts: Vec<&str> = path.split('/').collect();
    let lane = Lane((*parts.get(3)?).into(), (*parts.get(5)?).into());
    let said: Value = serde_json::from_slice(&body).expect("a request is JSON");
    let phone = |number: &Value| number["phone"].as_str().expect("a number").to_owned();
    let numbers = said["data"].as_array().expect("numbers");
    Some(Request {
        lane,
        numbers: numbers.iter().map(phone).collect(),
        suffixed: said["number_add_suffix"] == true,
        skip_error: said["skip_error"] == true,
        body,
    })
}

impl Site {
    /// Returns how many requests came in for other lanes than this.
    pub(super) fn requests_of_others(&self, lane: &Lane) -> u64 {
        let others = self.count.iter().filter(|(other, _)| *other != lane);
        others.map(|(_, count)| count).sum()
    }

    pub(super) fn task(&self, lane: &Lane) -> Task {
        self.tasks[lane]
    }

    fn handle(&mut self, request: &Request) -> Deed {
        let lane = &request.lane;
        let task = self.tasks[lane];
        self.books.note(lane, &request.body);
        let nth = self.count.entry(lane.clone()).or_default();
        *nth += 1;
        let nth = *nth;
        for number in request.bare() {
            let kept = kept(number, task.normalises);
            self.books.entry(lane, &kept).carried += 1;
        }
        match task.mood {
            Mood::Good => {
                let handled = self.import(request, task);
                self.says(lane, &handled, Tells::All);
                Deed::Answers(answers::plain(&handled))
            }
            Mood::Unknown => turned_away(404, 404),
            Mood::Forbidden => turned_away(403, 403),
            Mood::Running => turned_away(200, 6007),
            Mood::Down if nth <= 6 => self.loses(request, task),
            Mood::Ends if (4..=6).contains(&nth) => self.loses(request, task),
            Mood::Ends if nth > 6 => ended(),
            Mood::Poisoned if request.bare().any(|n| n.ends_with(task.poison)) => {
                self.is_unclear(request, task);
                Deed::Answers(none(500))
            }
            Mood::Liar | Mood::Babbler => self.invents(request, task),
            mood if self.dice.once_in(mood.is_lost_once_in()) => self.loses(request, task),
            mood => {
                let handled = self.import(request, task);
                let answer = answers::honest(&handled, mood == Mood::Quiet, &mut self.dice);
                self.says(lane, &handled, answer.tells);
                Deed::Answers(answer)
            }
        }
    }

    /// Imports the numbers that are good and not yet there.
    fn import(&mut self, request: &Request, task: Task) -> Vec<Handled> {
        let is_bad = |number: &str| !is_good(&kept(number, task.normalises));
        let stops = !request.skip_error && request.bare().any(is_bad);
        let lane = &request.lane;
        let mut handled = Vec::new();
        for sent in &request.numbers {
            let mut number = Handled::new(sent, task.normalises, Fate::Taken);
            number.fate = if !is_good(&number.kept) {
                Fate::Refused
            } else if stops {
                Fate::Stopped
            } else if !request.suffixed && self.books.has(lane, &number.copy) {
                Fate::There
            } else {
                self.books.take(lane, &number.kept, &number.copy);
                Fate::Taken
            };
            handled.push(number);
        }
        handled
    }

    /// Notes the statements of an honest answer.
    fn says(&mut self, lane: &Lane, handled: &[Handled], tells: Tells) {
        for number in handled {
            let entry = self.books.entry(lane, &number.kept);
            match number.fate {
                _ if tells == Tells::Nothing => entry.unclear += 1,
                Fate::Taken => entry.yes += 1,
                Fate::Refused => entry.no += 1,
                Fate::There if tells == Tells::Vaguely => entry.perhaps_there += 1,
                Fate::There => entry.there += 1,
                Fate::Stopped => {}
            }
        }
    }

    fn is_unclear(&mut self, request: &Request, task: Task) {
        for number in request.bare() {
            let kept = kept(number, task.normalises);
            self.books.entry(&request.lane, &kept).unclear += 1;
        }
    }

    /// Whatever was said of this number may be forgotten.
    pub(super) fn is_unread(&mut self, lane: &Lane, phone: &str) {
        let kept = kept(phone, self.task(lane).normalises);
        let entry = self.books.entry(lane, &kept);
        if entry.carried > 0 {
            entry.unclear += 1;
        }
    }

    /// Carries the request out or not, and gives no usable answer.
    fn loses(&mut self, request: &Request, task: Task) -> Deed {
        self.is_unclear(request, task);
        let handled = if self.dice.once_in(2) {
            self.import(request, task)
        } else {
            Vec::new()
        };
        match self.dice.below(5) {
            0 => Deed::Closes,
            1 => Deed::Hangs,
            2 => Deed::CutsOff(answers::plain(&handled)),
            3 => Deed::Answers(none(self.dice.one_of(&[500, 502, 503, 504]))),
            _ => Deed::Answers(Answer {
                status: 200,
                body: b"<html>maintenance</html>".to_vec(),
                tells: Tells::Nothing,
            }),
        }
    }

    /// Carries the request out or not, and answers anything.
    fn invents(&mut self, request: &Request, task: Task) -> Deed {
        self.is_unclear(request, task);
        let handled = if self.dice.once_in(2) {
            self.import(request, task)
        } else {
            let nothing = |sent: &String| Handled::new(sent, task.normalises, Fate::Refused);
            request.numbers.iter().map(nothing).collect()
        };
        let dice = &mut self.dice;
        match (task.mood, dice.below(8)) {
            (_, 0) => self.loses(request, task),
            (Mood::Liar, 1..3) => Deed::Answers(answers::honest(&handled, false, dice)),
            (Mood::Liar, _) => Deed::Answers(answers::lie(&handled, dice)),
            // Now and then it answers plainly, or its rows would never end.
            (_, 1..4) => Deed::Answers(answers::plain(&handled)),
            _ => Deed::Answers(answers::babble(dice)),
        }
    }
}

fn turned_away(status: u16, code: u16) -> Deed {
    let body = format!("{{\"code\":{code},\"status\":\"error\",\"message\":\"no\",\"data\":[]}}");
    Deed::Answers(Answer {
        status,
        body: body.into_bytes(),
        tells: Tells::Nothing,
    })
}

/// A refusal that names no number and blames none.
fn ended() -> Deed {
    let body = r#"{"code":422,"status":"error","message":"任务已结束","data":[]}"#;
    Deed::Answers(Answer {
        status: 422,
        body: body.into(),
        tells: Tells::Nothing,
    })
}

fn none(status: u16) -> Answer {
    Answer {
        status,
        body: Vec::new(),
        tells: Tells::Nothing,
    }
}
