use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::binary::{suanpan, without_settings};

/// Mounts a disk at each place, says so, and holds them until its standard input closes.
const SCRIPT: &str = r#"
while [ $# -gt 0 ]; do
    mount -t tmpfs -o "size=$2m" tmpfs "$1" || exit 1
    shift 2
done
echo mounted
read -r word
"#;

/// Small disks that only the processes started with [`Self::command`] see. They stay while those are
/// killed and started again, and go with this.
pub(crate) struct SmallDisks {
    holder: Child,
}

impl SmallDisks {
    /// An empty disk of so many MiB at each place; `None` where the system lets nobody make one.
    pub fn make(places: &[(PathBuf, u32)]) -> Option<Self> {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "disks"]);
        for (place, mib) in places {
            std::fs::create_dir_all(place).expect("a folder can be made");
            command.arg(place).arg(mib.to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = command.spawn().ok()?;
        let mut said = String::new();
        let stdout = holder.stdout.take().expect("it was piped");
        let _nothing = BufReader::new(stdout).read_line(&mut said);
        let mut disks = Self { holder };
        if said == "mounted\n" {
            return Some(disks);
        }
        disks.end();
        None
    }

    /// The binary's command, which sees the disks.
    pub fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--preserve-credentials",
            "--user",
            "--mount",
            "--target",
            &self.holder.id().to_string(),
        ]);
        command.arg("--").arg(suanpan());
        without_settings(command)
    }

    /// A path as those see it who see the disks.
    pub fn seen(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn end(&mut self) {
        drop(self.holder.stdin.take());
        let _gone = self.holder.wait();
    }
}

impl Drop for SmallDisks {
    fn drop(&mut self) {
        self.end();
    }
}
