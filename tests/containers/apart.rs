//! What a container shares with the machine, and what of it may not be: one scenario a function, as in `scenarios`.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use drydock::engine::User;

use crate::bench::{Bench, read_only};
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
        let folder = bench.empty_folder("closed");
        std::fs::write(folder.join("file"), "content").unwrap();
        std::fs::set_permissions(folder.join("file"), PermissionsExt::from_mode(0o600)).unwrap();
        let mut spec = bench.shell("cat /in/file; stat -c %u /in/file");
        spec.mounts = vec![read_only(&folder, "/in")];
        assert_eq!(bench.run(&spec).await.stdout, "0\n", "and nobody else");
        spec.user = User::Root;
        assert_eq!(bench.run(&spec).await.stdout, "content0\n");
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
