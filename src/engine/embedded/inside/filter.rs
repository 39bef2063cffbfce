//! The seccomp filter of a container: which system calls its programs may make.
//!
//! `calls.txt` lists the calls that the default profiles of Docker 20.10 and of Docker 29 both allow; every other one is
//! answered `EPERM`, and one that is newer than the older profile `ENOSYS`, as a kernel answers that does not know it yet.
//! So are the x32 programs of x86-64, whose numbers are higher still. `docs/sandbox.md` names each difference from Docker. A line has the call's name, its number on x86-64, i386 and arm64,
//! and perhaps a rule: a capability that the call needs, or `clone`, `clone3`, `personality`, `socket`, which are
//! decided by arguments.
//!
//! The kernel runs the filter as a program of classic BPF (seccomp(2), Documentation/networking/filter.rst), and asks at
//! each start of a container what it answers for every number: so numbers are compared by ranges, not one by one.

use nix::libc::{self, sock_filter};
use rustix::thread::CapabilitySet;

const CALLS: &str = include_str!("calls.txt");
/// The newest call that the older profile knows; numbers are the same everywhere since 424.
const NEWEST: u32 = 449;
/// What makes a namespace among the flags of clone(2).
const NEW_NAMESPACES: u32 = 0x7E02_0000;
/// What personality(2) may be asked for: nothing, Linux, the kernel's name as 2.6, both, and what there is.
const PERSONALITIES: [Range; 5] = [(0, 0), (8, 8), (0x2_0000, 0x2_0000), (0x2_0008, 0x2_0008), (u32::MAX, u32::MAX)];
/// The address families that socket(2) may make: without `AF_ALG`, `AF_VSOCK` and those of old networks.
const FAMILIES: [Range; 8] = [(0, 11), (13, 18), (21, 22), (24, 24), (26, 33), (35, 36), (39, 39), (41, 45)];

/// From the first number to the last.
type Range = (u32, u32);

/// Where the kernel puts what is asked (`struct seccomp_data`).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The halves of the first argument. The calls that are decided by it look at the lower one alone, but Docker at both.
const FIRST_ARGUMENT: u32 = 16;
const UPPER_HALF: u32 = 20;

const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;
const FORBIDDEN: u32 = refusal(libc::EPERM);
const UNKNOWN: u32 = refusal(libc::ENOSYS);

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_GREATER: u16 = 0x25;
const JUMP_IF_NOT_LESS: u16 = 0x35;
const JUMP_IF_ANY: u16 = 0x45;
const RETURN: u16 = 0x06;

const fn refusal(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.unsigned_abs()
}

