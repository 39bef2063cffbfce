//! What a container shares with the machine, and what of it may not be: one scenario a function, as in `scenarios`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use drydock::engine::{Choice, Engine, Exit, Mount, Network, Places, Session, Stream, User};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Kind, guest, home, read_only};
use crate::killed::Victim;
use crate::scenario::scenarios;
use crate::traces::Traces;

scenarios! {
    ALL:
    async fn the_machines_devices_stay_as_they_are(bench) {
        let devices = || ["null", "zero", "full"].map(|name| {
            let metadata = std::fs::metadata(format!("/dev/{name}")).unwrap();
            (metadata.permissions().mode(), metadata.uid(), metadata.gid(), metadata.mtime())
        });
        let before = devices();
        let mut spec = bench.shell("chmod 600 /dev/full; chown 1234 /dev/zero; touch -d @0 /dev/null; echo x >/dev/null; id -u");
        spec.user = User::Root;
        assert_eq!(bench.run(&spec).await.stdout, "0\n");
        assert_eq!(devices(), before);
    }

    async fn no_user_of_a_container_is_one_of_the_machine(bench) {
        if !bench.engine.description().unwrap_or_default().starts_with("embedded") {
            return;
        }
        let ran = bench.run(&bench.shell("cat /proc/self/uid_map /proc/self/gid_map")).await;
        let outside: Vec<u32> = ran.stdout.lines().map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap()).collect();
        let own = nix::unistd::geteuid().as_raw();
        let is_apart = |id: &u32| *id >= 65_536 || (own != 0 && *id == own) || (own != 0 && *id == nix::unistd::getegid().as_raw());
        assert!(!outside.is_empty() && outside.iter().all(is_apart), "{outside:?}");
    }

    async fn root_reads_what_only_the_one_who_runs_drydock_can_read(bench) {
        if bench.kind == Kind::PodmanRootless {
            // Its daemon is another user than this process.
            return;
        }
        let folder = bench.empty_folder("closed");
        std::fs::write(folder.join("file"), "content").unwrap();
        std::fs::set_permissions(folder.join("file"), PermissionsExt::from_mode(0o600)).unwrap();
        let mut spec = bench.shell("cat /in/file; stat -c %u /in/file");
        spec.mounts = vec![read_only(&folder, "/in")];
        assert_eq!(bench.run(&spec).await.stdout, "0\n", "and nobody else");
        spec.user = User::Root;
        assert_eq!(bench.run(&spec).await.stdout, "content0\n");
    }

    async fn what_tells_of_the_machine_is_hidden(bench) {
        let script = "for folder in /proc/acpi /proc/scsi /sys/firmware; do [ ! -d $folder ] || ls -A $folder; \
             touch $folder/x 2>/dev/null && echo wrote into $folder; done; \
             for file in kcore keys timer_list; do busybox head -c 1 /proc/$file 2>/dev/null | busybox wc -c; done";
        let mut spec = bench.shell(script);
        spec.user = User::Root;
        assert_eq!(bench.run(&spec).await.stdout, "0\n0\n0\n");
    }

    async fn another_root_has_devices_too(bench) {
        let script = "mkdir -p /other/bin && cp /bin/busybox /other/bin && chroot /other /bin/busybox sh -c '\
             echo x >/dev/null && busybox test -z \"$(busybox cat /dev/null)\" && busybox head -c 5 /dev/zero | busybox wc -c && \
             busybox head -c 5 /dev/urandom | busybox wc -c; echo x >/dev/full || echo full'";
        let mut spec = bench.shell(script);
        (spec.user, spec.mounts) = (User::Root, vec![Mount::Devices { guest: guest("/other/dev") }]);
        let ran = bench.run(&spec).await;
        assert_eq!(ran.stdout, "5\n5\nfull\n", "{}", ran.stderr);
    }

    async fn downloads_see_other_machines_and_nothing_of_this_one(bench) {
        if bench.kind.choice() != Choice::Embedded {
            return;
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("drydock-contract-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let _abstract = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
        let script = format!(
            "nc -w 2 127.0.0.1 {} </dev/null && echo reached; grep {name} /proc/net/unix; ip route | cut -d ' ' -f 1; \
             grep -c ^nameserver /etc/resolv.conf; grep -o -m 1 localhost /etc/hosts",
            listener.local_addr().unwrap().port()
        );
        let mut spec = bench.shell(&script);
        spec.network = Network::Outside;
        if bench.has_outside() {
            let ran = bench.run(&spec).await;
            assert!(ran.stdout.starts_with("default\n") && ran.stdout.ends_with("1\nlocalhost\n"), "{ran:?}");
            assert!(!ran.stdout.contains("reached") && !ran.stdout.contains(&name), "{ran:?}");
        } else {
            let fault = bench.try_run(&spec, None).await.unwrap_err();
            assert!(fault.to_string().contains("cannot connect the container to other machines"), "{fault}");
            assert!(fault.hint().unwrap().contains("--network host"), "{fault:?}");
        }
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err());
    }

    async fn a_limit_of_the_engine_counts_where_a_container_has_none(bench) {
        if bench.kind.choice() != Choice::Embedded {
            return;
        }
        let places = Places { pids: Some(6), ..Places::default() };
        let engine = Engine::connect(Choice::Embedded, &places, home(bench.folder())).await.unwrap();
        let mut spec = bench.shell("for i in 1 2 3 4 5 6 7 8 9; do sleep 30 & done; echo all");
        spec.limits.pids = None;
        let (mut said, cancel) = (Vec::new(), CancellationToken::new());
        let mut output = |_: Stream, bytes: &[u8]| said.extend_from_slice(bytes);
        let exit = engine.run(&spec, Session { output: &mut output, collect: None, cancel: &cancel }).await.unwrap();
        assert_ne!(exit, Exit::Code(0), "{}", String::from_utf8_lossy(&said));
        assert_eq!(bench.run(&spec).await.stdout, "all\n", "16384 are enough");
    }

    async fn folders_are_removed_however_deep_they_are(bench) {
        if !bench.engine.description().unwrap_or_default().starts_with("embedded") {
            return;
        }
        let before = bench.traces();
        let dig = "n=0; while [ $n -lt 1500 ]; do mkdir d && cd d || exit 1; n=$((n+1)); done; chmod 0 .; echo $n; exit 1";
        assert_eq!(bench.run(&bench.shell(dig)).await.stdout, "1500\n");
        Traces::settle(&before, || bench.traces());
        Victim::start_with(bench, dig).kill_with_its_children();
        bench.engine.sweep().await.unwrap();
        Traces::settle(&before, || bench.traces());
    }
}
