//! Disk images: sparse files outside, block devices inside.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::io::Errno;
use rustix::mount::MountFlags;

/// The major number of user-mode block devices, and how many minors each has.
const MAJOR: u32 = 98;
const MINORS: u32 = 16;

/// A disk that survives its machine. Inside one, making it is nothing: it is there.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
}

impl Disk {
    /// A new image in `directory` with an ext4 on it.
    pub fn ext4(directory: &Path, name: &str, mib: u64) -> Self {
        // No lazy initialisation: a kernel thread would write to the image for minutes.
        let options = "lazy_itable_init=0,lazy_journal_init=0";
        Self::make(directory, name, mib, "mkfs.ext4", &["-q", "-F", "-m", "0", "-E", options])
    }

    /// A new image with a FAT on it: no hard links, no permissions.
    pub fn vfat(directory: &Path, name: &str, mib: u64) -> Self {
        Self::make(directory, name, mib, "mkfs.vfat", &[])
    }

    fn make(directory: &Path, name: &str, mib: u64, tool: &str, options: &[&str]) -> Self {
        let image = directory.join(name);
        if super::is_inside() {
            return Self { image };
        }
        File::create(&image).and_then(|file| file.set_len(mib << 20)).expect("an image");
        // Both lie in a directory that an ordinary user need not have in PATH.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let made = Command::new("env").arg(format!("PATH={path}")).arg(tool).args(options).arg(&image).output();
        let made = made.expect("`env` runs");
        assert!(
            made.status.success(),
            "{tool} (packages e2fsprogs, dosfstools): {}",
            String::from_utf8_lossy(&made.stderr)
        );
        Self { image }
    }

    /// Where the image is.
    pub fn image(&self) -> &Path {
        &self.image
    }
}

/// Inside: mounts disk `number` (counted from 0, as they were given to the machine) at `at`.
pub fn mount(number: u32, at: &Path, kind: &str, options: &str) {
    let device = PathBuf::from(format!("/dev/depsync-disk{number}"));
    match mknodat(CWD, &device, FileType::BlockDevice, Mode::RUSR | Mode::WUSR, makedev(MAJOR, number * MINORS)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => panic!("make {}: {errno}", device.display()),
    }
    std::fs::create_dir_all(at).expect("a mount point");
    let options = std::ffi::CString::new(options).expect("no NUL");
    rustix::mount::mount(&device, at, kind, MountFlags::empty(), options.as_c_str())
        .unwrap_or_else(|errno| panic!("mount disk {number} ({kind}) at {}: {errno}", at.display()));
}