/// A kind of program that the processor runs.
struct Architecture {
    /// `AUDIT_ARCH_…` of linux/audit.h.
    id: u32,
    /// The place of its numbers in a line of `calls.txt`.
    column: usize,
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [Architecture; 2] =
    [Architecture { id: 0xC000_003E, column: 1 }, Architecture { id: 0x4000_0003, column: 2 }];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [Architecture; 1] = [Architecture { id: 0xC000_00B7, column: 3 }];

/// What is decided by arguments.
enum Rule {
    NoneOf(u32),
    OneOf(&'static [Range]),
    Always(u32),
}

/// The filter of programs that have the capabilities `held`.
pub(super) fn program(held: CapabilitySet) -> Vec<sock_filter> {
    let mut program = vec![statement(LOAD, ARCHITECTURE)];
    for architecture in &ARCHITECTURES {
        let block = block(architecture, held);
        let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
        program.push(jump(JUMP_IF_EQUAL, architecture.id, (1, 0)));
        program.push(statement(JUMP, length));
        program.extend(block);
    }
    program.push(statement(RETURN, UNKNOWN));
    program
}

/// What is answered to the programs of one architecture.
fn block(architecture: &Architecture, held: CapabilitySet) -> Vec<sock_filter> {
    let mut block = vec![statement(LOAD, NUMBER)];
    let mut allowed = Vec::new();
    for (number, rule) in CALLS.lines().filter_map(|line| read(line, architecture.column)) {
        match decide(rule, held) {
            Some(Rule::Always(ALLOWED)) => allowed.push(number),
            Some(rule) => {
                let body = by_argument(&rule);
                block.push(jump(JUMP_IF_EQUAL, number, (0, u8::try_from(body.len()).unwrap_or(u8::MAX))));
                block.extend(body);
            }
            None => {}
        }
    }
    allowed.sort_unstable();
    block.extend(by_number(&allowed));
    block
}

/// The number of the call of a line, and its rule; None where the architecture has no such call.
fn read(line: &str, column: usize) -> Option<(u32, Option<&str>)> {
    let words: Vec<&str> = line.split(' ').collect();
    Some((words.get(column)?.parse().ok()?, words.get(4).copied()))
}

/// None for a call that is refused as if it were not listed.
fn decide(rule: Option<&str>, held: CapabilitySet) -> Option<Rule> {
    let may_mount = held.contains(CapabilitySet::SYS_ADMIN);
    match rule {
        None => Some(Rule::Always(ALLOWED)),
        Some("clone" | "clone3") if may_mount => Some(Rule::Always(ALLOWED)),
        Some("clone") => Some(Rule::NoneOf(NEW_NAMESPACES)),
        // Its flags are in memory, where no filter can see them; C libraries take clone(2) then.
        Some("clone3") => Some(Rule::Always(UNKNOWN)),
        Some("personality") => Some(Rule::OneOf(&PERSONALITIES)),
        Some("socket") => Some(Rule::OneOf(&FAMILIES)),
        Some(name) => {
            let capability = CapabilitySet::from_name(name)?;
            held.contains(capability).then_some(Rule::Always(ALLOWED))
        }
    }
}

fn by_argument(rule: &Rule) -> Vec<sock_filter> {
    let answer = |allowed: bool| statement(RETURN, if allowed { ALLOWED } else { FORBIDDEN });
    let load = statement(LOAD, FIRST_ARGUMENT);
    match rule {
        Rule::Always(what) => vec![statement(RETURN, *what)],
        Rule::NoneOf(bits) => vec![load, jump(JUMP_IF_ANY, *bits, (1, 0)), answer(true), answer(false)],
        Rule::OneOf(ranges) => {
            let one = |(first, last): &Range| {
                [jump(JUMP_IF_NOT_LESS, *first, (0, 2)), jump(JUMP_IF_GREATER, *last, (1, 0)), answer(true)]
            };
            let upper = [statement(LOAD, UPPER_HALF), jump(JUMP_IF_EQUAL, 0, (1, 0)), answer(false), load];
            upper.into_iter().chain(ranges.iter().flat_map(one)).chain([answer(false)]).collect()
        }
    }
}

/// The answers to numbers that no argument decides; `allowed` is sorted.
fn by_number(allowed: &[u32]) -> Vec<sock_filter> {
    // Where another answer begins, and the answer up to there.
    let mut borders = Vec::new();
    let mut next = 0;
    for number in allowed {
        if *number > next {
            borders.extend([(next, ALLOWED), (*number, FORBIDDEN)]);
        }
        next = number + 1;
    }
    borders.extend([(next, ALLOWED), (NEWEST + 1, FORBIDDEN)]);
    let each =
        borders.into_iter().flat_map(|(end, answer)| [jump(JUMP_IF_NOT_LESS, end, (1, 0)), statement(RETURN, answer)]);
    each.chain([statement(RETURN, UNKNOWN)]).collect()
}

fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// Skips so many statements where the comparison is true, and so many where it is not.
fn jump(code: u16, k: u32, (jt, jf): (u8, u8)) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer.
    fn run(program: &[sock_filter], (number, architecture): (u32, u32), argument: u64) -> u32 {
        let [lower, upper] = [argument & 0xFFFF_FFFF, argument >> 32].map(|half| u32::try_from(half).unwrap());
        let (mut value, mut at) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let mut skip_if = |is: bool| at += usize::from(if is { jt } else { jf });
            match code {
                LOAD => {
                    let words =
                        [(NUMBER, number), (ARCHITECTURE, architecture), (FIRST_ARGUMENT, lower), (UPPER_HALF, upper)];
                    value = words.into_iter().find(|(offset, _)| *offset == k).unwrap().1;
                }
                JUMP => at += k as usize,
                JUMP_IF_EQUAL => skip_if(value == k),
                JUMP_IF_GREATER => skip_if(value > k),
                JUMP_IF_NOT_LESS => skip_if(value >= k),
                JUMP_IF_ANY => skip_if(value & k != 0),
                RETURN => return k,
                _ => panic!("{code:#x}"),
            }
        }
    }

