//! Support for tests of the whole command: starting it, and three hosts in a temporary directory.

use std::{
    io::{BufRead, BufReader},
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub(crate) const ROLES: [&str; 3] = ["model-owner", "data-owner", "crypto-producer"];

/// The command, with the output piped.
pub(crate) fn tercet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tercet"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the command to its end.
pub(crate) fn run<const N: usize>(args: [&str; N]) -> Output {
    tercet().args(args).output().expect("the command starts")
}

/// A file below the repository's root.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join(path)
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("output is text")
}

/// The one line that a failed command says, after checking that it is one and its exit code.
pub(crate) fn complaint(output: &Output, exit_code: i32) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(exit_code), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("error: "), "{text}");
    text.trim_end().to_owned()
}

pub(crate) fn json(file: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(file).expect("a report")).expect("JSON")
}

/// Three hosts on this machine, each with a config of its own.
pub(crate) struct Hosts {
    pub(crate) directory: TempDir,
    ports: [u16; 3],
}

impl Hosts {
    /// Hosts with keys and free ports.
    pub(crate) fn new() -> Hosts {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let keys = directory.path().join("keys");
        let made = run(["keygen", keys.to_str().expect("a plain path")]);
        assert!(made.status.success(), "{}", stderr(&made));
        Hosts { directory, ports: ROLES.map(|_| free_port()) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a role's config: the shared tables, changed by `change`, and its own table.
    pub(crate) fn write(
        &self,
        role: &str,
        own: &str,
        change: impl FnOnce(String) -> String,
    ) -> PathBuf {
        let [p0, p1, p2] = self.ports;
        let shared = format!(
            "[network]\nnet = \"digits-cnn\"\ninput = [1, 8, 8]\nclasses = 10\n\
             [protocol]\nfractional_bits = 13\nconnect_timeout_seconds = 20\n\
             [addresses]\nmodel-owner = \"127.0.0.1:{p0}\"\ndata-owner = \"127.0.0.1:{p1}\"\n\
             crypto-producer = \"127.0.0.1:{p2}\"\n\
             [certificates]\nmodel-owner = \"keys/model-owner.pem\"\n\
             data-owner = \"keys/data-owner.pem\"\ncrypto-producer = \"keys/crypto-producer.pem\"\n\
             [{role}]\nkey = \"keys/{role}.key\"\n{own}\n"
        );
        let file = self.path(&format!("{role}.toml"));
        std::fs::write(&file, change(shared)).expect("a config");
        file
    }

    /// Writes all three configs for the digits, with this many images of this file.
    pub(crate) fn write_digits(&self, images: &Path, count: usize) {
        self.write(
            "model-owner",
            &format!("weights = {:?}", digits("digits-cnn.safetensors")),
            same,
        );
        let own = format!("images = {images:?}\ncount = {count}\nscale = 0.0625");
        self.write("data-owner", &own, same);
        self.write("crypto-producer", "", same);
    }

    /// Makes all parties wait less long for one that does not come, yet long enough for all to
    /// start.
    pub(crate) fn hurry(&self) {
        self.change(&ROLES, "seconds = 20", "seconds = 8");
    }

    /// Replaces a text in the configs of these roles.
    pub(crate) fn change(&self, roles: &[&str], from: &str, to: &str) {
        for role in roles {
            let file = self.path(&format!("{role}.toml"));
            let config = std::fs::read_to_string(&file).expect("a config");
            assert!(config.contains(from), "{config}");
            std::fs::write(&file, config.replace(from, to)).expect("a config");
        }
    }

    /// Starts a party with its config.
    pub(crate) fn start(&self, role: &str) -> Child {
        self.command(role).args(["--log", "info"]).spawn().expect("the command starts")
    }

    /// Runs all three to their ends; each writes what it saw to a JSON file of its own.
    pub(crate) fn run_with_reports(&self) -> [Output; 3] {
        let start = |role| {
            let report = self.path(&format!("{role}.json"));
            self.command(role).arg("--report").arg(report).spawn().expect("the command starts")
        };
        ROLES.map(start).map(|party| party.wait_with_output().expect("a child"))
    }

    fn command(&self, role: &str) -> Command {
        let mut command = tercet();
        command.args(["party", role, "--config"]).arg(self.path(&format!("{role}.toml")));
        command
    }
}

/// A port that nothing is bound to. It lies below those that the system hands out by itself, so
/// that no test that runs beside this one is given it before a party binds it.
fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    static TRIED: AtomicU16 = AtomicU16::new(0);
    // Test binaries of other checkouts begin elsewhere.
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    (0..COUNT)
        .map(|_| FIRST + (start + TRIED.fetch_add(1, Relaxed) % COUNT) % COUNT)
        .find(|&port| UdpSocket::bind(("127.0.0.1", port)).is_ok())
        .expect("a free port")
}

/// Leaves a config as it is.
pub(crate) fn same(config: String) -> String {
    config
}

/// A file of the digits.
pub(crate) fn digits(name: &str) -> PathBuf {
    repository("tests/data/digits").join(name)
}

/// An IDX file of black images, so many that classifying them takes a while.
pub(crate) fn many_images(directory: &Path, count: u32) -> PathBuf {
    let mut bytes = vec![0, 0, 8, 3];
    [count, 8, 8].iter().for_each(|dimension| bytes.extend(dimension.to_be_bytes()));
    bytes.resize(bytes.len() + count as usize * 64, 0);
    let file = directory.join("many.idx3-ubyte");
    std::fs::write(&file, bytes).expect("a file");
    file
}

/// A process's standard error, line by line.
pub(crate) struct Lines(BufReader<ChildStderr>);

impl Lines {
    pub(crate) fn from_stderr(child: &mut Child) -> Lines {
        Lines(BufReader::new(child.stderr.take().expect("standard error is piped")))
    }

    /// Reads on to a line that contains `text`.
    pub(crate) fn find(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).expect("text");
            assert!(read > 0, "'{text}' never came, only:\n{seen}");
            if line.contains(text) {
                return line;
            }
            seen += &line;
        }
    }

    /// All that is left.
    pub(crate) fn rest(self) -> Vec<String> {
        self.0.lines().map(|line| line.expect("text")).collect()
    }
}

/// Waits for a process to end by itself.
pub(crate) fn wait_for_exit(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_until("the process ends", || {
        status = child.try_wait().expect("a child");
        status.is_some()
    });
    status.expect("it ended")
}

/// Waits until something holds. The limit is there to end a test that hangs: what the command
/// promises is far below it, so that a loaded machine fails no test.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal.
pub(crate) fn signal(signal: &str, process: u32) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status();
    assert!(sent.expect("kill starts").success());
}
