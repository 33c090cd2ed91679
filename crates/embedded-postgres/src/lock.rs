//! One process at a time owns a data directory. The kernel drops the lock with the process, however
//! that ends.
//!
//! A child that another thread is just starting has a copy of the descriptor until it executes its
//! program, so closing ours is not enough: dropping the lock says that it is given up.

use crate::{Error, error::cannot, home, home::Home};
use std::{
    fs::{File, TryLockError},
    io::{Read, Write},
    thread,
    time::Duration,
};

/// Held as long as this value lives.
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // It cannot fail on a file that is open; and at the end of the process it is gone anyway.
        let _ = self.file.unlock();
    }
}

impl Lock {
    /// Takes the lock and writes our pid into it, for the message of whoever comes second.
    pub fn take(home: &Home) -> Result<Self, Error> {
        let path = home.lock();
        let mut file = home::open_own(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse { dir: home.dir.clone(), pid: holder(file) });
            }
            Err(TryLockError::Error(error)) => return Err(cannot("lock", &path)(error)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(cannot("write", &path))?;
        Ok(Self { file })
    }
}

/// The pid in the file. The holder writes it a moment after it took the lock.
fn holder(mut file: File) -> String {
    let mut text = String::new();
    for _ in 0..20 {
        if file.read_to_string(&mut text).is_ok() && text.ends_with('\n') {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    if text.is_empty() { "unknown".to_owned() } else { text.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::Lock;
    use crate::home::Home;
    use std::fs;

    #[test]
    fn a_lock_that_is_dropped_is_free_although_a_child_has_a_copy_of_its_descriptor() {
        let name = format!("embedded-postgres-lock-{}", std::process::id());
        let home = Home::open(&std::env::temp_dir().join(name)).unwrap();
        let lock = Lock::take(&home).unwrap();
        let copy = lock.file.try_clone().unwrap();
        assert!(Lock::take(&home).is_err());
        drop(lock);
        drop(Lock::take(&home).unwrap());
        drop(copy);
        fs::remove_dir_all(&home.dir).unwrap();
    }
}