    /// What is answered to the call `name` of the processor's own programs.
    fn answer(held: CapabilitySet, name: &str, argument: impl Into<u64>) -> u32 {
        let own = &ARCHITECTURES[0];
        let line = CALLS.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
        run(&program(held), (read(line, own.column).unwrap().0, own.id), argument.into())
    }

    #[test]
    fn every_line_of_the_table_can_be_read() {
        let mut names: Vec<&str> = CALLS.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(names.len() > 300 && names.is_sorted(), "{}", names.len());
        names.dedup();
        assert_eq!(names.len(), CALLS.lines().count(), "no call is there twice");
        for line in CALLS.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            assert!((4..=5).contains(&words.len()), "{line}");
            assert!(
                words[1..4].iter().all(|word| *word == "-" || word.parse::<u32>().is_ok_and(|it| it <= NEWEST)),
                "{line}"
            );
            let rule = words.get(4).copied();
            assert!(decide(rule, CapabilitySet::all()).is_some(), "{line}");
        }
    }

    #[test]
    fn each_number_of_each_architecture_has_the_answer_of_its_line() {
        let program = program(CapabilitySet::empty());
        for architecture in &ARCHITECTURES {
            let listed: std::collections::BTreeMap<u32, Option<&str>> =
                CALLS.lines().filter_map(|line| read(line, architecture.column)).collect();
            for number in (0..1000).chain([0x4000_0000, 0x4000_0027, u32::MAX]) {
                let expected = match listed.get(&number) {
                    Some(None) => ALLOWED,
                    Some(Some("clone" | "personality" | "socket")) => continue,
                    Some(Some("clone3")) => UNKNOWN,
                    _ if number > NEWEST => UNKNOWN,
                    _ => FORBIDDEN,
                };
                assert_eq!(run(&program, (number, architecture.id), 0), expected, "{number} of {:#x}", architecture.id);
            }
        }
        assert_eq!(run(&program, (0, 0x8000_0016), 0), UNKNOWN, "a program of another architecture");
    }

    #[test]
    fn arguments_decide_what_no_number_can() {
        let nothing = CapabilitySet::empty();
        assert_eq!(answer(nothing, "clone", 0x0001_1200_u32), ALLOWED);
        for namespace in [0x2_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] {
            assert_eq!(answer(nothing, "clone", namespace | 0x11_u32), FORBIDDEN, "{namespace:#x}");
        }
        let family = |number: u32| answer(nothing, "socket", number);
        let allowed: Vec<u32> = (0..64).filter(|number| family(*number) == ALLOWED).collect();
        assert!([1, 2, 10, 16, 17].iter().all(|number| allowed.contains(number)));
        assert!(
            [12, 19, 20, 23, 25, 34, 37, 38, 40, 46, 63].iter().all(|number| !allowed.contains(number)),
            "{allowed:?}"
        );
        assert_eq!([0, 8, u32::MAX].map(|number| answer(nothing, "personality", number)), [ALLOWED; 3]);
        assert_eq!(answer(nothing, "personality", u64::MAX), FORBIDDEN, "as Docker takes it");
        // Without random addresses, as debuggers ask for.
        assert_eq!(answer(nothing, "personality", 0x4_0000_u32), FORBIDDEN);
    }

    #[test]
    fn capabilities_open_what_is_theirs() {
        let default = CapabilitySet::SYS_CHROOT;
        for (name, with_default, with_admin) in
            [("chroot", ALLOWED, FORBIDDEN), ("mount", FORBIDDEN, ALLOWED), ("clone3", UNKNOWN, ALLOWED)]
        {
            assert_eq!(answer(default, name, 0_u32), with_default, "{name}");
            assert_eq!(answer(CapabilitySet::SYS_ADMIN, name, 0_u32), with_admin, "{name}");
        }
    }
}
