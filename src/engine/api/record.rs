//! The record that [`init`](super::init) writes as the last thing on standard error, and its way out of that stream.
//!
//! In: the container's standard error in pieces. Out: the same bytes without the record, as early as possible. The record
//! begins with a token that the run chose at random, so that no program writes one by chance; it may be cut anywhere.

/// Length of the token.
pub(in crate::engine) const TOKEN_BYTES: usize = 32;

/// Length of what the kernel counted, filled up with zeros.
const EVENTS_BYTES: usize = 256;

/// What `init` saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// How the program ended.
    pub(super) end: End,
    /// True when the kernel killed something in the container for want of memory; `None` where that cannot be seen.
    pub(super) out_of_memory: Option<bool>,
}

/// How the program of a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Not at all: it could not be started, for this error number.
    NotStarted(i32),
}

impl Record {
    /// Length of a record.
    pub(super) const BYTES: usize = TOKEN_BYTES + 8 + EVENTS_BYTES;

    /// The record in `bytes`; `None` when it does not begin with `token` or is too short.
    pub(super) fn read(bytes: &[u8], token: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(token)?;
        let (status, rest) = rest.split_first_chunk::<4>()?;
        let (error, rest) = rest.split_first_chunk::<4>()?;
        let (events, _) = rest.split_first_chunk::<EVENTS_BYTES>()?;
        let (status, error) = (i32::from_le_bytes(*status), i32::from_le_bytes(*error));
        let end = match (status & 0x7f, status >> 8 & 0xff) {
            (0, 127) if error != 0 => End::NotStarted(error),
            (0, code) => End::Code(code),
            (signal, _) => End::Signal(signal),
        };
        Some(Self { end, out_of_memory: out_of_memory(events) })
    }
}

/// From `memory.events` (cgroup v2) or `memory.oom_control` (v1), which both have a line `oom_kill COUNT`.
fn out_of_memory(events: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(events).ok()?;
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    Some(count.trim_end_matches('\0').trim() != "0")
}

/// Takes the record out of a stream.
pub(super) struct Filter {
    token: Vec<u8>,
    held: Vec<u8>,
    record: Option<Record>,
}

impl Filter {
    /// A filter for the record with this token.
    pub(super) fn new(token: &str) -> Self {
        Self { token: token.as_bytes().to_vec(), held: Vec::new(), record: None }
    }

    /// Passes `bytes` on, as far as they cannot belong to the record.
    pub(super) fn pass(&mut self, bytes: &[u8], onward: &mut (dyn FnMut(&[u8]) + Send)) {
        self.held.extend_from_slice(bytes);
        let begin = self.possible_begin();
        if let Some(record) = Record::read(&self.held[begin..], &self.token) {
            self.record = Some(record);
            self.held.drain(begin..begin + Record::BYTES);
        }
        let ready = self.possible_begin();
        if ready > 0 {
            onward(&self.held[..ready]);
            self.held.drain(..ready);
        }
    }

    /// Passes on what is held, at the end of the stream; returns the record, if there was one.
    pub(super) fn finish(self, onward: &mut (dyn FnMut(&[u8]) + Send)) -> Option<Record> {
        if !self.held.is_empty() {
            onward(&self.held);
        }
        self.record
    }

    /// Where the token, or a part of it that is cut off by the end, begins.
    fn possible_begin(&self) -> usize {
        let is_begin = |at: &usize| {
            let rest = &self.held[*at..];
            let length = rest.len().min(self.token.len());
            rest[..length] == self.token[..length]
        };
        (0..self.held.len()).find(is_begin).unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_however_the_stream_is_cut() {
        let token = "0123456789abcdef0123456789abcdef";
        let events = b"oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        let mut counted = [0; EVENTS_BYTES];
        counted[..events.len()].copy_from_slice(events);
        let stream = [b"text 0123", token.as_bytes(), &[0, 3, 0, 0, 0, 0, 0, 0], &counted, b"late"].concat();
        let expected = Record { end: End::Code(3), out_of_memory: Some(true) };
        for size in 1..=stream.len() {
            let (mut filter, mut passed) = (Filter::new(token), Vec::new());
            stream.chunks(size).for_each(|piece| filter.pass(piece, &mut |bytes| passed.extend_from_slice(bytes)));
            let record = filter.finish(&mut |bytes| passed.extend_from_slice(bytes));
            assert_eq!((record, passed.as_slice()), (Some(expected), b"text 0123late".as_slice()), "size {size}");
        }
    }

    #[test]
    fn a_kill_for_want_of_memory_is_seen_in_both_formats() {
        assert_eq!(out_of_memory(b"low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n\0\0"), Some(true));
        assert_eq!(out_of_memory(b"low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\0\0"), Some(false));
        assert_eq!(out_of_memory(&[0; EVENTS_BYTES]), None);
    }

    #[test]
    fn bytes_that_cannot_be_the_record_pass_at_once() {
        let (mut filter, mut passed) = (Filter::new("token"), Vec::new());
        filter.pass(b"line\nto", &mut |bytes| passed.extend_from_slice(bytes));
        assert_eq!(passed, b"line\n");
        filter.pass(b"day\n", &mut |bytes| passed.extend_from_slice(bytes));
        assert_eq!(passed, b"line\ntoday\n");
        assert_eq!(filter.finish(&mut |_| ()), None);
    }
}
