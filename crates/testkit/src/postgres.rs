//! A PostgreSQL server of its own for one test, from Debian's package.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::needs;

/// The account that runs the server when the test itself is root: initdb refuses root.
const ACCOUNT: &str = "postgres";

/// A running server with the superuser `test`, trusted on its socket; stopped on drop.
///
/// With [`PostgresServer::with_tls`] it also listens on 127.0.0.1, where it wants TLS and a
/// password. It never touches the clusters of the machine, nor their port.
#[derive(Debug)]
pub struct PostgresServer {
    dir: TempDir,
    bin: PathBuf,
    port: u16,
}

impl PostgresServer {
    /// A server on a socket only.
    #[track_caller]
    pub fn new() -> Self {
        Self::start(None)
    }

    /// A server that also answers on 127.0.0.1, with TLS by this certificate and key (PEM).
    #[track_caller]
    pub fn with_tls(certificate: &str, key: &str) -> Self {
        Self::start(Some((certificate, key)))
    }

    #[track_caller]
    fn start(tls: Option<(&str, &str)>) -> Self {
        let bin = binaries();
        // Short, because a socket's path ends at 107 bytes; not a sandbox, because another account
        // must reach it.
        let dir = tempfile::Builder::new()
            .prefix("pg-")
            .tempdir_in("/tmp")
            .unwrap_or_else(|error| panic!("cannot make a directory in /tmp: {error}"));
        let server = Self {
            dir,
            bin,
            port: free_port(),
        };
        give_away(server.path());
        let data = server.path().join("data");
        server.run(
            "initdb",
            &["--auth=trust", "--username=test", "--no-sync"],
            &data,
        );
        let mut hba = "local all all trust\n".to_owned();
        if let Some((certificate, key)) = tls {
            hba.push_str("hostssl all all 127.0.0.1/32 scram-sha-256\n");
            server.file("server.crt", certificate);
            server.file("server.key", key);
        }
        server.file("pg_hba.conf", &hba);
        server.start_again();
        server
    }

    /// Starts the server after [`PostgresServer::stop`].
    #[track_caller]
    pub fn start_again(&self) {
        let tls = self.path().join("data/server.crt").exists();
        let listen = if tls { "127.0.0.1" } else { "" };
        let options = format!(
            "-c listen_addresses='{listen}' -c port={} -c unix_socket_directories={} -c fsync=off \
             -c ssl={}",
            self.port,
            self.path().display(),
            if tls { "on" } else { "off" },
        );
        let log = self.path().join("log").display().to_string();
        self.run(
            "pg_ctl",
            &["start", "-w", "-l", &log, "-o", &options],
            &self.path().join("data"),
        );
    }

    /// Stops the server at once, as a crash does.
    #[track_caller]
    pub fn stop(&self) {
        self.run(
            "pg_ctl",
            &["stop", "-m", "immediate"],
            &self.path().join("data"),
        );
    }

    /// Makes a database and returns its address, by the socket.
    #[track_caller]
    pub fn database(&self, name: &str) -> String {
        self.sql(&format!("CREATE DATABASE {name}"));
        let directory = self.path().display().to_string().replace('/', "%2F");
        format!("postgres://test@{directory}:{}/{name}", self.port)
    }

    /// The address of a database by TCP; `user` needs a password.
    pub fn tcp_address(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@localhost:{}/{database}", self.port)
    }

    /// Runs a statement as superuser in the database `postgres`.
    #[track_caller]
    pub fn sql(&self, statement: &str) -> String {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-U", "test", "-d", "postgres", "-c"])
            .arg(statement)
            .arg("-h")
            .arg(self.path())
            .args(["-p", &self.port.to_string()]);
        output(&mut psql)
    }

    /// The directory of data and socket.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    #[track_caller]
    fn run(&self, program: &str, args: &[&str], data: &Path) {
        let program = self.bin.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut runuser = Command::new("runuser");
            runuser.args(["-u", ACCOUNT, "--"]).arg(program);
            runuser
        } else {
            Command::new(program)
        };
        command.current_dir("/").arg("-D").arg(data).args(args);
        output(&mut command);
    }

    /// Writes a file into the data directory, readable by the server alone: it refuses other keys.
    #[track_caller]
    fn file(&self, name: &str, content: &str) {
        let path = self.path().join("data").join(name);
        #[expect(
            clippy::disallowed_methods,
            reason = "a test's own file need not be atomic"
        )]
        std::fs::write(&path, content)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, mode)
            .unwrap_or_else(|error| panic!("cannot restrict {}: {error}", path.display()));
        give_away(&path);
    }
}

impl Default for PostgresServer {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.path().join("data/postmaster.pid"));
        let pid = pid.ok().and_then(|text| text.lines().next()?.parse().ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            // SIGQUIT is its immediate shutdown; what it wrote is deleted next.
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
            while rustix::process::test_kill_process(pid).is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
}

/// Makes the server's account the owner of `path`, when that is not the test's own.
#[track_caller]
fn give_away(path: &Path) {
    if rustix::process::geteuid().is_root() {
        output(Command::new("chown").arg(format!("{ACCOUNT}:")).arg(path));
    }
}

/// The newest installed version's programs; Debian keeps them out of PATH.
#[track_caller]
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").is_file())
        .max()
        .unwrap_or_else(|| {
            needs::file(
                "/usr/lib/postgresql",
                "run `cargo xtask setup` or `apt-get install postgresql`",
            );
            panic!("there is no initdb below /usr/lib/postgresql: `apt-get install postgresql`")
        })
}

#[track_caller]
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("no free port: {error}"))
        .port()
}

#[track_caller]
fn output(command: &mut Command) -> String {
    // A server that was started keeps its standard streams; it must not keep the test's.
    command.stdin(std::process::Stdio::null());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("cannot run {command:?}: {error}"),
    };
    assert!(
        output.status.success(),
        "{command:?} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_until_it_is_dropped() {
        let server = PostgresServer::new();
        let url = server.database("one");
        assert!(url.starts_with("postgres://test@%2Ftmp%2Fpg-"), "{url}");
        assert_eq!(server.sql("SELECT 6 * 7"), "42");
        let dir = server.path().to_owned();
        server.stop();
        server.start_again();
        assert_eq!(server.sql("SELECT 1"), "1");
        drop(server);
        assert!(!dir.exists());
    }
}
