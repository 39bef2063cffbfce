//! What containerfiles mean, and what is said of those that mean nothing.

use super::*;

fn read(text: &str) -> Result<Containerfile, String> {
    read_on(&ImageConfig::default(), text)
}

fn read_on(base: &ImageConfig, text: &str) -> Result<Containerfile, String> {
    parse(Path::new("a.containerfile"), text, Some(base)).map_err(|error| error.to_string())
}

#[test]
fn the_base_gives_variables_a_user_and_a_folder() {
    let text = "ARG A=1 PATH=/no B=2\nFROM ${BASE}\nARG A PATH=/no\nENV PATH=/opt/bin:$PATH\nRUN true\nUSER root\n\nRUN \\\n\n  id\n";
    let (env, user) = (vec!["PATH=/usr/bin".to_owned()], Some("builder".to_owned()));
    let base = ImageConfig { env, user, workdir: Some("/src".to_owned()), ..ImageConfig::default() };
    let file = read_on(&base, text).unwrap();
    let run = |command: &str, user: &str| Instruction::Run {
        argv: vec!["/bin/sh".into(), "-c".into(), command.into()],
        env: [("A".into(), "1".into()), ("PATH".into(), "/opt/bin:/usr/bin".into())].into(),
        user: Some(user.to_owned()),
        workdir: "/src".to_owned(),
    };
    assert_eq!(file.steps, [(5, run("true", "builder")), (8, run("id", "root"))]);
    assert!(read(text).unwrap().env["PATH"].ends_with(":/no"), "the base has no PATH");
    let early = parse(Path::new("a.containerfile"), text, None).unwrap();
    assert_eq!(early.env["PATH"], "/opt/bin:/no");
    let early = parse(Path::new("a.containerfile"), "FROM $BASE\nENV PATH=/x:$PATH\n", None).unwrap();
    assert_eq!(early.env["PATH"], "/x:${PATH}");
}

#[test]
fn instructions_keep_their_lines_and_state() {
    let text = "# base\nARG BASE\nFROM ${BASE}\nENV A=1 B=\"two words\"\nWORKDIR /src\nRUN echo \\\n  # why\n  \"$A\"\nCOPY x y/\nUSER builder\n";
    let file = read(text).unwrap();
    let env = BTreeMap::from([("A".into(), "1".into()), ("B".into(), "two words".into())]);
    let argv = vec!["/bin/sh".into(), "-c".into(), "echo   \"$A\"".into()];
    let run = Instruction::Run { argv, env, user: None, workdir: "/src".into() };
    let copy = Instruction::Copy { from: vec!["x".into()], to: "/src/y/".into() };
    assert_eq!(file.steps, [(5, Instruction::Folder { path: "/src".into() }), (6, run), (9, copy)]);
    assert_eq!(file.user.as_deref(), Some("builder"));
}

#[test]
fn arguments_count_where_docker_build_has_them() {
    let env = |text: &str| -> Result<BTreeMap<String, String>, String> {
        let base = ImageConfig { env: vec!["X=base".to_owned()], ..ImageConfig::default() };
        let file = read_on(&base, &format!("ARG A=1\nFROM ${{BASE}}\n{text}\nRUN true\n"))?;
        match file.steps.last() {
            Some((_, Instruction::Run { env, .. })) => Ok(env.clone()),
            other => panic!("{other:?}"),
        }
    };
    let expected = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(env("").unwrap(), expected(&[]), "what stands before `FROM` is not seen");
    assert_eq!(env("ARG A").unwrap(), expected(&[("A", "1")]));
    assert_eq!(env("ARG B=2\nARG B").unwrap(), expected(&[("B", "2")]));
    assert_eq!(env("ARG B").unwrap(), expected(&[]));
    assert_eq!(env("ARG X=arg").unwrap(), expected(&[]), "the image's variable is stronger");
    assert_eq!(env("ARG TARGETOS").unwrap(), expected(&[("TARGETOS", "linux")]));
    assert!(env("LABEL a=$A").unwrap_err().contains("`$A` has no value"));
}

#[test]
fn places_are_seen_from_the_folder() {
    let to = |text: &str| match read(&format!("FROM $BASE\n{text}\n")).unwrap().steps.pop() {
        Some((_, Instruction::Copy { from, to })) => (from.join(" "), to),
        other => panic!("{other:?}"),
    };
    for (text, from, place) in [
        ("COPY f .", "f", "/"),
        ("WORKDIR /w/../x/\nCOPY f .", "f", "/x/"),
        ("WORKDIR /x\nWORKDIR y\nCOPY f ./sub/.", "f", "/x/y/sub/"),
        ("WORKDIR /x\nCOPY f ../y/", "f", "/y/"),
        ("COPY /f ../../g", "f", "/g"),
        ("ARG A=h\nCOPY [\"$A i\", \"/x y\"]", "h i", "/x y"),
    ] {
        assert_eq!(to(text), (from.to_owned(), place.to_owned()), "{text}");
    }
    assert_eq!(read("FROM $BASE\nWORKDIR /w/../x/\n").unwrap().workdir.as_deref(), Some("/x"));
}

