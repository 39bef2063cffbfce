//! What every engine does with the output folder of a container.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use drydock::engine::{Collect, Exit, Session, Stream, User};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, guest};
use crate::scenario::scenarios;
use crate::traces::Traces;

scenarios! {
    ALL:
    async fn outputs_come_out_with_content_and_mode(bench) {
        let into = bench.empty_folder("collected");
        let script = "mkdir -p out/sub/deep out/empty; echo one >out/a; echo two >out/sub/deep/b; chmod 750 out/a; \
             chmod 4755 out/sub/deep/b; dd if=/dev/zero of=out/big bs=1M count=20 2>/dev/null; exit 3";
        let ran = bench.run_and_collect(&bench.shell(script), "/home/builder/out", &into).await.unwrap();
        assert_eq!(ran.exit, Exit::Code(3), "files are wanted whatever the exit");
        let mode = |name: &str| into.join(name).metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!((std::fs::read(into.join("a")).unwrap(), mode("a")), (b"one\n".to_vec(), 0o750));
        assert_eq!((std::fs::read(into.join("sub/deep/b")).unwrap(), mode("sub/deep/b")), (b"two\n".to_vec(), 0o755));
        assert_eq!(into.join("big").metadata().unwrap().len(), 20 << 20);
        assert!(into.join("empty").is_dir());
        let into = bench.empty_folder("collected");
        bench.run_and_collect(&bench.shell("true"), "/home/builder/out", &into).await.unwrap();
        assert_eq!(std::fs::read_dir(&into).unwrap().count(), 0, "a missing folder counts as empty");
    }

    async fn only_files_and_folders_are_taken(bench) {
        let before = bench.traces();
        for (script, named) in [
            ("ln -s /etc/passwd out/trap", "trap"),
            ("ln -s .. out/trap", "trap"),
            ("mkdir out/sub; mkfifo out/sub/trap", "trap"),
            ("mknod out/trap c 1 3", "trap"),
            ("ln out/good out/trap", "trap"),
            ("rm -r out; ln -s /etc out", "out"),
            ("rm -r out; echo file >out", "out"),
            ("truncate -s 8192G out/trap", "trap"),
            ("deep=d; for twice in 1 2 3 4 5 6 7 8 9 10; do deep=$deep/$deep; done; mkdir -p out/$deep", "d/d/d"),
        ] {
            let into = bench.empty_folder("collected");
            let mut spec = bench.shell(&format!("mkdir out; echo x >out/good; {script}"));
            // The device is for root alone.
            spec.user = User::Root;
            let refused = bench.run_and_collect(&spec, "/home/builder/out", &into).await;
            match refused {
                Ok(ran) if script.contains("mknod") => assert_ne!(ran.exit, Exit::Code(0), "{}", ran.stderr),
                Ok(ran) => panic!("`{script}` was taken: {ran:?}"),
                Err(error) => {
                    assert!(error.to_string().contains(named), "{error}");
                    assert!(error.refusal().is_some(), "it is the program's fault: {error:?}");
                    assert_eq!(std::fs::read_dir(&into).unwrap().count(), 0, "{script}");
                }
            }
            std::fs::remove_dir_all(into).unwrap();
        }
        Traces::settle(&before, || bench.traces());
    }

    async fn holes_take_no_room(bench) {
        let into = bench.empty_folder("collected");
        let script = "mkdir out; truncate -s 200M out/holes; echo begin | dd of=out/holes conv=notrunc 2>/dev/null";
        bench.run_and_collect(&bench.shell(script), "/home/builder/out", &into).await.unwrap();
        let holes = into.join("holes").metadata().unwrap();
        assert_eq!(holes.len(), 200 << 20);
        assert!(holes.blocks() * 512 < 1 << 20, "{holes:?}");
        std::fs::remove_dir_all(into).unwrap();
    }

    async fn a_cancelled_run_has_no_files_to_take(bench) {
        let into = bench.empty_folder("collected");
        let cancel = CancellationToken::new();
        let mut output = |_: Stream, _: &[u8]| cancel.cancel();
        let collect = Some(Collect { from: guest("/home/builder/out"), into: into.clone() });
        let session = Session { output: &mut output, collect, cancel: &cancel };
        // More than fits into what lies between it and who does not want it any more.
        let spec = bench.shell("mkdir out; head -c 20000000 /dev/urandom >out/file; echo begun; sleep 1000");
        assert_eq!(bench.engine.run(&spec, session).await.unwrap(), Exit::Cancelled);
        assert_eq!(std::fs::read_dir(&into).unwrap().count(), 0);
        std::fs::remove_dir_all(into).unwrap();
    }

    async fn the_taking_of_files_can_be_cancelled(bench) {
        let before = bench.traces();
        let into = bench.empty_folder("collected");
        let cancel = CancellationToken::new();
        let collect = Some(Collect { from: guest("/home/builder/out"), into: into.clone() });
        let session = Session { output: &mut |_, _| (), collect, cancel: &cancel };
        let spec = bench.shell("mkdir out; echo x >out/first; truncate -s 200G out/second");
        // The first file is there when the second one, which takes minutes, is being taken.
        let seen = async {
            while !into.join("first").exists() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            cancel.cancel();
        };
        let (exit, ()) = tokio::join!(bench.engine.run(&spec, session), seen);
        assert_eq!(exit.unwrap(), Exit::Cancelled);
        assert_eq!(std::fs::read_dir(&into).unwrap().count(), 0, "nothing of it is kept");
        std::fs::remove_dir_all(into).unwrap();
        Traces::settle(&before, || bench.traces());
    }
}
