//! What every engine does, one scenario a function; each panics when the engine does something else.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use drydock::digest::Sha256;
use drydock::engine::{Exit, ImageId, Mount, Network, Session, Stream, Terminal, TerminalSize, User};
use drydock::oci::Store;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, guest, program, read_only};
use crate::killed::Victim;
use crate::rootfs::{self, BUILDER};
use crate::scenario::scenarios;
use crate::traces::Traces;

scenarios! {
    ALL:
    async fn an_exit_status_and_a_signal_are_told_apart(bench) {
        assert_eq!(bench.run(&bench.shell("exit 0")).await.exit, Exit::Code(0));
        assert_eq!(bench.run(&bench.shell("exit 7")).await.exit, Exit::Code(7));
        assert_eq!(bench.run(&bench.shell("exit 137")).await.exit, Exit::Code(137));
        assert_eq!(bench.run(&bench.shell("kill -KILL $$")).await.exit, Exit::Signal(9));
        assert_eq!(bench.run(&bench.shell("kill -SEGV $$")).await.exit, Exit::Signal(11));
        assert_eq!(bench.run(&bench.shell("sh -c 'kill -KILL $$'; exit $?")).await.exit, Exit::Code(137));
    }

    async fn both_streams_come_whole_and_apart(bench) {
        let ran = bench.run(&bench.shell("echo out; echo err >&2; printf 'no newline'; printf 'none\\n\\n' >&2")).await;
        assert_eq!((&*ran.stdout, &*ran.stderr), ("out\nno newline", "err\nnone\n\n"));
        let ran = bench.run(&bench.shell("seq 200000; seq 200000 >&2")).await;
        let all: String = (1..=200_000).flat_map(|n| [n.to_string(), "\n".to_owned()]).collect();
        assert!(ran.stdout == all && ran.stderr == all, "{} and {} bytes", ran.stdout.len(), ran.stderr.len());
    }

    async fn output_is_seen_while_the_program_runs(bench) {
        // The program goes on only when its first lines were seen: it waits for a file that the test then writes.
        let folder = bench.empty_folder("signal");
        let mut spec = bench.shell("echo first; echo first >&2; until test -e /signal/go; do sleep 0.05; done; echo last");
        spec.mounts.push(read_only(&folder, "/signal"));
        let by_copy = bench.kind.copies();
        if by_copy {
            spec = bench.shell("echo first; echo first >&2; sleep 3; echo last");
        }
        let begin = Instant::now();
        let (mut seen, mut first) = (0, None);
        let mut output = |_: Stream, bytes: &[u8]| {
            if bytes.starts_with(b"first") {
                seen += 1;
                if seen == 2 {
                    first = Some(begin.elapsed());
                    std::fs::write(folder.join("go"), "").unwrap();
                }
            }
        };
        let cancel = CancellationToken::new();
        let session = Session { output: &mut output, collect: None, cancel: &cancel };
        assert_eq!(bench.engine.run(&spec, session).await.unwrap(), Exit::Code(0));
        let first = first.expect("the first lines of both streams");
        assert!(!by_copy || begin.elapsed() > first + Duration::from_secs(2), "seen only at the end");
    }

    async fn a_time_limit_kills(bench) {
        let before = bench.traces();
        let mut spec = bench.shell("echo begun; sleep 1000");
        spec.limits.timeout = Some(Duration::from_secs(2));
        let begin = Instant::now();
        let ran = bench.run(&spec).await;
        assert_eq!((ran.exit, &*ran.stdout), (Exit::TimedOut, "begun\n"));
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
        Traces::settle(&before, || bench.traces());
    }

    async fn a_memory_limit_kills(bench) {
        if bench.engine.description().unwrap_or_default().contains("cannot keep memory") {
            println!("    this engine says that it cannot limit memory here");
            return;
        }
        let hog = "dd if=/dev/zero of=/dev/null bs=300M count=1";
        let mut spec = bench.shell(&format!("exec {hog}"));
        spec.limits.memory_bytes = Some(64 << 20);
        assert_eq!(bench.run(&spec).await.exit, Exit::MemoryLimit);
        // As a compiler below make.
        let mut spec = bench.shell(&format!("{hog} || exit 2"));
        spec.limits.memory_bytes = Some(64 << 20);
        assert_eq!(bench.run(&spec).await.exit, Exit::MemoryLimit);
        spec.limits.memory_bytes = Some(512 << 20);
        assert_eq!(bench.run(&spec).await.exit, Exit::Code(0));
    }

    async fn a_process_limit_is_kept(bench) {
        if bench.engine.description().unwrap_or_default().contains("process limits") {
            println!("    this engine says that it cannot limit processes here");
            return;
        }
        let mut spec = bench.shell("for i in 1 2 3 4 5 6 7 8 9; do sleep 30 & done; echo all");
        spec.limits.pids = Some(6);
        assert_ne!(bench.run(&spec).await.exit, Exit::Code(0));
        spec.limits.pids = Some(60);
        assert_eq!(bench.run(&spec).await.stdout, "all\n");
    }

    async fn a_terminal_is_the_programs_own(bench) {
        let before = bench.traces();
        let script = "test -t 0 && test -t 1 && test -t 2 && echo all; until test \"$(stty size 2>&1)\" = '30 100'; do sleep 0.1; done; \
             echo ask >/dev/tty; read line; echo got $line; until test \"$(stty size 2>&1)\" = '40 120'; do sleep 0.1; done; exit 7";
        let (keys, typed) = tokio::sync::mpsc::channel(8);
        let (resize, size) = tokio::sync::watch::channel(TerminalSize { rows: 30, columns: 100 });
        let mut seen = String::new();
        let mut screen = |bytes: &[u8]| {
            seen.push_str(&String::from_utf8_lossy(bytes));
            if seen.ends_with("ask\r\n") {
                keys.try_send(b"typed\r".to_vec()).unwrap();
                resize.send_replace(TerminalSize { rows: 40, columns: 120 });
            }
        };
        let cancel = CancellationToken::new();
        let terminal = Terminal { keys: typed, screen: &mut screen, size };
        let exit = bench.engine.attach(&bench.shell(script), terminal, &cancel).await.unwrap();
        assert_eq!(exit, Exit::Code(7), "{seen}");
        assert_eq!(seen, "all\r\nask\r\ntyped\r\ngot typed\r\n");
        Traces::settle(&before, || bench.traces());
    }

    async fn a_cancelled_run_leaves_nothing(bench) {
        let before = bench.traces();
        let cancel = CancellationToken::new();
        let mut output = |_: Stream, _: &[u8]| cancel.cancel();
        let session = Session { output: &mut output, collect: None, cancel: &cancel };
        let begin = Instant::now();
        let spec = bench.shell("sleep 1000 & echo begun; sleep 1000");
        assert_eq!(bench.engine.run(&spec, session).await.unwrap(), Exit::Cancelled);
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
        let session = Session { output: &mut |_, _| (), collect: None, cancel: &cancel };
        assert_eq!(bench.engine.run(&spec, session).await.unwrap(), Exit::Cancelled);
        Traces::settle(&before, || bench.traces());
    }

    async fn a_dropped_run_leaves_nothing(bench) {
        let before = bench.traces();
        let cancel = CancellationToken::new();
        let begun = tokio::sync::Notify::new();
        let mut output = |_: Stream, _: &[u8]| begun.notify_one();
        let session = Session { output: &mut output, collect: None, cancel: &cancel };
        let spec = bench.shell("echo begun; sleep 1000");
        tokio::select! {
            ended = bench.engine.run(&spec, session) => panic!("{ended:?}"),
            () = begun.notified() => {}
        }
        tokio::task::yield_now().await;
        tokio::task::block_in_place(|| Traces::settle(&before, || bench.traces()));
    }

    async fn there_is_no_network(bench) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!(
            "nc -w 2 127.0.0.1 {port} </dev/null && echo reached the host; nc -w 2 192.0.2.1 80 </dev/null && echo reached; \
             ip -o link | grep -v LOOPBACK | grep -w UP; ip route; true"
        );
        let ran = bench.run(&bench.shell(&script)).await;
        assert_eq!((ran.exit, &*ran.stdout), (Exit::Code(0), ""), "{}", ran.stderr);
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err());
    }

    async fn inputs_cannot_be_changed(bench) {
        let folder = bench.empty_folder("input");
        std::fs::write(folder.join("file"), "content").unwrap();
        std::fs::create_dir(folder.join("sub")).unwrap();
        let everyone = PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&folder, everyone).unwrap();
        let tries = "cat /in/folder/file /in/alone; for at in /in/folder/file /in/alone; do echo x >>$at && echo wrote; \
             chmod 600 $at && echo chmod; rm -f $at && echo removed; done; touch /in/folder/sub/new && echo made; \
             mount -o remount,rw /in/folder && echo remounted; mount -o remount,bind,rw /in/folder && echo remounted; \
             umount /in/folder && echo unmounted; true";
        for user in [User::Root, User::Named("builder".to_owned())] {
            let mut spec = bench.shell(tries);
            spec.user = user;
            spec.mounts = vec![read_only(&folder, "/in/folder"), read_only(&folder.join("file"), "/in/alone")];
            let ran = bench.run(&spec).await;
            assert_eq!((ran.exit, &*ran.stdout), (Exit::Code(0), "contentcontent"), "{}", ran.stderr);
        }
        assert_eq!(std::fs::read(folder.join("file")).unwrap(), b"content");
        assert_eq!(std::fs::read_dir(folder.join("sub")).unwrap().count(), 0);
    }

    async fn a_build_has_no_privileges(bench) {
        let script = "id -u; id -g; id -G; grep -E 'Cap(Eff|Prm|Amb|Inh)|NoNewPrivs' /proc/self/status | tr -d '\\t'";
        let ran = bench.run(&bench.shell(script)).await;
        let none = "0000000000000000";
        let expected = format!(
            "{BUILDER}\n{BUILDER}\n{BUILDER} 2345\nCapInh:{none}\nCapPrm:{none}\nCapEff:{none}\nCapAmb:{none}\nNoNewPrivs:1\n"
        );
        assert_eq!(ran.stdout, expected, "{}", ran.stderr);
        let mut spec = bench.shell("id -u; mount -t tmpfs none /tmp && echo mounted; chown builder /tmp && echo chowned");
        spec.user = User::Root;
        assert_eq!(bench.run(&spec).await.stdout, "0\nchowned\n");
    }

    async fn the_environment_is_the_given_one(bench) {
        let mut spec = bench.shell("pwd; env | grep -v -e ^PWD= -e ^SHLVL= | sort; hostname");
        spec.workdir = guest("/made/for/this");
        spec.env.insert("GIVEN".to_owned(), "with space\nand line".to_owned());
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let expected = format!(
            "/made/for/this\nFROM_IMAGE=yes\nGIVEN=with space\nHOME=/home/builder\nPATH={path}\nand line\ndrydock\n"
        );
        assert_eq!(bench.run(&spec).await.stdout, expected);
    }

    async fn a_missing_program_is_told(bench) {
        for program in ["no-such-program", "/bin/no-such-program", "/etc/passwd"] {
            let error = bench.try_run(&bench.program(&[program, "x"]), None).await.unwrap_err();
            assert!(error.to_string().contains(&format!("cannot start `{program}`")), "{error}");
        }
        assert_eq!(bench.run(&bench.shell("no-such-program")).await.exit, Exit::Code(127));
    }

    async fn memory_can_be_mounted(bench) {
        let mut spec = bench.shell("touch /tmp/x && stat -c %a /tmp && df -m /tmp | tail -1 | tr -s ' ' | cut -d ' ' -f 2");
        spec.mounts.push(Mount::Tmpfs { guest: guest("/tmp"), size_bytes: 32 << 20 });
        assert_eq!(bench.run(&spec).await.stdout, "1777\n32\n");
    }

    async fn a_derived_image_holds_exactly_the_change(bench) {
        let (first, second) = (Sha256::of_bytes(b"first"), Sha256::of_bytes(b"second"));
        let input = bench.empty_folder("derive");
        let mut spec = bench.shell("cat /in/file >/etc/new; rm /bin/zcat; mkdir /opt; chmod 750 /root; echo $STEP; pwd");
        std::fs::write(input.join("file"), "new\n").unwrap();
        spec.mounts.push(read_only(&input.join("file"), "/in/file"));
        // A place that a network puts a file into, too.
        spec.mounts.push(read_only(&input.join("file"), "/etc/resolv.conf"));
        if bench.has_outside() {
            spec.network = Network::Outside;
        }
        (spec.user, spec.workdir) = (User::Root, guest("/root"));
        spec.env.insert("STEP".to_owned(), "one".to_owned());
        assert_eq!(bench.derive(&spec, first).await, (Exit::Code(0), "one\n/root\n".to_owned()));
        assert_eq!(bench.changes(first).await, ["bin/", "bin/.wh.zcat", "etc/", "etc/new", "opt/", "root/"]);

        // Podman of 2026 would make an account file anew.
        let mut next = bench.shell("cat /etc/new; ls /bin/zcat; stat -c %a /root; echo $STEP$HOME $FROM_IMAGE; id -un");
        next.image = ImageId::Derived(first);
        let ran = bench.run(&next).await;
        assert_eq!(ran.stdout, "new\n750\n/home/builder yes\nbuilder\n", "{}", ran.stderr);
        assert!(ran.stderr.contains("/bin/zcat"), "{}", ran.stderr);

        next.argv = vec!["true".to_owned()];
        assert_eq!(bench.derive(&next, second).await.0, Exit::Code(0));
        assert_eq!(bench.changes(second).await, [""; 0]);
        next.argv = vec!["false".to_owned()];
        let failed = Sha256::of_bytes(b"failed");
        assert_eq!(bench.derive(&next, failed).await.0, Exit::Code(1));
        for (key, there) in [(first, true), (second, true), (failed, false)] {
            assert_eq!(bench.engine.has_image(ImageId::Derived(key)).await.unwrap(), there);
            bench.engine.remove_derived(key).await.unwrap();
            assert!(!bench.engine.has_image(ImageId::Derived(key)).await.unwrap());
        }
        bench.engine.remove_derived(first).await.unwrap();
        assert!(bench.try_run(&next, None).await.is_err(), "the image is gone");
    }

    async fn a_folder_that_is_made_again_gives_the_same_layer_on_every_engine(bench) {
        let store = Store::open(bench.folder().join("oci")).unwrap();
        let ImageId::Stored(manifest) = bench.image else { panic!("{:?}", bench.image) };
        let mut image = store.image(manifest).unwrap();
        for (name, content) in [("srv/sub/old", "old"), ("srv/kept", "same"), ("srv/gone", "gone")] {
            image = rootfs::with_file(&store, &image, name, content);
        }
        let script = "rm -rf /srv; mkdir -m 750 /srv; mkdir /srv/sub; cd /srv; printf same >kept; printf new >new; \
             chown 1234:1234 new; touch /etc/group; rm /bin/zcat";
        let mut spec = bench.shell(script);
        (spec.user, spec.image) = (User::Root, ImageId::Stored(image.manifest));
        let key = Sha256::of_bytes(b"made again");
        assert_eq!(bench.derive(&spec, key).await.0, Exit::Code(0));
        let layer = bench.folder().join("changes.tar");
        bench.engine.export_changes(key, &layer).await.unwrap();
        let made = store.append_layer(&image, &layer, &store.config(&image).unwrap()).unwrap();
        let expected = rootfs::changed(&store, &image);
        assert_eq!(rootfs::members(&store, &made), rootfs::members(&store, &expected));
        assert_eq!(made.manifest, expected.manifest);
        bench.engine.remove_derived(key).await.unwrap();
        std::fs::remove_file(layer).unwrap();
    }

    async fn a_damaged_layer_is_told_as_that_and_removed(bench) {
        let store = Store::open(bench.folder().join("oci")).unwrap();
        let ImageId::Stored(manifest) = bench.image else { panic!("{:?}", bench.image) };
        let image = rootfs::with_file(&store, &store.image(manifest).unwrap(), "srv/rotten", "whole");
        let blob = store.blob_path(image.layers.last().unwrap().digest);
        let (mut bytes, written) = (std::fs::read(&blob).unwrap(), blob.metadata().unwrap().modified().unwrap());
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        std::fs::write(&blob, bytes).unwrap();
        // As a disk does it, which tells nobody.
        std::fs::File::options().write(true).open(&blob).unwrap().set_modified(written).unwrap();
        let mut spec = bench.shell("cat /srv/rotten");
        spec.image = ImageId::Stored(image.manifest);
        let fault = bench.try_run(&spec, None).await.unwrap_err();
        let causes = std::iter::successors(Some(&fault as &dyn std::error::Error), |fault| fault.source());
        let told: Vec<String> = causes.map(ToString::to_string).collect();
        assert!(told.contains(&format!("the blob `{}` is damaged", blob.display())), "{told:?}");
        assert!(fault.hint().unwrap().contains("pulls or makes it again"), "{:?}", fault.hint());
        assert!(!blob.exists());
    }

    async fn a_layer_that_an_image_has_twice_counts_where_it_is_highest(bench) {
        let store = Store::open(bench.folder().join("oci")).unwrap();
        let ImageId::Stored(manifest) = bench.image else { panic!("{:?}", bench.image) };
        let mut image = store.image(manifest).unwrap();
        for content in ["one", "two", "one"] {
            image = rootfs::with_file(&store, &image, "etc/which", content);
        }
        let ran = bench.run(&program(ImageId::Stored(image.manifest), &["cat", "/etc/which"])).await;
        assert_eq!((ran.exit, &*ran.stdout), (Exit::Code(0), "one"), "{}", ran.stderr);
    }

    async fn a_user_and_a_group_may_be_numbers(bench) {
        for (user, expected) in [("1234", "1234 1234"), ("builder:extra", "1234 2345"), ("4321:2345", "4321 2345"), ("4321", "4321 0")] {
            let mut spec = bench.shell("echo $(id -u) $(id -g)");
            (spec.user, spec.workdir) = (User::Named(user.to_owned()), guest("/tmp"));
            let ran = bench.run(&spec).await;
            assert_eq!(ran.stdout.trim(), expected, "{user}: {}", ran.stderr);
        }
    }

    async fn files_are_seen_as_they_are(bench) {
        let folder = bench.empty_folder("seen");
        std::fs::create_dir(folder.join("sub")).unwrap();
        std::fs::write(folder.join("sub/script"), "#!/bin/sh\necho ran\n").unwrap();
        std::fs::write(folder.join("sub/plain"), vec![b'x'; 3 << 20]).unwrap();
        std::fs::set_permissions(folder.join("sub/script"), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::set_permissions(folder.join("sub/plain"), PermissionsExt::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink("sub/script", folder.join("link")).unwrap();
        let mut spec = bench.shell("cd /in; find . | sort; stat -c '%a %s' sub/script sub/plain; readlink link; ./link; /alone");
        spec.mounts = vec![read_only(&folder, "/in"), read_only(&folder.join("link"), "/alone")];
        let expected = ".\n./link\n./sub\n./sub/plain\n./sub/script\n755 19\n644 3145728\nsub/script\nran\nran\n";
        let ran = bench.run(&spec).await;
        assert_eq!(ran.stdout, expected, "{}", ran.stderr);
        spec.mounts = vec![read_only(&folder.join("missing"), "/in")];
        let error = bench.try_run(&spec, None).await.unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }

    async fn eight_run_at_a_time(bench) {
        let before = bench.traces();
        let runs = (0..16).map(|number| async move {
            let into = bench.empty_folder(&format!("parallel-{number}"));
            let spec = bench.shell(&format!("mkdir out; echo {number} >out/number; sleep 0.2; echo {number}; exit {number}"));
            let ran = bench.run_and_collect(&spec, "/home/builder/out", &into).await.unwrap();
            assert_eq!((ran.exit, ran.stdout), (Exit::Code(number), format!("{number}\n")));
            assert_eq!(std::fs::read_to_string(into.join("number")).unwrap(), format!("{number}\n"));
            std::fs::remove_dir_all(into).unwrap();
        });
        let mut runs: Vec<_> = runs.collect();
        while !runs.is_empty() {
            join_all(runs.drain(..8)).await;
        }
        Traces::settle(&before, || bench.traces());
    }

    async fn two_hundred_runs_leave_nothing(bench) {
        let before = bench.traces();
        let begin = Instant::now();
        for number in 0..200 {
            let ran = bench.run(&bench.shell(&format!("echo {number}"))).await;
            assert_eq!((ran.exit, ran.stdout), (Exit::Code(0), format!("{number}\n")));
        }
        println!("    {} ms a container", begin.elapsed().as_millis() / 200);
        Traces::settle(&before, || bench.traces());
    }

    async fn what_a_killed_process_left_is_swept(bench) {
        let before = bench.traces();
        Victim::start(bench).kill_with_its_children();
        let left = bench.traces();
        assert_ne!(left, before, "the container is still there, or the scenario proves nothing");
        bench.engine.sweep().await.unwrap();
        Traces::settle(&before, || bench.traces());
        assert_eq!(bench.run(&bench.shell("echo on")).await.stdout, "on\n");
    }
}
