//! How the builds of a run share the processors beyond the first of each.
//!
//! A build with a GNU make jobserver runs one process by right, and one more for each token that it takes from its pipe.
//! Each build has a pipe of its own. Whoever holds the pipes looks at them a few times a second, asks [`turns`] what to
//! take from each and what to put, and does it. Tokens that a build holds when it ends are simply not counted any more.

/// What is known of one build's pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pipe {
    /// Tokens that were put there and not taken back.
    pub lent: usize,
    /// Bytes that lie in the pipe now.
    pub idle: usize,
}

/// What is done with one pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Bytes to take away that were never lent.
    pub drop: usize,
    /// Tokens to take back.
    pub back: usize,
    /// Tokens to lend.
    pub put: usize,
}

/// What to do with each of `pipes`, one for each running build, so that at most `slots` processes run.
///
/// A token that lies in a pipe is not used. An empty pipe may want more: it gets one, to see whether it is taken, and when
/// its build has taken all that it was lent, an equal part of what nobody else holds. The others keep what lies in their
/// pipes as long as nobody wants it.
pub fn turns(slots: usize, pipes: &[Pipe]) -> Vec<Turn> {
    let idle: Vec<usize> = pipes.iter().map(|pipe| pipe.idle.min(pipe.lent)).collect();
    let held: Vec<usize> = pipes.iter().zip(&idle).map(|(pipe, idle)| pipe.lent - idle).collect();
    let mut spare = slots.saturating_sub(pipes.len()).saturating_sub(held.iter().sum());
    let mut given = vec![0; pipes.len()];
    let mut order: Vec<usize> = (0..pipes.len()).collect();
    order.sort_by_key(|&at| (idle[at] > 0, held[at], at));
    for &at in order.iter().take(spare) {
        given[at] = 1;
    }
    spare = spare.saturating_sub(pipes.len());
    let mut hungry: Vec<usize> = order.iter().copied().filter(|&at| idle[at] == 0 && held[at] > 0).collect();
    if hungry.is_empty() {
        for at in order {
            let kept = idle[at].saturating_sub(given[at]).min(spare);
            given[at] += kept;
            spare -= kept;
        }
    } else {
        while spare > 0 {
            hungry.sort_by_key(|&at| (held[at] + given[at], at));
            given[hungry[0]] += 1;
            spare -= 1;
        }
    }
    let turn = |(at, pipe): (usize, &Pipe)| Turn {
        drop: pipe.idle - idle[at],
        back: idle[at].saturating_sub(given[at]),
        put: given[at].saturating_sub(idle[at]),
    };
    pipes.iter().enumerate().map(turn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds that run as many processes as they want and may; returns how many each runs after some rounds.
    fn settled(slots: usize, wants: &[usize], rounds: usize) -> Vec<usize> {
        let mut pipes = vec![Pipe { lent: 0, idle: 0 }; wants.len()];
        for _ in 0..rounds {
            let turns = turns(slots, &pipes);
            for (pipe, turn) in pipes.iter_mut().zip(turns) {
                pipe.lent = pipe.lent + turn.put - turn.back;
                pipe.idle = pipe.idle + turn.put - turn.back - turn.drop;
            }
            let lent: usize = pipes.iter().map(|pipe| pipe.lent).sum();
            assert!(lent + wants.len() <= slots.max(wants.len()), "{pipes:?}");
            for (pipe, want) in pipes.iter_mut().zip(wants) {
                let held = pipe.lent - pipe.idle;
                pipe.idle -= pipe.idle.min((want - 1).saturating_sub(held));
            }
        }
        pipes.iter().map(|pipe| pipe.lent - pipe.idle + 1).collect()
    }

    #[test]
    fn a_build_alone_gets_all_at_its_second_look() {
        assert_eq!(settled(64, &[1000], 2), [64]);
        assert_eq!(settled(8, &[3], 5), [3]);
    }

    #[test]
    fn greedy_builds_share_equally_and_take_what_others_leave() {
        assert_eq!(settled(8, &[100, 100], 5), [4, 4]);
        assert_eq!(settled(8, &[100, 1], 5), [7, 1], "a token that the other does not want goes on");
        assert_eq!(settled(3, &[1, 100], 4)[1], 2, "a token that nobody takes goes on");
    }

    #[test]
    fn there_are_no_tokens_without_spare_processors() {
        assert_eq!(settled(2, &[9, 9], 4), [1, 1]);
        assert_eq!(settled(1, &[9, 9], 4), [1, 1]);
        assert_eq!(turns(0, &[]), []);
    }

    #[test]
    fn bytes_that_were_never_lent_are_dropped() {
        let turn = turns(4, &[Pipe { lent: 1, idle: 500 }, Pipe { lent: 0, idle: 0 }]);
        assert_eq!(turn[0].drop, 499);
        assert!(turn.iter().map(|turn| turn.put).sum::<usize>() <= 2);
    }

    #[test]
    fn a_new_build_gets_a_token_as_soon_as_one_lies_idle() {
        let turn = turns(4, &[Pipe { lent: 3, idle: 3 }, Pipe { lent: 0, idle: 0 }]);
        assert_eq!(turn, [Turn { drop: 0, back: 2, put: 0 }, Turn { drop: 0, back: 0, put: 1 }]);
        let turn = turns(4, &[Pipe { lent: 3, idle: 0 }, Pipe { lent: 0, idle: 0 }]);
        assert_eq!(turn[1], Turn::default(), "all are at work: it runs one process until one of them ends");
    }
}
