//! The door for the gateway's own commands: a socket in the data directory that only its owner can open. A command is
//! one line, its answer one line.

use crate::store::BackupDoor;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tracing::warn;

/// The socket.
const NAME: &str = "gatehouse.control";

/// Bytes of a command: a path and a word.
const LINE_BYTES: u64 = 8 << 10;

/// How long a command may take to come.
const LINE_TIME: Duration = Duration::from_secs(5);

/// The socket of a data directory.
pub fn socket(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// Opens the door beside the heart. Without it everything else works: what is wrong is logged.
pub(super) fn begin(side: &Runtime, directory: &Path, backups: BackupDoor) {
    let path = socket(directory);
    let _guard = side.enter();
    // The lock of the directory is held: a socket that is there is nobody's.
    let _ = fs::remove_file(&path);
    let open = UnixListener::bind(&path).and_then(|listener| {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    });
    match open {
        Ok(listener) => drop(side.spawn(serve(listener, backups))),
        Err(error) => warn!(%error, path = %path.display(), "`gatehouse backup create` will not reach this gateway"),
    }
}

async fn serve(listener: UnixListener, backups: BackupDoor) {
    // One command after the other: there is nothing to be gained from two at once.
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = answer(stream, &backups).await {
                    warn!(%error, "a command was not answered");
                }
            }
            Err(error) => {
                warn!(%error, "a command could not be taken");
                tokio::time::sleep(LINE_TIME).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, backups: &BackupDoor) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let mut limited = (&mut stream).take(LINE_BYTES);
    if tokio::time::timeout(LINE_TIME, limited.read_line(&mut line)).await.is_err() {
        return Ok(());
    }
    let said = match line.trim_end_matches('\n').split_once(' ') {
        Some(("backup", path)) => backup(backups, path.into()).await,
        _ => Err("unknown command".to_owned()),
    };
    let said = match said {
        Ok(bytes) => format!("ok {bytes}\n"),
        Err(why) => format!("error {why}\n"),
    };
    stream.get_mut().write_all(said.as_bytes()).await
}

async fn backup(backups: &BackupDoor, target: PathBuf) -> Result<u64, String> {
    let answer = backups.ask(target)?;
    let waiting = tokio::task::spawn_blocking(move || answer.recv());
    match waiting.await {
        Ok(Ok(copied)) => copied,
        _ => Err("the gateway stopped".to_owned()),
    }
}