#[test]
fn what_is_not_supported_is_named_with_its_line() {
    let with = |line: &str| read(&format!("FROM ${{BASE}}\n{line}\n")).unwrap_err();
    assert_eq!(
        with("HEALTHCHECK NONE"),
        format!("`a.containerfile` line 2: `HEALTHCHECK` is not supported: use {SUPPORTED}")
    );
    assert!(with("ADD https://example.org/x /x").contains("only local files"));
    assert!(with("ADD x.tar.gz /x").contains("archives are not unpacked"));
    assert!(with("COPY a/*.repo /x/").contains("`COPY a/*.repo`: patterns are not supported"));
    assert!(with("COPY ../x /x").contains("leaves the folder it copies from"));
    assert!(with("COPY a b /x").contains("ends in `/`"));
    assert!(with("LABEL a=$MISSING").contains("`$MISSING` has no value"));
    let doubling = format!("ENV A=0123456789abcdef\n{}", "ENV A=$A$A\n".repeat(40));
    assert!(with(&doubling).ends_with("line 15: with `$A` it is longer than 131072 bytes"), "{}", with(&doubling));
    assert!(with("FROM ${BASE}").contains("second `FROM`"));
    assert!(read("FROM debian:12\n").unwrap_err().contains("the base is the pipeline's"));
    assert!(read("RUN true\n").unwrap_err().contains("before `FROM`"));
}

#[test]
fn texts_of_commands_are_those_of_docker_build() {
    let argv = |text: &str| match read(&format!("FROM $BASE\n{text}\nUSER x\n")).unwrap().steps.remove(0) {
        (2, Instruction::Run { argv, .. }) => argv[2].clone(),
        other => panic!("{other:?}"),
    };
    for (text, command) in [
        ("RUN <<EOF\n# a\n\n\techo \\\n  $A 'b\nEOF", "# a\n\n\techo \\\n  $A 'b\n"),
        ("run <<-'EOF'\n\techo a\n\t\tEOF", "echo a\n"),
        ("RUN cat <<A >/x &&\\\n  cat <<-B\na\nA\n\tb\n\tB", "cat <<A >/x &&  cat <<-B\na\nA\n\tb\nB"),
        ("RUN <<EOF sh -s\nx\nEOF", "<<EOF sh -s\nx\nEOF"),
        ("RUN cat <<<word; echo $((1<<2)) '<<EOF'", "cat <<<word; echo $((1<<2)) '<<EOF'"),
        ("RUN cat <<\"E F\"\nx\nE F", "cat <<\"E F\"\nx\nE F"),
    ] {
        assert_eq!(argv(text), command, "{text}");
    }
    let file = read("FROM $BASE\nENV A=1\nRUN <<EOF\n#!/usr/bin/awk -f\nBEGIN{}\nEOF\nRUN true\n").unwrap();
    let Instruction::Script { text, env, .. } = &file.steps[0].1 else { panic!("{file:?}") };
    assert_eq!((text.as_str(), env["A"].as_str()), ("#!/usr/bin/awk -f\nBEGIN{}\n", "1"));
    assert_eq!(file.steps[1].0, 7);
}

#[test]
fn texts_of_files_are_those_of_docker_build() {
    let steps = |text: &str| -> Vec<Instruction> {
        let file = read(&format!("FROM $BASE\nENV A=1\n{text}\n"));
        file.unwrap().steps.into_iter().map(|(line, step)| (line == 3).then_some(step).unwrap()).collect()
    };
    let written = |files: &[(&str, &str)], to: &str| Instruction::Write {
        files: files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        to: to.to_owned(),
    };
    assert_eq!(steps("COPY <<EOF /x\na=\"$A\" \\$A\nEOF"), [written(&[("EOF", "a=\"1\" $A\n")], "/x")]);
    assert_eq!(steps("ADD <<-'EOF' /x\n\ta=$A\n\tEOF"), [written(&[("EOF", "a=$A\n")], "/x")]);
    let copy = Instruction::Copy { from: vec!["f".to_owned()], to: "/d/".to_owned() };
    let both = written(&[("a.sh", "1\n"), ("b", "")], "/d/");
    assert_eq!(steps("COPY <<a.sh f <<b /d/\n$A\na.sh\nb"), [copy, both]);
}

#[test]
fn a_text_without_end_or_name_is_told() {
    let wrong = |text: &str| read(&format!("FROM $BASE\n{text}\n")).unwrap_err();
    assert_eq!(
        wrong("RUN <<EOF\nx\n EOF"),
        "`a.containerfile` line 2: the text of `<<EOF` has no end: a line that is `EOF` and nothing else is missing"
    );
    assert!(wrong("COPY <<../x /y\n../x").contains("is no name of a file"));
    assert!(wrong("COPY <<a <<b /y\na\nb").contains("ends in `/`"));
    assert!(wrong("COPY <<a\na").contains("at least one source and a destination"));
    assert!(wrong("COPY <<a /y\n$x\na").ends_with("set it by `ARG` or `ENV`; `<<'a'` keeps the text as it is"));
}
