//! What stands between the workers and Redis, and breaks connections at the worst moment.
//!
//! ```text
//!  worker ──commit──► proxy ──────► Redis        AnswerLost: Redis has answered, the worker never hears it
//!         ◄──closed──       ◄─answer─            InFlight:   the worker is gone before Redis hears of it
//!                                                Late:       the commit arrives when others have followed
//! ```

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::tally::Tally;

/// After so long without another byte a request is whole: its sender waits for the answer.
const QUIET: Duration = Duration::from_millis(15);

/// How long Redis may take to answer a request whose sender is gone.
const ANSWER: Duration = Duration::from_secs(10);

/// How a connection is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Once Redis has answered, which the client never hears.
    AnswerLost,
    /// Once the request is on its way.
    InFlight,
    /// Before it: the request is delivered when it is released.
    Late,
}

impl Cut {
    /// What the tally calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AnswerLost => "connections cut, answer lost",
            Self::InFlight => "connections cut, request under way",
            Self::Late => "connections cut, request delivered late",
        }
    }
}

/// The proxy: a port that stands for another.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    to: u16,
    tally: Tally,
    /// Cuts for the next commits, whoever sends them.
    armed: Mutex<VecDeque<Cut>>,
    /// Requests whose clients are gone, and their connections to Redis.
    held: Mutex<Vec<(TcpStream, Vec<u8>)>>,
}

impl Proxy {
    /// Listens on a port of its own for as long as the process lives.
    pub(crate) fn start(to: u16, tally: Tally) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of the loopback");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Shared { to, tally, armed: Mutex::default(), held: Mutex::default() });
        let proxy = Self { port, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(&client));
            }
        });
        proxy
    }

    /// Where clients connect.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Breaks the connection of the next commit.
    pub(crate) fn arm(&self, cut: Cut) {
        lock(&self.shared.armed).push_back(cut);
    }

    /// Whether a request waits to be released.
    pub(crate) fn holds(&self) -> bool {
        !lock(&self.shared.held).is_empty()
    }

    /// Delivers the requests that are held, and waits until Redis has answered them.
    pub(crate) fn release(&self) {
        let held = std::mem::take(&mut *lock(&self.shared.held));
        for (mut server, request) in held {
            // A Redis that was killed meanwhile has closed the connection: then nothing is delivered.
            let answered = server.write_all(&request).is_ok() && first_answer(&mut server);
            if answered {
                self.shared.tally.count(Cut::Late.name());
            }
        }
    }
}

impl Shared {
    /// Passes on what a client says until either side is gone.
    fn serve(&self, client: &TcpStream) {
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.to)) else { return };
        let (Ok(answers), Ok(back)) = (server.try_clone(), client.try_clone()) else { return };
        let delays = [client.set_nodelay(true), server.set_nodelay(true)];
        if delays.iter().any(Result::is_err) {
            return;
        }
        let (mute, muted) = channel();
        let answering = thread::spawn(move || pass_answers(answers, back, &muted));
        let late = self.pass_requests(client, &server, &mute);
        drop(mute);
        // Whoever delivers a request reads its answer: nobody else may read from this connection then.
        let quiet = answering.join().is_ok();
        match late {
            Some(request) if quiet => lock(&self.held).push((server, request)),
            _ => close(&server),
        }
        // Last, so that a client that sees its connection cut finds its request held.
        close(client);
    }

    /// Passes requests on until one of them is cut. Returns that one if it is to be delivered late.
    fn pass_requests(
        &self,
        mut client: &TcpStream,
        mut server: &TcpStream,
        mute: &Sender<Sender<()>>,
    ) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let Ok(read @ 1..) = client.read(&mut buffer) else { return None };
            let cut = if is_commit(&buffer[..read]) { lock(&self.armed).pop_front() } else { None };
            let Some(cut) = cut else {
                if server.write_all(&buffer[..read]).is_err() {
                    return None;
                }
                continue;
            };
            let mut request = buffer[..read].to_vec();
            collect(client, &mut request);
            // From here on nothing that Redis says reaches the client.
            let (heard, answered) = channel();
            if mute.send(heard).is_err() {
                return None;
            }
            if cut == Cut::Late {
                return Some(request);
            }
            if cut == Cut::InFlight {
                close(client);
            }
            if server.write_all(&request).is_ok() && answered.recv_timeout(ANSWER).is_ok() {
                self.tally.count(cut.name());
            }
            return None;
        }
    }
}

