//! The supervisor: compares which faces should run with which do, closes and opens the difference, and
//! says what really listens. It has no input but the meter's present view, so it can be woken as often
//! as one likes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use firmware::Version;
use services::faces::{FACES, Face, Faces, Listening};
use services::{Site, Stop, accept, proof};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ports::Sockets;

/// How long a face has to fail at once.
const FIRST_STEPS: Duration = Duration::from_millis(20);
/// How often the faces are looked after though nothing has changed: one that has ended, or found its port taken, is
/// opened again.
const ROUND: Duration = Duration::from_secs(5);
/// What is said of a face that ended by itself.
const ENDED: &str = "it ended by itself; the meter's log on standard error says why";

/// A face that runs.
struct Running {
    port: u16,
    release: Version,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

pub(crate) struct Supervisor {
    site: Arc<Site>,
    sockets: Arc<Sockets>,
    faces: Arc<watch::Sender<Faces>>,
    running: BTreeMap<usize, Running>,
    /// Tries the faces of a release on trial; ended with it.
    proof: Option<JoinHandle<()>>,
}

impl Supervisor {
    pub fn new(site: Arc<Site>, sockets: Arc<Sockets>, faces: watch::Sender<Faces>) -> Self {
        Self { site, sockets, faces: Arc::new(faces), running: BTreeMap::new(), proof: None }
    }

    /// Opens and closes until what runs is what the settings say, then tells.
    pub async fn reconcile(&mut self) {
        let view = self.site.view();
        let release = &view.release().release;
        let wanted: BTreeMap<usize, u16> = FACES
            .iter()
            .enumerate()
            .filter_map(|(at, face)| Some((at, self.sockets.port_of(face, &view.settings)?)))
            .collect();
        // First everything is closed that must be, so that a port may pass from one face to another.
        let over: Vec<usize> = self
            .running
            .iter()
            .filter(|(at, running)| {
                let same_release = FACES[**at].outlives_release || running.release == *release;
                running.task.is_finished() || wanted.get(at) != Some(&running.port) || !same_release
            })
            .map(|(at, _)| *at)
            .collect();
        for at in over {
            self.close(at).await;
        }
        let mut opened = BTreeMap::new();
        for (at, port) in &wanted {
            if !self.running.contains_key(at) {
                opened.insert(*at, self.open(*at, *port, release));
            }
        }
        if !opened.is_empty() {
            // A face whose keys can't be used ends at once, before its first connection.
            tokio::time::sleep(FIRST_STEPS).await;
        }
        let mut services = BTreeMap::new();
        for at in wanted.into_keys() {
            let listening = match (self.running.get(&at), opened.remove(&at)) {
                (Some(running), _) if running.task.is_finished() => Listening::Failed(ENDED.to_owned()),
                (Some(running), _) => Listening::On(running.port),
                (None, Some(failed)) => failed,
                (None, None) => Listening::Failed(ENDED.to_owned()),
            };
            for service in FACES[at].services.iter().filter(|service| view.settings.service(**service) == Some(true)) {
                services.insert(*service, listening.clone());
            }
        }
        let (generation, moved) = (view.generation, self.sockets.moved.clone());
        self.end_proof();
        let faces = Faces { generation, services, moved, proved: None };
        if view.on_trial {
            self.begin_proof(faces.clone());
        }
        self.faces.send_replace(faces);
    }

    /// Tries what listens, without keeping the supervisor from its work.
    fn begin_proof(&mut self, trying: Faces) {
        let (site, faces, at) = (Arc::clone(&self.site), Arc::clone(&self.faces), self.sockets.reached_at());
        self.proof = Some(tokio::spawn(async move {
            let failures = proof::prove(&site, at, &trying).await;
            faces.send_if_modified(|faces| {
                let same = faces.generation == trying.generation;
                if same {
                    faces.proved = Some(failures);
                }
                same
            });
        }));
    }

    fn end_proof(&mut self) {
        if let Some(proof) = self.proof.take() {
            proof.abort();
        }
    }

    fn open(&mut self, at: usize, port: u16, release: &Version) -> Listening {
        let face: &Face = &FACES[at];
        let listener = self.sockets.listen(port).and_then(|listener| {
            listener.set_nonblocking(true).map_err(|error| error.to_string())?;
            TcpListener::from_std(listener).map_err(|error| error.to_string())
        });
        let listener = match listener {
            Ok(listener) => listener,
            Err(why) => return Listening::Failed(why),
        };
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn((face.run)(Arc::clone(&self.site), listener, stopped));
        self.running.insert(at, Running { port, release: release.clone(), stop, task });
        Listening::On(port)
    }

    async fn close(&mut self, at: usize) {
        if let Some(running) = self.running.remove(&at) {
            let _ = running.stop.send(true);
            // A face ends at once and closes its connections; one that panicked has ended already.
            let _ = running.task.await;
        }
    }

    /// Reconciles whenever the meter looks different, until told to stop; then closes every face.
    pub async fn run(mut self, mut stop: Stop) {
        let mut news = self.sockets.news();
        let mut done = self.faces.borrow().generation;
        let mut round = tokio::time::interval(ROUND);
        loop {
            tokio::select! {
                () = accept::stopped(&mut stop) => break,
                _ = round.tick() => {
                    let ended = self.running.values().any(|running| running.task.is_finished());
                    let closed = |one: &Listening| matches!(one, Listening::Failed(_));
                    // A port that another program has taken may be free again.
                    if !ended && !self.faces.borrow().services.values().any(closed) {
                        continue;
                    }
                }
                changed = news.wait_for(|view| view.as_ref().is_some_and(|view| view.generation != done)) => {
                    if changed.is_err() {
                        break;
                    }
                }
            }
            self.reconcile().await;
            done = self.faces.borrow().generation;
        }
        self.close_all().await;
    }

    /// Closes every face.
    pub async fn close_all(&mut self) {
        self.end_proof();
        for at in 0..FACES.len() {
            self.close(at).await;
        }
    }
}
