//! Whether a spec asks RPM's database itself, while it is read or built.
//!
//! What such a spec says may depend on each line of what the toolchain's stage provides; of all others only on what they
//! require. Its text and the small files beside it tell ([`super::beside`]). Known hole: what macros of the image and
//! programs inside archives ask.

/// True when `text` has a command that asks the database.
pub fn asks_database(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let has_command = text.split("rpm").skip(1).any(|rest| {
        let after = rest.trim_start_matches([' ', '\t', '}', '"', '\'', ')']);
        let between = &rest[..rest.len() - after.len()];
        after.starts_with('-') && between.contains([' ', '\t'])
    });
    has_command || ["rpmquery", "rpmdb", "whatprovides", "TransactionSet"].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_ask_are_known() {
        for text in [
            "%global v %(rpm -q --qf '%%{VERSION}' gcc)",
            "%{__rpm} -qa",
            "/bin/rpm  --query x",
            "\"$(RPM_rpm)\" -q",
            "rpmquery x",
            "python3 -c 'rpm.TransactionSet()'",
        ] {
            assert!(asks_database(text.as_bytes()), "{text}");
        }
        for text in ["BuildRequires: rpm-devel >= 4", "%{_rpmdir} x", "librpm.so", "rpm and others"] {
            assert!(!asks_database(text.as_bytes()), "{text}");
        }
    }
}
