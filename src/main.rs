//! The `drydock` program: the command line, or the sandbox helper of the embedded engine when started as such.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The helper makes namespaces, which needs a process of one thread: it must come before the runtime.
    if let Some(code) = drydock::engine::sandbox_main(std::env::args_os()) {
        return code;
    }
    drydock::cli::main()
}