/// Passes on answers until it is told to be silent; then it tells of the first answer.
fn pass_answers(mut server: TcpStream, mut client: TcpStream, muted: &Receiver<Sender<()>>) {
    let mut buffer = vec![0; 1 << 16];
    // Looks up now and then whether it is to be silent, or to leave the connection to somebody else.
    if server.set_read_timeout(Some(QUIET)).is_err() {
        return;
    }
    let mut heard: Option<Sender<()>> = None;
    loop {
        let read = match server.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(_) => break,
        };
        match muted.try_recv() {
            Ok(told) => heard = Some(told),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            Err(std::sync::mpsc::TryRecvError::Empty) => {}
        }
        if read == 0 {
            continue;
        }
        match &heard {
            Some(told) => drop(told.send(())),
            None if client.write_all(&buffer[..read]).is_err() => break,
            None => {}
        }
    }
    close(&client);
}

/// Whether bytes begin or hold a commit: a script over a marker.
fn is_commit(bytes: &[u8]) -> bool {
    let holds = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    holds(b"EVAL") && holds(b"}#m")
}

/// Reads the rest of a request.
fn collect(mut client: &TcpStream, request: &mut Vec<u8>) {
    let mut buffer = vec![0; 1 << 16];
    if client.set_read_timeout(Some(QUIET)).is_err() {
        return;
    }
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        request.extend_from_slice(&buffer[..read]);
    }
}

fn first_answer(server: &mut TcpStream) -> bool {
    server.set_read_timeout(Some(ANSWER)).is_ok() && matches!(server.read(&mut [0; 1 << 12]), Ok(1..))
}

fn close(stream: &TcpStream) {
    let _gone_before = stream.shutdown(Shutdown::Both);
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &[u8] = b"EVAL script {view:0}#m blobs";

    /// A proxy before a server that answers `ok` to whatever comes and says what came.
    fn before_a_server() -> (Proxy, Receiver<Vec<u8>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap().port(), Tally::default());
        let (say, said) = channel();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let say = say.clone();
                thread::spawn(move || {
                    let mut buffer = [0; 100];
                    while let Ok(read @ 1..) = client.read(&mut buffer) {
                        say.send(buffer[..read].to_vec()).unwrap();
                        client.write_all(b"ok").unwrap();
                    }
                });
            }
        });
        (proxy, said)
    }

    fn ask(proxy: &Proxy, request: &[u8]) -> Vec<u8> {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        client.write_all(request).unwrap();
        let mut answer = [0; 100];
        let read = client.read(&mut answer).unwrap_or_default();
        answer[..read].to_vec()
    }

    #[test]
    fn a_commit_that_is_cut_arrives_and_is_not_answered() {
        let (proxy, said) = before_a_server();
        for cut in [Cut::AnswerLost, Cut::InFlight] {
            proxy.arm(cut);
            assert_eq!(ask(&proxy, b"MGET"), b"ok", "what is no commit is passed on");
            assert_eq!(said.recv().unwrap(), b"MGET");
            assert_eq!(ask(&proxy, COMMIT), b"");
            assert_eq!(said.recv().unwrap(), COMMIT);
            assert_eq!(ask(&proxy, COMMIT), b"ok", "one commit is cut");
            assert_eq!(said.recv().unwrap(), COMMIT);
        }
    }

    #[test]
    fn a_late_commit_arrives_behind_those_that_followed_it() {
        let (proxy, said) = before_a_server();
        proxy.arm(Cut::Late);
        assert_eq!(ask(&proxy, COMMIT), b"");
        assert_eq!(ask(&proxy, b"EVAL next {view:0}#m"), b"ok");
        assert_eq!(said.recv().unwrap(), b"EVAL next {view:0}#m");
        assert!(proxy.holds());
        proxy.release();
        assert_eq!(said.recv().unwrap(), COMMIT);
        assert_eq!(proxy.shared.tally.of(Cut::Late.name()), 1);
    }
}
