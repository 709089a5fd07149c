use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::delivery::Delivery;
use crate::journal::{drop_oldest, journal};
use crate::queue::Queue;
use crate::shared::Shared;
use crate::{Error, Sender, WhenFull};

/// The client's thread.
pub(crate) struct Worker {
    pub thread: JoinHandle<()>,
    pub runtime: Handle,
    /// Closed when the thread has let the queue go.
    pub ended: watch::Receiver<()>,
}

/// Starts the thread and waits until it has opened the queue. It has a runtime of its own, so that the
/// client works in programs that have none, and that a busy one does not hold it up.
pub(crate) fn start(shared: &Arc<Shared>, sender: Sender) -> Result<Worker, Error> {
    let failed = |error| Error::Thread { source: Arc::new(error) };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    let (opened, opening) = mpsc::channel();
    let (ending, ended) = watch::channel(());
    let shared = Arc::clone(shared);
    let body = move || {
        let _last_act = CloseWhenDone(Arc::clone(&shared));
        runtime.block_on(work(&shared, &sender, &opened));
        // A name that is being looked up would hold the end up.
        runtime.shutdown_background();
        drop(ending);
    };
    let thread = std::thread::Builder::new().name("suanpan-sdk".to_owned()).spawn(body).map_err(failed)?;
    // The thread answers in any case, but for a panic.
    opening.recv().unwrap_or(Err(Error::Closed))?;
    Ok(Worker { thread, runtime: handle, ended })
}

async fn work(shared: &Shared, sender: &Sender, opened: &mpsc::Sender<Result<(), Error>>) {
    let queue = match Queue::open(&shared.config).await {
        Ok((queue, found)) => {
            shared.counts().found = found.events;
            shared.intake.add(found);
            queue
        }
        Err(error) => {
            let _heard = opened.send(Err(error.into()));
            return;
        }
    };
    if shared.config.when_full == WhenFull::DropOldest {
        drop_oldest(shared, &queue);
    }
    shared.progress.send_modify(|progress| {
        progress.end = queue.end();
        progress.floor = queue.floor();
    });
    let _heard = opened.send(Ok(()));
    tokio::join!(journal(shared, &queue), Delivery::new(shared, &queue, sender).run());
    queue.close().await;
}

/// However the thread ends, nobody is told afterwards that an event was taken.
struct CloseWhenDone(Arc<Shared>);

impl Drop for CloseWhenDone {
    fn drop(&mut self) {
        self.0.intake.close();
    }
}
