//! A user of the image, by its own `/etc/passwd` and `/etc/group` (passwd(5), group(5)).

use std::fs;
use std::io;

use super::super::task::{AtStep, Fault, Step};

/// Who runs the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// With the first group, sorted.
    pub(super) groups: Vec<u32>,
    pub(super) home: String,
}

/// The user `name` of the container that this process is in; without a name, root.
pub(super) fn find(name: Option<&str>) -> Result<Person, Fault> {
    let passwd = read("/etc/passwd")?;
    let group = read("/etc/group")?;
    match name {
        None => Ok(person("root", &passwd, &group).filter(|person| person.uid == 0).unwrap_or_else(root)),
        Some(name) => person(name, &passwd, &group)
            .ok_or_else(|| Fault::new(Step::User, name, "the image's /etc/passwd or /etc/group has no such name")),
    }
}

fn root() -> Person {
    Person { name: "root".to_owned(), uid: 0, gid: 0, groups: vec![0], home: "/root".to_owned() }
}

fn read(path: &str) -> Result<String, Fault> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(fault) => Err(fault).at(Step::Read, path),
    }
}

/// Who `text` is, `USER` or `USER:GROUP`, each a name or a number. A number needs no entry in the files.
fn person(text: &str, passwd: &str, group: &str) -> Option<Person> {
    let (user, own_group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = lines.find(|fields| fields[0] == user || fields.get(2) == Some(&user));
    let mut person = if let Some(fields) = entry {
        let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        let home = fields.get(5).filter(|home| !home.is_empty()).unwrap_or(&"/");
        let mut groups: Vec<u32> = group.lines().filter_map(|line| group_of(line, fields[0])).collect();
        groups.push(gid);
        Person { name: fields[0].to_owned(), uid, gid, groups, home: (*home).to_owned() }
    } else {
        Person { name: user.to_owned(), uid: user.parse().ok()?, gid: 0, groups: vec![0], home: "/".to_owned() }
    };
    if let Some(own) = own_group {
        let mut lines = group.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let known = lines.find(|fields| fields[0] == own).and_then(|fields| fields.get(2)?.parse().ok());
        person.gid = known.or_else(|| own.parse().ok())?;
        person.groups = vec![person.gid];
    }
    person.groups.sort_unstable();
    person.groups.dedup();
    Some(person)
}

/// The number of the group of this line, if `name` is in it.
fn group_of(line: &str, name: &str) -> Option<u32> {
    let fields: Vec<&str> = line.split(':').collect();
    fields.get(3)?.split(',').any(|member| member.trim() == name).then(|| fields[2].parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_groups_that_name_it() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbuilder:x:1000:1001::/home/b:/bin/sh\nbroken\n";
        let group = "root:x:0:\nmock:x:135:other,builder\nbuilder:x:1001:\nbad:x:no:builder\n";
        let builder = person("builder", passwd, group).unwrap();
        assert_eq!((builder.uid, builder.gid, builder.home.as_str()), (1000, 1001, "/home/b"));
        assert_eq!(builder.groups, [135, 1001]);
        assert_eq!(person("nobody", passwd, group), None);
        assert_eq!(person("broken", passwd, group), None);
        assert_eq!(person("1000", passwd, group), Some(builder));
    }

    #[test]
    fn numbers_and_groups_stand_for_themselves() {
        let (passwd, group) = ("builder:x:1000:1001::/home/b:/bin/sh\n", "mock:x:135:builder\n");
        let who = |text| person(text, passwd, group).map(|person| (person.uid, person.gid, person.groups, person.home));
        assert_eq!(who("builder:mock"), Some((1000, 135, vec![135], "/home/b".to_owned())));
        assert_eq!(who("builder:7"), Some((1000, 7, vec![7], "/home/b".to_owned())));
        assert_eq!(who("65532"), Some((65532, 0, vec![0], "/".to_owned())));
        assert_eq!(who("65532:65532"), Some((65532, 65532, vec![65532], "/".to_owned())));
        assert_eq!([who("builder:none"), who("-1"), who(""), who(":7")], [None, None, None, None]);
    }
}
