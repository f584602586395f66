//! The guard script, under every shell it must run in, with a scripted distcc.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nightshift_testkit::{Cmd, Output, Sandbox, needs};

use crate::ccfarm;
use crate::fake_node::{AMD64, ARMEL, ARMHF};

struct Guard {
    sandbox: Sandbox,
    script: PathBuf,
    shell: Vec<PathBuf>,
}

impl Guard {
    /// `object` is what the scripted distcc puts where `-o` says.
    fn new(shell: &[&Path], object: &[u8]) -> Self {
        let sandbox = Sandbox::new();
        let farm = sandbox.join("farm.toml");
        ccfarm().arg("init").arg(&farm).run().success();
        let root = sandbox.dir("root");
        ccfarm()
            .args(["apply", "--farm"])
            .arg(&farm)
            .arg("--root")
            .arg(&root)
            .run();
        sandbox.file("object", object);
        let distcc = sandbox.file(
            "bin/distcc",
            "#!/bin/sh\n\
             case \" $* \" in *\" fail \"*) echo 'a compile error' >&2; exit 7 ;; esac\n\
             case \" $* \" in *\" nothing \"*) exit 0 ;; esac\n\
             cp -- object \"$OUT\"\n",
        );
        fs::set_permissions(distcc, fs::Permissions::from_mode(0o755)).unwrap();
        let shell = shell.iter().map(|part| part.to_path_buf()).collect();
        Self {
            script: root.join("usr/local/lib/ccfarm/guard"),
            sandbox,
            shell,
        }
    }

    /// Runs the guard as ccache does; the compiler writes to `out`.
    fn run(&self, out: &str, args: &[&str]) -> Output {
        Cmd::new(&self.script)
            .under(&self.shell)
            .cwd(self.sandbox.path())
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.sandbox.join("bin").display()),
            )
            .env("OUT", out)
            .arg("gcc")
            .args(args)
            .run()
    }
}

fn shells() -> Vec<Vec<PathBuf>> {
    let busybox = needs::command("busybox", "busybox-static");
    vec![
        vec![needs::command("dash", "dash")],
        vec![needs::command("bash", "bash"), "--posix".into()],
        vec![busybox, "sh".into()],
    ]
}

#[test]
fn objects_for_the_device_pass_and_others_are_removed() {
    for shell in shells() {
        let shell: Vec<_> = shell.iter().map(PathBuf::as_path).collect();
        for (object, passes) in [
            (ARMEL, true),
            // The float ABI is not in the header; doctor looks for it.
            (ARMHF, true),
            (AMD64, false),
            (&ARMEL[..19], false),
            (b"", false),
            (b"text", false),
        ] {
            let guard = Guard::new(&shell, object);
            for out in ["a.o", "dir with blanks.o", "-odd.o"] {
                let output = guard.run(out, &["-O2", "-c", "a.c", "-o", out]);
                let there = guard.sandbox.join(out).exists();
                let code = if passes { 0 } else { 121 };
                assert_eq!(
                    (output.ending(), there),
                    (code.into(), passes),
                    "{shell:?}\n{output}"
                );
                let complaint = output.stderr_text().contains("is not an ELF32 arm object");
                assert_eq!(complaint, !passes, "{output}");
            }
        }
    }
}

#[test]
fn every_way_to_name_the_output_is_understood() {
    for shell in shells() {
        let shell: Vec<_> = shell.iter().map(PathBuf::as_path).collect();
        let guard = Guard::new(&shell, AMD64);
        for (out, args) in [
            ("a.o", &["-c", "dir/a.c"][..]),
            ("a.o", &["-oa.o", "-c", "a.c"]),
            ("b.o", &["-o", "a.o", "-c", "x.cc", "-o", "b.o"]),
            ("prog", &["-o", "prog", "a.o", "b.o"]),
        ] {
            let output = guard.run(out, args);
            assert_eq!(output.ending(), 121.into(), "{shell:?} {args:?}\n{output}");
            assert!(!guard.sandbox.join(out).exists(), "{args:?}");
        }
    }
}

#[test]
fn what_is_no_object_is_not_looked_at() {
    for shell in shells() {
        let shell: Vec<_> = shell.iter().map(PathBuf::as_path).collect();
        let guard = Guard::new(&shell, b"some text");
        for (out, args) in [
            ("a.s", &["-S", "a.c", "-o", "a.s"][..]),
            ("a.i", &["-E", "a.c", "-o", "a.i"]),
            ("a.d", &["-MM", "a.c", "-o", "a.d"]),
            ("x", &["-fsyntax-only", "a.c"]),
            ("a.h.gch", &["-x", "c-header", "a.h", "-o", "a.h.gch"]),
            ("/dev/null", &["-c", "a.c", "-o", "/dev/null"]),
            ("x", &["--version"]),
            ("x", &["nothing", "-c", "a.c", "-o", "missing.o"]),
        ] {
            let output = guard.run(out, args);
            assert_eq!(output.ending(), 0.into(), "{shell:?} {args:?}\n{output}");
        }
        assert!(Path::new("/dev/null").exists());
    }
}

#[test]
fn a_failure_of_the_compiler_is_passed_on() {
    for shell in shells() {
        let shell: Vec<_> = shell.iter().map(PathBuf::as_path).collect();
        let guard = Guard::new(&shell, ARMEL);
        let output = guard.run("a.o", &["fail", "-c", "a.c", "-o", "a.o"]);
        output.assert(7, "", "a compile error\n");
    }
}
