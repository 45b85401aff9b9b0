//! Disk space.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes that an ordinary account may still write on the file system of `path`.
///
/// # Errors
/// When the system does not tell.
#[allow(unsafe_code)]
#[allow(clippy::unnecessary_cast)] // The fields are narrower on some systems.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and the struct has room for what the call writes.
    if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has filled the struct.
    let found = unsafe { found.assume_init() };
    Ok(found.f_bavail as u64 * found.f_frsize as u64)
}

/// Bytes of the files in a directory and below. What vanishes meanwhile is not counted.
///
/// # Errors
/// When a directory cannot be read.
pub fn used_bytes(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(found) if found.is_dir() => waiting.push(entry.path()),
                Ok(found) => sum += found.len(),
                Err(_) => {}
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/b"), [0; 1000]).unwrap();
        assert_eq!(used_bytes(dir.path()).unwrap(), 1000);
        assert!(free_bytes(dir.path()).unwrap() > 0);
        assert!(free_bytes(Path::new("/no/such/place")).is_err());
    }
}
