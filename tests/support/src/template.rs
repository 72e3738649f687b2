//! Empty data folders: made once for each program on a machine, copied for every server.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::process::{self, Account};

/// The command that makes `data` in a folder that an account owns.
type Install = fn(&Path, Option<Account>) -> Command;

/// Puts into `dir` the folder `data` that `install` makes for `server`, the program; `sentinel` is in it.
pub(crate) fn copy_into(
    dir: &Path,
    (name, sentinel): (&str, &str),
    server: &Path,
    account: Option<Account>,
    install: Install,
) {
    let template = made((name, sentinel), server, account, install);
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(template.join("data")).arg(dir);
    process::run(copy, dir);
}

/// The folder that holds `data`, made if this machine has none for this version of the program.
fn made(
    (name, sentinel): (&str, &str),
    server: &Path,
    account: Option<Account>,
    install: Install,
) -> PathBuf {
    let place =
        std::env::temp_dir().join(format!("cachekit-{name}-{:016x}", mark(server, account)));
    let is_whole = || place.join("data").join(sentinel).exists();
    if is_whole() {
        return place;
    }
    // One process makes it, the others wait: the lock ends with the file's handle.
    let lock = File::create(place.with_extension("lock")).expect("the template's lock file");
    flock(&lock, FlockOperation::LockExclusive).expect("the template's lock");
    if !is_whole() {
        let _emptied = fs::remove_dir_all(&place);
        // A machine under load has been seen to fail at it once.
        let dir = try_to_make(name, account, install)
            .or_else(|_| try_to_make(name, account, install))
            .unwrap_or_else(|failure| panic!("{failure}"));
        fs::rename(dir.keep(), &place).expect("the template's name");
    }
    place
}

fn try_to_make(name: &str, account: Option<Account>, install: Install) -> Result<TempDir, String> {
    let dir = process::folder(&format!("{name}-template-"), account);
    process::attempt(install(dir.path(), account), dir.path()).map(|()| dir)
}

/// Differs for another version of the program and for another owner.
fn mark(server: &Path, account: Option<Account>) -> u64 {
    let program = fs::metadata(server).expect("the server's program");
    let mut hasher = DefaultHasher::new();
    (program.len(), program.modified().ok(), account).hash(&mut hasher);
    geteuid().as_raw().hash(&mut hasher);
    hasher.finish()
}
